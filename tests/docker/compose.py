"""The cluster of Docker Compose."""

import json
import re
import time
import urllib.parse
import urllib.request

from containers import PATIENCE, Cluster, compose_command, follow, names, ours, run, volumes, within
from progress import README, failover, walk
from readme import DOCKER

COMPOSE = compose_command()
TOKEN = {"ETCD_TOKEN": re.search(r"ETCD_TOKEN=(\S+)", README["compose-up"])[1]}
FREE_PORTS = TOKEN | {"PROMETHEUS_PORT": "0", "GRAFANA_PORT": "0"}
composed = Cluster("")


def compose(name):
    """A command of the README, in the dialect of the compose that is here."""
    return re.sub(r"\bdocker-compose\b", COMPOSE, README[name])


def service(name):
    return sorted(names("label=com.docker.compose.project=stolon", f"label=com.docker.compose.service={name}"))


def compose_up(command="monitoring"):
    run(compose(command), 900, FREE_PORTS)
    walk.password = (DOCKER / "etc/secrets/pgsql").read_text().strip()
    composed.sentinel = service("sentinel")[0]
    assert len(service("keeper")) == 3, service("keeper")


def compose_ps():
    wanted = ["etcd-00", "etcd-01", "etcd-02", *service("keeper"), *service("proxy"), *service("sentinel")]

    def healthy():
        printed = run(compose("compose-ps"), env=TOKEN)
        return all(re.search(rf"{name}\b.*\(healthy\)", printed) for name in wanted)
    within(PATIENCE, f"the health of {' '.join(wanted)}", healthy)


def compose_port():
    walk.port = run(compose("compose-port"), env=TOKEN).strip().rsplit(":", 1)[1]
    walk.open_session()
    for statement, answer in zip(README["sql"].splitlines(), ("CREATE TABLE", "INSERT 0 1", "1 | hello"), strict=True):
        shown = walk.session.run(statement)
        assert answer in shown, shown


def scale_up():
    run(compose("scale-up"), env=TOKEN)
    within(PATIENCE, "five keepers", lambda: composed.in_place(5))
    within(PATIENCE, "four streaming standbys", lambda: composed.replicates(walk.port, walk.password, 4))
    follow(compose("compose-logs"), "added new standby db", 4, TOKEN)


def keepers_name_their_containers():
    for uid in composed.keepers():
        container = composed.container(uid)
        assert re.split(r"[-_]", container)[-1] == uid.rsplit("_", 1)[1], f"{uid} is in {container}"


def compose_failover():
    run(compose("compose-status"), env=TOKEN)
    container = composed.container(composed.master())
    old = failover(composed, compose("compose-stop-master"))
    run(README["compose-start-master"].replace("stolon_keeper_1", container))
    within(PATIENCE, f"{old} as a standby", lambda: composed.in_place(5))
    return f"{old} was replaced by {composed.master()}"


def returns_in_time():
    uid = next(uid for uid in sorted(composed.keepers()) if uid != composed.master())
    container, generation = composed.container(uid), composed.keepers()[uid]["pg_wanted_generation"]
    before = composed.log().count("added new standby db")
    run(f"docker stop {container}")
    within(PATIENCE, "its failure", lambda: composed.keepers().get(uid, {}).get("healthy") is False)
    run(f"docker start {container}")
    within(PATIENCE, "its return", lambda: composed.in_place(5))
    assert composed.log().count("added new standby db") == before, "it got a new db"
    assert composed.keepers()[uid]["pg_wanted_generation"] >= generation


def scale_down():
    # The master must be among those that go: compose keeps the first replica.
    first = service("keeper")[0]
    if composed.container(composed.master()) == first:
        failover(composed, f"docker stop {first}")
        run(f"docker start {first}")
        within(PATIENCE, "all five", lambda: composed.in_place(5))
    within(PATIENCE, "four streaming standbys", lambda: composed.replicates(walk.port, walk.password, 4))
    master, gone = composed.master(), {uid for uid in composed.keepers() if composed.container(uid) != first}
    assert len(gone) == 4, gone
    run(compose("scale-down"), env=TOKEN)
    _, took = within(60, "one keeper left in the status", lambda: composed.in_place(1))
    assert len(service("keeper")) == 1
    assert composed.container(composed.master()) == service("keeper")[0]
    within(PATIENCE, "the end of the replication slots", lambda: composed.replicates(walk.port, walk.password, 0))
    assert "1 | hello" in walk.session.run("SELECT * FROM greeting;", 60) + walk.session.run("SELECT * FROM greeting;", 60)
    story = composed.log()
    assert "removing standby db of dead keeper" in story, story[-3000:]
    for uid in gone:
        assert f'removing old dead keeper\t{{"keeper": "{uid}"}}' in story, story[-3000:]
    return f"the master {master} and three standbys left {took:.0f} s after they were removed"


def published(service_name, inside):
    """The port of this host behind which a service listens."""
    return run(f"docker port {service(service_name)[0]} {inside}").strip().rsplit(":", 1)[1]


