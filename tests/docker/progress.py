"""The checks so far, and what is open between them."""

import re
import time

from client import Session, Writer
from containers import PATIENCE, run, within
from readme import blocks

README = blocks()


class Walk:
    """The checks so far, what is open, and where the cluster is reached."""

    def __init__(self):
        self.passed = self.failed = 0
        self.session = self.writer = None
        self.port = self.password = ""

    def check(self, what, action):
        """Runs one check; a failure is told and the walk goes on."""
        began = time.monotonic()
        try:
            note = action()
            verdict, self.passed = "PASS", self.passed + 1
        except Exception as error:  # whatever goes wrong is a failed check, and the next ones still run
            note = f"{type(error).__name__}: {error}"
            verdict, self.failed = "FAIL", self.failed + 1
        note = f": {note}" if note else ""
        print(f"{verdict} {self.passed + self.failed:2} {what}{note} ({time.monotonic() - began:.1f} s)", flush=True)

    def open_session(self):
        if self.session:
            self.session.close()
        command = README["psql"].split()
        command[command.index("-p") + 1] = self.port
        self.session = Session(command, self.password)

    def start_writer(self):
        self.writer = Writer(self.port, self.password)
        self.writer.start()
        assert self.writer.progresses(), "the writer could not write"

    def close(self):
        """Ends what is open, so that nobody has to wait for it."""
        if self.session:
            self.session.close()
            self.session = None
        if self.writer:
            self.writer.stopped.set()


walk = Walk()


def lines_in_order(text, *wanted):
    """Asserts that the lines appear, in this order."""
    position = 0
    for line in wanted:
        found = text.find(line, position)
        assert found >= 0, f"{line!r} is not in the log after {text[max(0, position - 200):position]!r}"
        position = found


def serves_again():
    """Whether a new session is served; then it is the open one."""
    try:
        walk.open_session()
        return "(1 row)" in walk.session.run("SELECT 1;")
    except (AssertionError, OSError):
        return False


def on_master(command, cluster):
    """A command of the README that names a keeper's container, for the keeper that is master now."""
    return re.sub(r"stolon[-_]keeper[-_]\d+", cluster.container(cluster.master()), command)


def failover(cluster, stop):
    """Stops the master by the README's command and returns it; the open session and the log tell of it."""
    old = cluster.master()
    before = len(cluster.log())
    run(on_master(stop, cluster))
    within(PATIENCE, "another master", lambda: cluster.master() not in ("", old))
    shown = walk.session.run("SELECT * FROM greeting;", 60)
    assert "server closed the connection unexpectedly" in shown, shown
    assert re.search(r"Attempting reset: Succeeded\.", shown), shown
    shown = walk.session.run("SELECT * FROM greeting;")
    assert "1 | hello" in shown, shown
    within(PATIENCE, "the old master's removal", lambda: "removing old master db" in cluster.log()[before:])
    story = cluster.log()[before:]
    lines_in_order(story, "master db is failed", "trying to find a new master", "electing db as the new master", "removing old master db")
    assert f'"keeper": "{old}"' in story, story
    return old
