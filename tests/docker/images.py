"""The images, and bad input: one clear sentence each, and nothing left behind."""

import os
import socket

from containers import fails, ours, run, volumes
from progress import README, walk
from readme import DOCKER


def build():
    printed = run(README["build"], 1800)
    for name in ("pgsql", "pgsql-repl"):
        mode = (DOCKER / "etc/secrets" / name).stat().st_mode & 0o777
        assert mode == 0o600, f"{name} has mode {mode:o}"
    return printed.splitlines()[-2]


def build_again_keeps_secrets():
    before = [(DOCKER / "etc/secrets" / name).read_text() for name in ("pgsql", "pgsql-repl")]
    assert before[0] != before[1], "the two passwords are the same"
    run("make secrets")
    assert before == [(DOCKER / "etc/secrets" / name).read_text() for name in ("pgsql", "pgsql-repl")], "made anew"
    ignored = run("git check-ignore -q etc/secrets/pgsql && echo ignored", check=False)
    assert "ignored" in ignored or not (DOCKER.parent / ".git").exists(), "git would take the secrets"


def images_are_decent():
    env = dict(line.split("=", 1) for line in (DOCKER / ".env").read_text().splitlines() if "=" in line and line[0] != "#")
    for variable in ("IMAGE_TAG_SENTINEL", "IMAGE_TAG_KEEPER", "IMAGE_TAG_PROXY"):
        image = os.environ.get(variable, env[variable])
        told = run(f"docker image inspect --format '{{{{.Config.User}}}}|{{{{.Config.Healthcheck}}}}|{{{{.Config.Labels}}}}' {image}")
        user, health, labels = told.strip().split("|")
        assert user.split(":")[0] not in ("", "0", "root"), f"{image} runs as {user!r}"
        assert "healthcheck" in health, f"{image} has no HEALTHCHECK"
        assert "org.opencontainers.image.title" in labels, f"{image} has no labels"
    stand_ins = []
    for variable in ("BASE_IMAGE", "ETCD_IMAGE", "PROMETHEUS_IMAGE"):
        image = os.environ.get(variable, env[variable])
        label = run(f"docker image inspect --format '{{{{index .Config.Labels \"stolon.stand-in\"}}}}' {image} 2>/dev/null", check=False).strip()
        stand_ins.append(f"{image} is {'a stand-in, ' + label if label else 'the public image or not here'}")
    return "; ".join(stand_ins)


def refused(what, command, env, *words):
    def action():
        errors = fails(command, env)
        assert len(errors) == 1, f"not one sentence: {errors}"
        assert errors[0].startswith("error: ") and all(word in errors[0] for word in words), errors[0]
        assert not ours() and not volumes(), f"left behind: {ours()} {volumes()}"
        return errors[0]
    walk.check(f"refused: {what}", action)


def bad_input():
    up = README["local-up"]
    bare = "make local-up"
    refused("no ETCD_TOKEN", bare, {"ETCD_TOKEN": ""}, "ETCD_TOKEN")
    refused("no ETCD_TOKEN for compose", "make compose-up", {"ETCD_TOKEN": ""}, "ETCD_TOKEN")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused("a taken port", up, {"PROXY_PORT": port}, port, "taken")
        refused("a taken port for compose", README["compose-up"], {"PROXY_PORT": port}, port, "taken")
    refused("an unwritable secrets folder", "make secrets", {"SECRETS_DIR": "/dev/null/secrets"}, "/dev/null/secrets", "cannot be written")
    refused("no engine", up, {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}, "no Docker Engine answers")
    refused("no engine for compose", README["compose-up"], {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}, "no Docker Engine answers")
    refused("no engine for the images", README["build"], {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}, "no Docker Engine answers")
    refused("an unwritable secrets folder for the images", README["build"], {"SECRETS_DIR": "/dev/null/secrets"}, "/dev/null/secrets", "cannot be written")
    refused("an image that is not built for compose", README["compose-up"], {"IMAGE_TAG_KEEPER": "stolon-keeper:not-built"}, "stolon-keeper:not-built", "make build")
    refused("an image that is not built", up, {"IMAGE_TAG_PROXY": "stolon-proxy:not-built"}, "stolon-proxy:not-built", "make build")
    spec = DOCKER / ".build" / "bad-spec.json"
    spec.write_text('{"initMode": "new"')
    refused("a specification that is not JSON", up, {"INIT_SPEC": str(spec)}, "bad-spec.json", "parse")
    spec.write_text('{"initMode": "newer"}')
    refused("an invalid specification", up, {"INIT_SPEC": str(spec)}, "bad-spec.json", 'unknown initMode: "newer"')
    refused("an invalid specification for compose", README["compose-up"], {"INIT_SPEC": str(spec)}, 'unknown initMode: "newer"')
    spec.unlink()