def get(port, path):
    """What an HTTP server on this host answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return answer.read().decode()


def query(expression):
    """The series that an expression of Prometheus yields now."""
    answer = json.loads(get(published("prometheus", 9090), "/api/v1/query?query=" + urllib.parse.quote(expression)))
    assert answer["status"] == "success", (expression, answer)
    return answer["data"]["result"]


def prometheus():
    expected = {"proxy": 1, "sentinel": 1, "keeper": len(service("keeper")), "etcd": 3}

    def scraped():
        return {series["metric"]["job"]: int(series["value"][1]) for series in query("sum by (job) (up)")}
    within(PATIENCE, f"the scrapes of {expected}", lambda: scraped() == expected)
    return f"up: {expected}"


def promtool():
    container = service("prometheus")[0]
    printed = run(f"docker exec {container} promtool check config /etc/prometheus/prometheus.yml")
    found = re.search(r"SUCCESS: (\d+) rules found", printed)
    assert found and int(found[1]) >= 5, printed
    # Every metric that a rule asks for is there; the alerts themselves come and go.
    for name in sorted(set(re.findall(r"stolon_\w+", (DOCKER / "alerts.yml").read_text()))):
        if not name.startswith("stolon_proxy_connections_rejected"):  # counted from the first one on
            assert query(name), f"nothing exports {name}"
    return f"{found[1]} rules"


def dashboard():
    """Grafana serves the dashboard, and each of its panels asks for something that Prometheus comes to know."""
    port = published("grafana", 3000)
    health = json.loads(get(port, "/api/health"))
    assert health["database"] == "ok", health
    is_stand_in = "stand-in" in health["version"]
    shown = json.loads(get(port, "/grafana/dashboards/stolon.json" if is_stand_in else "/api/dashboards/uid/stolon"))
    panels = shown.get("dashboard", shown)["panels"]
    titles = " ".join(panel.get("title", "") for panel in panels).lower()
    for word in ("topology", "outage", "sessions", "held", "reason", "throughput", "lag"):
        assert word in titles, f"no panel shows {word}: {titles}"
    # What is counted by reason is not there before the first one; a rate needs two scrapes of its metric.
    for expression in [target["expr"] for panel in panels for target in panel.get("targets", []) if "by (reason)" not in target["expr"]]:
        within(PATIENCE, f"a value of {expression}", lambda: query(expression))
    return f"{len(panels)} panels, shown by {'a stand-in for ' if is_stand_in else ''}Grafana"


def compose_clean():
    walk.close()
    run(README["compose-clean"])
    assert not ours(), ours()
    assert "stolon_keepers" in volumes(), volumes()
    run(README["compose-clean"])


def compose_up_again():
    compose_up("compose-up")
    port_text = run(compose("compose-port"), env=TOKEN).strip()
    walk.port = port_text.rsplit(":", 1)[1]
    assert composed.sql(walk.port, walk.password, "select word from greeting") == ["hello"]
    within(PATIENCE, "three keepers", lambda: composed.in_place(3))


def compose_purge():
    run(README["compose-purge"])
    assert not ours() and not volumes(), (ours(), volumes())
    run(README["compose-purge"])


def tls_up():
    run(README["tls"], 900, TOKEN)
    walk.port = published("proxy", 25432)
    composed.sentinel = service("sentinel")[0]


def tls_to_postgres():
    connect = README["tls-psql"].replace("32768", walk.port)
    asked = connect + " -XqAt -c 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'"
    # The keepers reload PostgreSQL at their next pass.
    within(PATIENCE, "TLS to PostgreSQL", lambda: run(asked, 90, {"PGPASSWORD": walk.password}, check=False).strip() == "t")


def rights():
    """etcd knows the daemons by their certificate, which gives them the cluster's keys and nothing else."""
    def etcdctl(arguments, flags="", env=None):
        return run(f"docker exec {flags} etcd-00 etcdctl {arguments}", 60, env, check=False)
    printed = etcdctl("get --prefix --keys-only stolon/cluster/")
    assert "stolon/cluster/stolon/clusterdata" in printed, printed
    beyond = ["get foreign", "put foreign value", "del foreign", "get --prefix stolon", "put stolon/clusters value", "get --prefix ''",
              "user list", "role list", "user add intruder:secret", "auth disable"]
    for arguments in beyond:
        printed = etcdctl(arguments)
        assert "permission denied" in printed, f"`etcdctl {arguments}` as the daemons: {printed}"
    stranger = etcdctl("get foreign", "-e ETCDCTL_CERT= -e ETCDCTL_KEY= -e ETCDCTL_DIAL_TIMEOUT=3s")
    assert "foreign" not in stranger.split() and re.search("(?i)error|fail|deadline", stranger), f"without a certificate: {stranger}"
    root = {"ETCDCTL_USER": "root:" + (DOCKER / "etc/secrets/etcd-root").read_text().strip()}
    printed = etcdctl("role get stolon", "-e ETCDCTL_USER", root)
    assert printed.count("[stolon/cluster/, stolon/cluster0) (prefix stolon/cluster/)") == 2, printed
    printed = etcdctl("user list", "-e ETCDCTL_USER", root)
    assert sorted(printed.split()) == ["root", "stolon"], printed
    wrong = etcdctl("user list", "-e ETCDCTL_USER", {"ETCDCTL_USER": "root:wrong"})
    assert "authentication failed" in wrong, wrong
    # And the cluster lives with these rights: its sentinel writes.
    before = composed.master()
    assert before, "no master"
    change = '{"pgParameters": {"log_min_messages": "info"}}'
    run(f"docker exec {composed.sentinel} stolonctl update --patch '{change}'")
    within(PATIENCE, "a change that goes through", lambda: composed.in_place(3))
    return f"{len(beyond)} requests refused"
