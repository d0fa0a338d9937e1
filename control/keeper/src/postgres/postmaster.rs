//! The server process. One task owns it: starts it as a direct child, reaps it, and says at once when it has died.
//!
//! [`Postmaster`] is the handle. A server that somebody else started on our PGDATA (an earlier keeper that was killed, an
//! operator with pg_ctl) is not a child, but it is seen and stopped all the same.

mod owner;

use super::pid_file;
use owner::{Control, Owner};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use stolon_model::postgres::command::StopMode;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// How long a fast stop may take before a caller that must have it stopped goes on to an immediate one.
pub const FAST_GRACE: Duration = Duration::from_secs(60);
/// How long an immediate stop may take: PostgreSQL itself kills what is left after 5 s.
pub const IMMEDIATE_GRACE: Duration = Duration::from_secs(15);

/// Orders to the task that owns the server.
#[derive(Clone, Debug)]
pub struct Postmaster {
    control: mpsc::Sender<Control>,
    child: watch::Receiver<Child>,
    pgdata: PathBuf,
}

/// What is known of the child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Child {
    /// Its pid while it runs.
    pub pid: Option<u32>,
    /// How many children have ended so far without having been told to.
    pub deaths: u64,
}

/// The server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is one already.
    #[error("a server runs on this PGDATA already (pid {0})")]
    AlreadyRunning(u32),
    /// Parts of a former server are still there.
    #[error("processes of a former server still work on this PGDATA")]
    Leftovers,
    /// It could not be started or looked at.
    #[error("cannot start postgres: {0}")]
    Io(#[from] io::Error),
    /// It ended at once; its own log says why.
    #[error("postgres exited unexpectedly: {0}")]
    Exited(ExitStatus),
    /// It runs and is not far enough yet.
    #[error("instance still starting")]
    StillStarting,
    /// The keeper is ending.
    #[error("the keeper is ending")]
    Gone,
}

/// The server did not stop.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// It could not be found or signalled.
    #[error("cannot stop postgres: {0}")]
    Io(#[from] io::Error),
    /// It takes its time.
    #[error("postgres (pid {pid}) did not stop within {limit:?}")]
    StillRunning {
        /// The server.
        pid: u32,
        /// How long it had.
        limit: Duration,
    },
    /// The keeper is ending.
    #[error("the keeper is ending")]
    Gone,
}

impl Postmaster {
    /// Starts the task for the server on `pgdata`; it ends when the last handle is dropped.
    pub fn new(pgdata: &Path) -> (Self, JoinHandle<()>) {
        let (control, orders) = mpsc::channel(1);
        let (report, child) = watch::channel(Child::default());
        let owner = Owner::new(pgdata.to_owned(), report);
        let task = tokio::spawn(owner.run(orders));
        (Self { control, child, pgdata: pgdata.to_owned() }, task)
    }

    /// Starts the server and waits until it owns `postmaster.pid`; that does not mean that it answers. When this future is
    /// dropped early the server keeps running.
    pub async fn start(&self, command: Command, limit: Duration) -> Result<(), StartError> {
        let (reply, answer) = oneshot::channel();
        let order = Control::Start { command: Box::new(command), limit, reply };
        self.control.send(order).await.map_err(|_| StartError::Gone)?;
        answer.await.unwrap_or(Err(StartError::Gone))
    }

    /// Stops the server, child or not, and waits for its end. Nothing to do when none runs.
    pub async fn stop(&self, mode: StopMode, limit: Duration) -> Result<(), StopError> {
        let (reply, answer) = oneshot::channel();
        self.control
            .send(Control::Stop { mode, limit, reply })
            .await
            .map_err(|_| StopError::Gone)?;
        answer.await.unwrap_or(Err(StopError::Gone))
    }

    /// Stops the server fast, and if it takes too long immediately.
    pub async fn stop_for_sure(&self) -> Result<(), StopError> {
        match self.stop(StopMode::Fast, FAST_GRACE).await {
            Err(StopError::StillRunning { pid, limit }) => {
                tracing::warn!(pid, ?limit, "postgres did not stop fast, stopping it immediately");
                self.stop(StopMode::Immediate, IMMEDIATE_GRACE).await
            }
            result => result,
        }
    }

    /// The pid of the server on PGDATA, child or not.
    pub fn running(&self) -> io::Result<Option<u32>> {
        let child = self.child.borrow().pid;
        if child.is_some() {
            return Ok(child);
        }
        Ok(pid_file::running(&self.pgdata)?.map(|process| process.pid()))
    }

    /// Changes whenever the child starts or ends.
    pub fn child(&self) -> watch::Receiver<Child> {
        self.child.clone()
    }
}

#[cfg(test)]
mod tests;
