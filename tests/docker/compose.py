"""The cluster of Docker Compose."""

import re

from containers import Cluster, compose_command, fails, names, ours, run, volumes, within
from progress import README, failover, walk

COMPOSE = compose_command()
TOKEN = {"ETCD_TOKEN": re.search(r"ETCD_TOKEN=(\S+)", README["compose-up"])[1]}
composed = Cluster("")


def compose(name):
    """A command of the README, in the dialect of the compose that is here."""
    return re.sub(r"\bdocker-compose\b", COMPOSE, README[name])


def service(name):
    return sorted(names("label=com.docker.compose.project=stolon", f"label=com.docker.compose.service={name}"))


def compose_up():
    run(compose("compose-up"), 300)
    composed.sentinel = service("sentinel")[0]
    assert len(service("keeper")) == 3, service("keeper")


def compose_ps():
    printed = run(compose("compose-ps"), env=TOKEN)
    for name in ["etcd-00", "etcd-01", "etcd-02", *service("keeper"), *service("proxy"), *service("sentinel")]:
        assert re.search(rf"{name}\b.*healthy", printed), f"{name} is not healthy in: {printed}"


def compose_port():
    walk.port = run(compose("compose-port"), env=TOKEN).strip().rsplit(":", 1)[1]
    walk.open_session()
    for statement, answer in zip(README["sql"].splitlines(), ("CREATE TABLE", "INSERT 0 1", "1 | hello"), strict=True):
        shown = walk.session.run(statement)
        assert answer in shown, shown


def scale_up():
    run(compose("scale-up"), env=TOKEN)
    within(60, "five keepers", lambda: composed.in_place(5))
    within(30, "four streaming standbys", lambda: composed.replicates(walk.port, walk.password, 4))
    # It follows the log until it is stopped.
    printed = run(f"timeout 5 {compose('compose-logs')} || true", env=TOKEN)
    assert printed.count("added new standby db") == 4, printed


def keepers_name_their_containers():
    for uid in composed.keepers():
        container = composed.container(uid)
        assert re.split(r"[-_]", container)[-1] == uid.rsplit("_", 1)[1], f"{uid} is in {container}"


def compose_failover():
    run(compose("compose-status"), env=TOKEN)
    container = composed.container(composed.master())
    old = failover(composed, compose("compose-stop-master"))
    run(README["compose-start-master"].replace("stolon_keeper_1", container))
    within(60, f"{old} as a standby", lambda: composed.in_place(5))
    return f"{old} was replaced by {composed.master()}"


def returns_in_time():
    uid = next(uid for uid in sorted(composed.keepers()) if uid != composed.master())
    container, generation = composed.container(uid), composed.keepers()[uid]["pg_wanted_generation"]
    before = composed.log().count("added new standby db")
    run(f"docker stop {container}")
    within(30, "its failure", lambda: not composed.keepers()[uid]["healthy"])
    run(f"docker start {container}")
    within(60, "its return", lambda: composed.in_place(5))
    assert composed.log().count("added new standby db") == before, "it got a new db"
    assert composed.keepers()[uid]["pg_wanted_generation"] >= generation


def scale_down():
    # The master must be among those that go: compose keeps the first replica.
    first = service("keeper")[0]
    if composed.container(composed.master()) == first:
        failover(composed, f"docker stop {first}")
        run(f"docker start {first}")
        within(60, "all five", lambda: composed.in_place(5))
    within(30, "four streaming standbys", lambda: composed.replicates(walk.port, walk.password, 4))
    gone = composed.master()
    began = time.monotonic()
    run(compose("scale-down"), env=TOKEN)
    within(62 - (time.monotonic() - began), "one keeper left in the status", lambda: composed.in_place(1))
    took = time.monotonic() - began
    assert len(service("keeper")) == 1
    assert composed.container(composed.master()) == service("keeper")[0]
    within(10, "the end of the replication slots", lambda: composed.replicates(walk.port, walk.password, 0))
    assert "1 | hello" in walk.session.run("SELECT * FROM greeting;", 60) + walk.session.run("SELECT * FROM greeting;", 60)
    return f"the master {gone} and three standbys left within {took:.0f} s"


def monitoring():
    if not run("docker images -q prom/prometheus; docker images -q grafana/grafana").strip():
        raise AssertionError("the images for monitoring are not here")
    run(README["monitoring"], 300, TOKEN)
    jobs = "docker run --rm --network stolon-network --entrypoint promtool {image} query instant http://prometheus:9090 'count by (job) (up == 1)'"
    image = run("docker inspect --format '{{.Config.Image}}' stolon_prometheus_1 2>/dev/null || docker inspect --format '{{.Config.Image}}' stolon-prometheus-1").strip()
    config = "/etc/prometheus/prometheus.yml"
    run(f"docker exec {service('prometheus')[0]} promtool check config {config}")
    printed = ""

    def all_scraped():
        nonlocal printed
        printed = run(jobs.format(image=image), check=False)
        return all(f'job="{job}"' in printed for job in ("proxy", "sentinel", "keeper", "etcd")) and re.search(r'job="keeper"\} => 3', printed)
    within(60, "the scrapes of all services", all_scraped)
    grafana = run("docker port " + service("grafana")[0]).strip().rsplit(":", 1)[1]
    assert '"ok"' in run(f"exec 3<>/dev/tcp/127.0.0.1/{grafana}; printf 'GET /api/health HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3").replace(" ", ""), "Grafana does not answer"


def compose_clean():
    run(README["compose-clean"])
    assert not ours(), ours()
    assert "stolon_keepers" in volumes(), volumes()
    run(README["compose-clean"])


def compose_up_again():
    compose_up()
    port_text = run(compose("compose-port"), env=TOKEN).strip()
    walk.port = port_text.rsplit(":", 1)[1]
    assert composed.sql(walk.port, walk.password, "select word from greeting") == ["hello"]
    within(60, "three keepers", lambda: composed.in_place(3))


def compose_purge():
    run(README["compose-purge"])
    assert not ours() and not volumes(), (ours(), volumes())
    run(README["compose-purge"])


def tls():
    run(README["tls"], 300, TOKEN)
    walk.port = run(f"docker port {service('proxy')[0]} 25432").strip().rsplit(":", 1)[1]
    connect = README["tls-psql"].replace("32768", walk.port)
    asked = connect + " -XqAt -c 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'"
    # The keepers reload PostgreSQL at their next pass.
    within(30, "TLS to PostgreSQL", lambda: run(asked, 40, {"PGPASSWORD": walk.password}, check=False).strip() == "t")
    printed = run("docker exec etcd-00 etcdctl put foreign value", check=False)
    assert "permission denied" in printed, printed
    printed = run("docker exec -e ETCDCTL_CERT= -e ETCDCTL_KEY= etcd-00 etcdctl get --prefix stolon --command-timeout 3s", check=False)
    assert "cluster" not in printed, f"etcd answers somebody without a certificate: {printed}"
    plain = fails("make compose-up", TOKEN)
    assert len(plain) == 1 and "TLS=1" in plain[0], plain
