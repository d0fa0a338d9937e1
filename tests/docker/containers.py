"""What the walk asks the Docker Engine and the cluster in it."""

import json
import os
import re
import shutil
import subprocess
import threading
import time

from readme import DOCKER


def run(command, seconds=300, env=None, check=True):
    """Runs a shell command in the docker folder; returns what it printed, both streams, or raises AssertionError."""
    try:
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=DOCKER, env=dict(os.environ, **(env or {})),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"`{command}` did not end within {seconds} s: {(late.stdout or b'')[-1500:]!r}") from None
    if check and result.returncode != 0:
        raise AssertionError(f"`{command}` ended with {result.returncode}: {result.stdout[-1500:]}")
    return result.stdout


def fails(command, env=None):
    """Runs a command that must fail; returns the lines it gave as errors, without make's own."""
    result = subprocess.run(["bash", "-c", command], cwd=DOCKER, env=dict(os.environ, **(env or {})), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    assert result.returncode != 0, f"`{command}` did not fail: {result.stdout}"
    return [line for line in result.stderr.splitlines() if line and not line.startswith("make")]


# How long a state is waited for that has no promised time: a busy machine is no failure.
PATIENCE = 300


def within(seconds, what, condition):
    """Waits for a condition; returns its value and how long it took."""
    began = time.monotonic()
    while True:
        value = condition()
        took = time.monotonic() - began
        if value:
            return value, took
        if took > seconds:
            raise AssertionError(f"{what} did not come about within {seconds} s")
        time.sleep(0.3)


def follow(command, text, times, env):
    """Follows what a command prints until a text was in so many of its lines; such a command ends only when it is stopped."""
    with subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=DOCKER, env=dict(os.environ, **env), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                times -= text in line
                if times <= 0:
                    return
        finally:
            watchdog.cancel()
            process.terminate()
    raise AssertionError(f"`{command}` ended or showed {text!r} {times} times too few within {PATIENCE} s")


def compose_command():
    """`docker compose` or `docker-compose`, whichever is there."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return "docker compose"
    assert shutil.which("docker-compose"), "neither docker compose nor docker-compose is there"
    return "docker-compose"


def names(*filters):
    """The containers, running or not, that match."""
    flags = " ".join(f"--filter {f}" for f in filters)
    return run(f"docker ps -a {flags} --format '{{{{.Names}}}}'").split()


def volumes():
    """The volumes of both kinds of cluster."""
    every = run("docker volume ls -q").split()
    return [v for v in every if re.fullmatch(r"stolon-keeper-0\d|etcd-0\d|stolon_(etcd-0\d|keepers|prometheus)", v)]


def ours():
    """The containers of both kinds of cluster."""
    local = [n for n in names() if re.fullmatch(r"stolon-(keeper-0\d|proxy|sentinel)|etcd-0\d", n)]
    return sorted(set(local + names("label=com.docker.compose.project=stolon")))


class Cluster:
    """A running cluster, seen through its sentinel's container."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def status(self):
        """`stolonctl status --format json`, or nothing while it cannot be read."""
        try:
            return json.loads(run(f"docker exec {self.sentinel} stolonctl status --format json 2>/dev/null", 60))
        except (AssertionError, ValueError):
            return {}

    def master(self):
        return self.status().get("cluster", {}).get("master_keeper_uid", "")

    def keepers(self):
        return {keeper["uid"]: keeper for keeper in self.status().get("keepers", [])}

    def in_place(self, count):
        """Whether exactly these many keepers are known, all of them healthy and as wanted."""
        keepers = self.keepers().values()
        return len(keepers) == count and all(
            k["healthy"] and k["pg_healthy"] and k["pg_wanted_generation"] == k["pg_current_generation"] > 0 for k in keepers)

    def container(self, uid):
        """The name of the container in which a keeper runs: its PostgreSQL listens under the container's host name."""
        keeper, _ = within(PATIENCE, f"{uid} in the status", lambda: self.keepers().get(uid))
        host = keeper["listen_address"].rsplit(":", 1)[0]
        return run(f"docker inspect --format '{{{{.Name}}}}' {host}").strip().lstrip("/")

    def sql(self, port, password, statement):
        """Rows of a statement, through the proxy."""
        return run(f'psql -h 127.0.0.1 -p {port} -U postgres -XqAt -c "{statement}"', 90,
                   {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "20"}).split()

    def replicates(self, port, password, standbys):
        """Whether all standbys stream and no replication slot is left over."""
        try:
            rows = self.sql(port, password, "select count(*) from pg_stat_replication where state = 'streaming' "
                            "union all select count(*) from pg_replication_slots "
                            "union all select count(*) from pg_replication_slots where active")
        except AssertionError:
            return False
        return rows == [str(standbys)] * 3

    def log(self):
        return run(f"docker logs {self.sentinel} 2>&1")


def kill_process(container, name):
    """SIGKILL to the process of this name in a container."""
    run(f"docker exec {container} bash -c '"
        f"for p in /proc/[0-9]*; do read -r c <$p/comm && [ \"$c\" = {name} ] && kill -KILL ${{p#/proc/}} && exit 0; done; exit 1'")
