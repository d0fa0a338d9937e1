//! Runs the program and keeps what it said.

use crate::etcd::Etcd;
use std::io::Write as _;
use std::process::{Command, Stdio};
use stolon_flags::{CommonFlags, Program};

/// The program with the global flags for one cluster.
pub struct Ctl {
    flags: Vec<String>,
    variables: Vec<(String, String)>,
}

/// What a run said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ctl {
    /// Without any global flag.
    pub fn bare() -> Self {
        Self { flags: Vec::new(), variables: Vec::new() }
    }

    /// For the cluster `test` in an etcd.
    pub fn of(etcd: &Etcd) -> Self {
        Self::at(&etcd.endpoint)
    }

    /// For the cluster `test` at an endpoint.
    pub fn at(endpoint: &str) -> Self {
        Self { flags: global_flags(endpoint, "test"), variables: Vec::new() }
    }

    /// With an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Runs it with nothing on standard input.
    pub fn run(&self, words: &[&str]) -> Said {
        self.run_with_input(words, "")
    }

    /// Runs it with `input` on standard input.
    pub fn run_with_input(&self, words: &[&str], input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stolonctl"))
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .args(&self.flags)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It need not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs it; it must succeed and complain of nothing.
    pub fn ok(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{words:?}: {said:?}");
        said.stdout
    }

    /// Runs it; it must fail with one line on standard error and nothing on standard output.
    pub fn error(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{words:?}: {said:?}");
        said.error_line()
    }
}

impl Said {
    /// The only line on standard error.
    pub fn error_line(&self) -> String {
        let line = self.stderr.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "more than one line: {line}");
        line.to_owned()
    }
}

fn global_flags(endpoint: &str, cluster: &str) -> Vec<String> {
    vec![
        format!("--cluster-name={cluster}"),
        "--store-backend=etcdv3".into(),
        format!("--store-endpoints={endpoint}"),
    ]
}

/// The same flags as a struct, for a connection of the test's own.
pub fn common(endpoint: &str, cluster: &str) -> CommonFlags {
    let program =
        Program { command: "test", env_prefix: "TEST", version: "", about: "", deprecated: &[] };
    let words = std::iter::once("test".to_owned()).chain(global_flags(endpoint, cluster));
    stolon_flags::parse::<CommonFlags>(&program, words.map(Into::into), []).unwrap().args
}
