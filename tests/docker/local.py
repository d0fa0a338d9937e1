"""The cluster of plain containers."""

import re

from containers import PATIENCE, Cluster, ours, run, volumes, within
from progress import README, failover, lines_in_order, walk
from readme import DOCKER

local = Cluster("stolon-sentinel")


def local_up():
    run(README["local-up"], 600)
    found = sorted(ours())
    assert found == sorted([f"etcd-0{n}" for n in range(3)] + [f"stolon-keeper-0{n}" for n in range(3)] + ["stolon-proxy", "stolon-sentinel"]), found
    attached = run("docker network inspect --format '{{range .Containers}}{{.Name}} {{end}}' stolon-network").split()
    assert sorted(attached) == found, attached


def etcd_health():
    printed = run(README["etcd-health"])
    assert len(re.findall(r"http://etcd-0[012]:2379 is healthy", printed)) == 3, printed


def port():
    printed = run(README["port"])
    found = re.search(r"25432/tcp -> 127\.0\.0\.1:(\d+)", printed)
    assert found and int(found[1]) > 1024, printed
    walk.port = found[1]
    walk.password = (DOCKER / "etc/secrets/pgsql").read_text().strip()


def first_sql():
    walk.open_session()
    for statement, answer in zip(README["sql"].splitlines(), ("CREATE TABLE", "INSERT 0 1", "1 | hello"), strict=True):
        shown = walk.session.run(statement)
        assert answer in shown, shown


def replication_user():
    password = (DOCKER / "etc/secrets/pgsql-repl").read_text().strip()
    connect = f"psql 'host=127.0.0.1 port={walk.port} user=repluser dbname=postgres replication=1' -XAt -c IDENTIFY_SYSTEM"
    run(connect, 40, {"PGPASSWORD": password})
    printed = run(connect, 40, {"PGPASSWORD": walk.password}, check=False)
    assert "authentication failed" in printed, printed


def first_story():
    printed = run(README["log"] + " 2>&1")
    master = local.master()
    lines_in_order(printed, f'initializing cluster\t{{"keeper": "{master}"}}', "db initialized", "added new standby db", "added new standby db")
    return f"the master is {master}"


stopped = {}


def stop_master():
    container = local.container(local.master())
    old = failover(local, README["stop-master"])
    stopped.update(uid=old, container=container)
    return f"{old} was replaced by {local.master()}"


def start_master():
    run(README["start-master"].replace("stolon-keeper-00", stopped["container"]))
    within(PATIENCE, f"{stopped['uid']} as a standby", lambda: local.in_place(3) and local.master() != stopped["uid"])
    _, took = within(PATIENCE, "streaming", lambda: local.replicates(walk.port, walk.password, 2))


def synchronous():
    run(README["synchronous"])
    _, took = within(PATIENCE, "synchronous replication", lambda: walk.session.value(
        "select count(*) from pg_stat_replication where sync_state = 'sync'") == "1")


def local_clean():
    walk.close()
    printed = run(README["local-clean"])
    assert not ours(), ours()
    kept = volumes()
    assert len(kept) == 6, kept
    run(README["local-clean"])
    assert volumes() == kept
    assert "stolon-network" not in run("docker network ls --format '{{.Name}}'").split()


def local_up_again():
    run(README["local-up"], 600)
    port()
    rows = local.sql(walk.port, walk.password, "select word from greeting")
    assert rows == ["hello"], rows


def local_purge():
    run("docker rm -f stolon-keeper-01 etcd-02")
    run(README["local-purge"])
    assert not ours() and not volumes(), (ours(), volumes())
    run(README["local-purge"])
