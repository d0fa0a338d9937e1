//! A child process with its log, killed when it goes out of scope.

use crate::scratch::Scratch;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long a process may take to end after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where this process' own lines begin in the log, which earlier runs wrote too.
    log_start: u64,
}

impl Process {
    /// Starts `command`; its output goes to the log `name`.
    pub fn start(scratch: &Scratch, name: &str, command: &mut Command) -> Result<Self> {
        let (log, file) = scratch.log(name)?;
        let log_start = file.metadata()?.len();
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let program = command.get_program().to_owned();
        let child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log, log_start })
    }

    /// The name of its log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. That the process is gone already is an error.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.alive()?;
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("cannot signal {}", self.name))
    }

    /// An error that shows the log's end if the process has ended.
    pub fn alive(&mut self) -> Result<()> {
        let status = self.child.try_wait()?;
        ensure!(status.is_none(), "{} ended with {status:?}: {}", self.name, self.log_text()?);
        Ok(())
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended(STOP_WITHIN).await
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        crate::eventually(&format!("{name} ends"), within, async || {
            self.child.try_wait()?.context("it runs")
        })
        .await
    }

    /// What it has logged since its start.
    pub fn log_text(&self) -> Result<String> {
        let bytes = fs::read(&self.log)?;
        let start = usize::try_from(self.log_start)?;
        Ok(String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned())
    }

    /// Waits until its log holds `text`.
    pub async fn logged(&self, text: &str, within: Duration) -> Result<()> {
        crate::eventually(&format!("{} logs \"{text}\"", self.name), within, async || {
            let log = self.log_text()?;
            ensure!(
                log.contains(text),
                "its last line: {}",
                log.lines().last().unwrap_or_default()
            );
            Ok(())
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
