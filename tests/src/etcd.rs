//! One etcd member, and its keys as an independent program (`etcdctl`) sees them.

use crate::eventually;
use crate::ports::Port;
use crate::process::Process;
use crate::scratch::Scratch;
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A running or killed etcd; its data outlives its process.
#[derive(Debug)]
pub struct Etcd {
    client: Port,
    peer: Port,
    process: Option<Process>,
}

impl Etcd {
    /// Starts a new one.
    pub async fn start(scratch: &Scratch) -> Result<Self> {
        let mut etcd = Self { client: Port::reserve()?, peer: Port::reserve()?, process: None };
        etcd.restart(scratch).await?;
        Ok(etcd)
    }

    /// Starts it again with its data.
    pub async fn restart(&mut self, scratch: &Scratch) -> Result<()> {
        let data = scratch.path("etcd");
        fs::create_dir_all(&data)?;
        let (client, peer) = (self.endpoint(), format!("http://{}", self.peer.address()));
        let mut command = Command::new("etcd");
        command
            .args(["--name", "one", "--log-level", "error", "--logger", "zap"])
            .arg("--data-dir")
            .arg(data);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("one={peer}")]);
        let process = Process::start(scratch, "etcd", &mut command);
        self.process = Some(process.context("etcd is not installed: run `make deps`")?);
        eventually("etcd answers", Duration::from_secs(30), async || {
            self.ctl(&["endpoint", "health"], None).map(|_| ())
        })
        .await
    }

    /// Its address for clients, as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Its address for clients.
    pub fn address(&self) -> String {
        self.client.address()
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().context("etcd does not run")?.kill()
    }

    /// SIGSTOP: connections stay open, nothing is answered.
    pub fn freeze(&mut self) -> Result<()> {
        self.process.as_mut().context("etcd does not run")?.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn thaw(&mut self) -> Result<()> {
        self.process.as_mut().context("etcd does not run")?.signal(Signal::CONT)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let mut value = self.ctl(&["get", "--print-value-only", key], None)?.stdout;
        // etcdctl ends a value with a newline and prints nothing for a missing key.
        Ok(value.pop().map(|_| value))
    }

    /// The keys below a prefix.
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let output = self.ctl(&["get", "--prefix", "--keys-only", prefix], None)?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Writes a key, as an intruder would.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        self.ctl(&["put", key], Some(value)).map(|_| ())
    }

    /// Removes a key.
    pub fn delete(&self, key: &str) -> Result<()> {
        self.ctl(&["del", key], None).map(|_| ())
    }

    fn ctl(&self, arguments: &[&str], input: Option<&[u8]>) -> Result<Output> {
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoint(), "--command-timeout", "3s"])
            .args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("etcdctl is not installed: run `make deps`")?;
        child.stdin.take().context("etcdctl has no stdin")?.write_all(input.unwrap_or_default())?;
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "etcdctl {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(output)
    }
}
