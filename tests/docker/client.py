"""Clients of the cluster: an open psql session at a terminal, and a writer that never stops."""

import os
import pty
import re
import select
import signal
import subprocess
import threading
import time


class Session:
    """psql as a person runs it: at a terminal, with its prompts and messages."""

    def __init__(self, command, password):
        environment = dict(os.environ, PGPASSWORD=password, PAGER="cat", PSQL_HISTORY="/dev/null", TERM="dumb", LC_ALL="C.UTF-8")
        self.text = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)
        self.until(r"=# $", 60)

    def until(self, pattern, seconds):
        """Reads until the pattern appears and returns what came; raises AssertionError when it does not in time."""
        limit = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            left = limit - time.monotonic()
            readable = left > 0 and select.select([self.terminal], [], [], left)[0]
            try:
                piece = os.read(self.terminal, 65536) if readable else b""
            except OSError:
                piece = b""
            if not piece:
                raise AssertionError(f"psql did not come to {pattern!r} within {seconds} s but showed: {self.text[-500:]!r}")
            self.text += piece.decode(errors="replace").replace("\r", "")
        seen, self.text = self.text, ""
        return seen

    def run(self, sql, seconds=60):
        """What psql prints for a statement."""
        os.write(self.terminal, (sql + "\n").encode())
        return self.until(r"(=# |!\??> )$", seconds)

    def value(self, sql):
        """The one value of a statement, told apart from its echo by a frame."""
        shown = self.run(f"SELECT '<' || ({sql})::text || '>' AS framed;")
        return re.findall(r"^\s*<(.*)>\s*$", shown, re.M)[-1]

    def close(self):
        """Ends psql, however it is."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.terminal)
        except OSError:
            pass


class Writer(threading.Thread):
    """Inserts 1, 2, 3, ... each over a new connection; remembers what was acknowledged and the longest gap in between."""

    def __init__(self, port, password):
        super().__init__(daemon=True)
        self.port, self.password = port, password
        self.acknowledged, self.gap = [], 0.0
        self.stopped = threading.Event()

    def psql(self, sql, seconds=60):
        environment = dict(os.environ, PGPASSWORD=self.password, PGCONNECT_TIMEOUT="20")
        command = ["psql", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql]
        try:
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def run(self):
        self.psql("CREATE TABLE IF NOT EXISTS written (n int PRIMARY KEY)")
        n, last = 0, time.monotonic()
        while not self.stopped.is_set():
            n += 1
            answer = self.psql(f"INSERT INTO written VALUES ({n})")
            now = time.monotonic()
            if answer is not None and answer.returncode == 0:
                self.acknowledged.append(n)
                self.gap = max(self.gap, now - last)
                last = now
            self.stopped.wait(0.1)
        # An outage that had not ended when the writer did counts too.
        self.gap = max(self.gap, time.monotonic() - last)

    def progresses(self):
        """Waits for three more commits; bounded."""
        wanted = len(self.acknowledged) + 3
        limit = time.monotonic() + 240
        while len(self.acknowledged) < wanted and time.monotonic() < limit:
            time.sleep(0.1)
        return len(self.acknowledged) >= wanted

    def lost(self):
        """Stops and returns the acknowledged numbers that the table does not hold."""
        self.stopped.set()
        self.join(timeout=90)
        answer = self.psql("SELECT n FROM written")
        assert answer is not None and answer.returncode == 0, f"the written rows cannot be read: {answer and answer.stderr}"
        return sorted(set(self.acknowledged) - {int(line) for line in answer.stdout.split()})
