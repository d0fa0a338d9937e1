//! SIGINT and SIGTERM: the first asks for a graceful end, the second for an end at once.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The stream of both termination signals.
#[derive(Debug)]
pub(crate) struct Termination {
    interrupt: Signal,
    terminate: Signal,
}

impl Termination {
    /// Takes over both signals; from here on neither kills the process by itself.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
