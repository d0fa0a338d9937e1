//! The task behind [`super::Postmaster`].

use super::{Child, StartError, StopError};
use crate::postgres::pid_file;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use stolon_model::postgres::command::StopMode;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

/// How often `postmaster.pid` is looked at during a start.
const POLL: Duration = Duration::from_millis(10);
/// How long what a killed server left behind may take to notice that it is gone.
const LEFTOVER_GRACE: Duration = Duration::from_millis(1500);

/// An order.
#[derive(Debug)]
pub enum Control {
    /// Start the server.
    Start {
        /// The program, complete.
        command: Box<Command>,
        /// The longest wait for `postmaster.pid`.
        limit: Duration,
        /// Gets the result; when nobody waits for it any more, the wait ends.
        reply: oneshot::Sender<Result<(), StartError>>,
    },
    /// Stop the server.
    Stop {
        /// How hard.
        mode: StopMode,
        /// The longest wait for its end.
        limit: Duration,
        /// Gets the result.
        reply: oneshot::Sender<Result<(), StopError>>,
    },
}

/// Owns the child.
#[derive(Debug)]
pub struct Owner {
    pgdata: PathBuf,
    child: Option<tokio::process::Child>,
    report: watch::Sender<Child>,
}

impl Owner {
    /// With no child yet.
    pub fn new(pgdata: PathBuf, report: watch::Sender<Child>) -> Self {
        Self { pgdata, child: None, report }
    }

    /// Obeys `orders` and reaps the child until nobody can give orders any more.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Control>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Control::Start { command, limit, mut reply }) => {
                        let result = self.start(*command, limit, &mut reply).await;
                        let _ = reply.send(result);
                    }
                    Some(Control::Stop { mode, limit, reply }) => {
                        let result = self.stop(mode, limit).await;
                        let _ = reply.send(result);
                    }
                    None => return,
                },
                status = wait(&mut self.child) => {
                    self.forget(true);
                    match status {
                        Ok(status) => warn!(%status, "postgres exited unexpectedly"),
                        Err(error) => warn!(%error, "postgres cannot be waited for"),
                    }
                }
            }
        }
    }

    async fn start(
        &mut self,
        mut command: Command,
        limit: Duration,
        reply: &mut oneshot::Sender<Result<(), StartError>>,
    ) -> Result<(), StartError> {
        if let Some(pid) = self.child.as_ref().and_then(tokio::process::Child::id) {
            return Err(StartError::AlreadyRunning(pid));
        }
        if let Some(process) = pid_file::running(&self.pgdata)? {
            return Err(StartError::AlreadyRunning(process.pid()));
        }
        self.end_leftovers().await?;
        self.remove_misleading_pid_file()?;
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let pid = child.id();
        self.child = Some(child);
        self.report.send_modify(|child| child.pid = pid);
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline = sleep(limit);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                status = wait(&mut self.child) => {
                    self.forget(false);
                    return Err(status.map_or_else(StartError::Io, StartError::Exited));
                }
                _ = poll.tick() => {
                    if pid.is_some() && pid_file::read(&self.pgdata) == pid {
                        return Ok(());
                    }
                }
                () = &mut deadline => return Err(StartError::StillStarting),
                () = reply.closed() => return Err(StartError::Gone),
            }
        }
    }

    async fn stop(&mut self, mode: StopMode, limit: Duration) -> Result<(), StopError> {
        let signal = match mode {
            StopMode::Fast => Signal::INT,
            StopMode::Immediate => Signal::QUIT,
        };
        if let Some(pid) = self.child.as_ref().and_then(tokio::process::Child::id) {
            // The child is not reaped yet, so the number is still its own. A frozen server takes the signal once continued.
            for signal in [signal, Signal::CONT] {
                send(pid, signal)?;
            }
            let Ok(status) = timeout(limit, wait(&mut self.child)).await else {
                return Err(StopError::StillRunning { pid, limit });
            };
            status?;
            self.forget(false);
            return Ok(());
        }
        let Some(process) = pid_file::running(&self.pgdata)? else { return Ok(()) };
        info!(pid = process.pid(), "stopping a server that this keeper did not start");
        for signal in [signal, Signal::CONT] {
            process.signal(signal)?;
        }
        if process.ended(limit).await {
            Ok(())
        } else {
            Err(StopError::StillRunning { pid: process.pid(), limit })
        }
    }

    fn forget(&mut self, died: bool) {
        self.child = None;
        self.report.send_modify(|child| {
            child.pid = None;
            child.deaths += u64::from(died);
        });
    }

    /// Sees to it that nothing of a server that was killed works on PGDATA any more. PostgreSQL refuses to start beside such
    /// processes; most notice by themselves, one that computes does not, and is stopped as the server itself would have.
    async fn end_leftovers(&self) -> Result<(), StartError> {
        for signal in [None, Some(Signal::QUIT), Some(Signal::KILL)] {
            let leftovers = pid_file::processes_in(&self.pgdata)?;
            if leftovers.is_empty() {
                return Ok(());
            }
            if let Some(signal) = signal {
                warn!(processes = leftovers.len(), "ending processes that a killed server left");
                for process in &leftovers {
                    process.signal(signal)?;
                    process.signal(Signal::CONT)?;
                }
            }
            let all = async {
                for process in &leftovers {
                    process.ended(LEFTOVER_GRACE).await;
                }
            };
            // What is left after it shows in the next round.
            let _ = timeout(LEFTOVER_GRACE, all).await;
        }
        if pid_file::processes_in(&self.pgdata)?.is_empty() {
            Ok(())
        } else {
            Err(StartError::Leftovers)
        }
    }

    /// Removes a `postmaster.pid` whose number now belongs to a process that has nothing to do with PGDATA, as happens in
    /// restarted containers: PostgreSQL only sees that such a process lives, and would refuse to start.
    fn remove_misleading_pid_file(&self) -> io::Result<()> {
        let misleads = pid_file::read(&self.pgdata)
            .is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists());
        if misleads {
            info!("removing a postmaster.pid that names a process of somebody else");
            std::fs::remove_file(self.pgdata.join("postmaster.pid"))?;
        }
        Ok(())
    }
}

async fn wait(child: &mut Option<tokio::process::Child>) -> io::Result<ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(kill_process(pid, signal)?)
}
