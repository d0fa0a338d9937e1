//! `run` in a process of its own: signals, exit codes and the lines on stderr.

#![cfg(test)]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

/// The example `stolon_example`, which Cargo builds beside the tests.
struct Daemon {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Daemon {
    fn start(address: &str, end: &str) -> Self {
        let tests = std::env::current_exe().unwrap();
        let program: PathBuf =
            tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples/stolon_example");
        let mut child = Command::new(&program)
            .args([address, end])
            .env("TZ", "UTC")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The exit code and what was left on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a `serving` line.
fn address(line: &str) -> String {
    let (_, rest) =
        line.split_once("{\"address\": \"").unwrap_or_else(|| panic!("no address in {line:?}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Level and what follows the caller column.
fn event(line: &str) -> (&str, &str) {
    let columns: Vec<&str> = line.trim_end().splitn(4, '\t').collect();
    assert_eq!(columns.len(), 4, "{line:?}");
    (columns[1], columns[3])
}

#[test]
fn the_first_signal_ends_gracefully() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Daemon::start("127.0.0.1:0", "graceful");
        let serving = daemon.line();
        assert!(serving.contains("Z\tINFO\texamples/stolon_example.rs:"), "{serving}");
        let mut page = TcpStream::connect(address(&serving)).unwrap();
        page.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        page.read_to_string(&mut text).unwrap();
        assert!(
            text.contains("stolon_cluster_identifier{cluster_name=\"c1\",component=\"example\"} 1"),
            "{text}"
        );
        daemon.signal(signal);
        let name = if signal == Signal::TERM { "SIGTERM" } else { "SIGINT" };
        assert_eq!(
            event(&daemon.line()),
            ("INFO", format!("stopping\t{{\"signal\": \"{name}\"}}").as_str())
        );
        assert_eq!(daemon.end(), (Some(0), String::new()));
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let mut daemon = Daemon::start("127.0.0.1:0", "stubborn");
    daemon.line();
    daemon.signal(Signal::TERM);
    assert_eq!(event(&daemon.line()).0, "INFO");
    daemon.signal(Signal::TERM);
    let (code, rest) = daemon.end();
    assert_eq!(code, Some(1));
    assert_eq!(event(&rest), ("FATAL", "received SIGTERM while stopping: ending at once"));
}

#[test]
fn an_error_is_a_fatal_line() {
    let mut daemon = Daemon::start("127.0.0.1:0", "failing");
    daemon.line();
    daemon.signal(Signal::TERM);
    daemon.line();
    let (code, rest) = daemon.end();
    assert_eq!(code, Some(1));
    assert_eq!(event(&rest), ("FATAL", "cannot save the state: no disk"));
}

#[test]
fn a_taken_address_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, rest) = Daemon::start(&address, "graceful").end();
    assert_eq!(code, Some(1));
    let (level, message) = event(&rest);
    assert_eq!(level, "FATAL");
    assert!(
        message.starts_with(&format!("cannot listen on metrics address \"{address}\": ")),
        "{message}"
    );
}

#[test]
fn a_closed_stderr_ends_nothing() {
    let mut daemon = Daemon::start("127.0.0.1:0", "graceful");
    daemon.line();
    let Daemon { child, stderr } = &mut daemon;
    // The reader goes away; every later line meets a broken pipe.
    drop(std::mem::replace(stderr, BufReader::new(dead_end())));
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A stderr nothing will come from.
fn dead_end() -> ChildStderr {
    let mut child = Command::new("true").stderr(Stdio::piped()).spawn().unwrap();
    child.wait().unwrap();
    child.stderr.take().unwrap()
}
