"""Faults of the local cluster, by the letters that the project calls them."""

import re
import time

from containers import PATIENCE, kill_process, run, within
from local import local
from progress import README, serves_again, walk


def backend():
    return walk.session.value("pg_backend_pid()::text || ' of ' || pg_postmaster_start_time()::text")


def calm():
    within(PATIENCE, "a calm cluster", lambda: local.in_place(3) and local.replicates(walk.port, walk.password, 2))


# The longest gap between two commits, in seconds, that a busy machine too must keep to. The notes tell what it was.
BOUND = 60


def fault(action):
    """A fault under a writer: within the bound it writes on, nothing acknowledged is lost, and all is well again after."""
    calm()
    walk.start_writer()
    action()
    assert walk.writer.progresses(), "the writer does not get on"
    calm()
    lost = walk.writer.lost()
    assert not lost, f"acknowledged and lost: {lost}"
    assert walk.writer.gap <= BOUND, f"no commit for {walk.writer.gap:.1f} s, more than {BOUND} s"
    return f"{len(walk.writer.acknowledged)} commits, none lost, longest gap {walk.writer.gap:.1f} s"


def p1():
    def kill():
        container = local.container(local.master())
        run(f"docker exec {container} bash -c 'kill -KILL \"$(head -n 1 /stolon-data/postgres/postmaster.pid)\"'")
    return fault(kill)


def k1():
    def kill():
        container = local.container(local.master())
        restarts = f"docker inspect --format '{{{{.RestartCount}}}}' {container}"
        before = int(run(restarts))
        kill_process(container, "stolon-keeper")
        within(PATIENCE, "the restart of the container", lambda: int(run(restarts)) > before)
    return fault(kill)


def spare_part(action):
    """A fault in a spare part: the open session does not notice."""
    calm()
    walk.open_session()
    before, master = backend(), local.master()
    action()
    assert backend() == before, "the session was dropped"
    assert local.master() == master, "there was a failover"


def s2():
    def kill():
        elected = local.log().count("sentinel leadership acquired")
        kill_process("stolon-sentinel", "stolon-sentinel")
        within(PATIENCE, "a leader", lambda: local.log().count("sentinel leadership acquired") > elected)
    spare_part(kill)


def e1():
    def kill():
        status = run("docker exec etcd-00 etcdctl endpoint status --cluster")
        leader = re.search(r"http://(etcd-0\d):2379(?:, [^,]*){3}, true", status)[1]
        run(f"docker kill {leader}")
        # Longer than proxyTimeout: had the proxy lost its way to etcd, it would have closed the session by now.
        end = time.monotonic() + 12
        while time.monotonic() < end:
            assert walk.session.value("1") == "1"
            time.sleep(0.5)
        run(f"docker start {leader}")
        within(PATIENCE, "etcd's health", lambda: run(README["etcd-health"], check=False).count("is healthy") == 3)
        return leader
    spare_part(kill)


def e3():
    calm()
    walk.open_session()
    master, started = local.master(), walk.session.value("pg_postmaster_start_time()::text")
    run("docker kill etcd-01 etcd-02")
    began = time.monotonic()

    def closed():
        return "closed the connection unexpectedly" in walk.session.run("SELECT 1;", 60)
    within(PATIENCE, "the end of the session", closed)
    took = time.monotonic() - began
    run("docker start etcd-01 etcd-02")
    within(PATIENCE, "service again", serves_again)
    within(PATIENCE, "the same master", lambda: local.master() == master)
    assert walk.session.value("pg_postmaster_start_time()::text") == started, "PostgreSQL was restarted"
    return f"the session was closed after {took:.1f} s and served again"


def n1():
    cut = {}

    def partition():
        cut["uid"] = local.master()
        cut["container"] = local.container(cut["uid"])
        run(f"docker network disconnect stolon-network {cut['container']}")
        within(PATIENCE, "another master", lambda: local.master() not in ("", cut["uid"]))
        assert walk.writer.progresses(), "the writer does not get on with the new master"
        run(f"docker network connect stolon-network {cut['container']}")
        within(PATIENCE, "its return", lambda: local.in_place(3))
        assert local.master() != cut["uid"], "it is master again"
    return fault(partition)
