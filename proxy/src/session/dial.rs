//! Connects to the master, for a bounded time and only while it is the target.

use crate::reactor::TcpStream;
use crate::registry::Membership;
use crate::relay::Gate;
use crate::target::Target;
use crate::worker::Thread;
use std::io;
use std::time::Instant;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// The target is no longer the target.
    Retired,
    /// It refuses, does not answer, or there are no descriptors.
    Unreachable(io::Error),
}

/// Dials the target.
pub(super) async fn dial(
    thread: &Thread,
    member: &Membership,
    target: &Target,
) -> Result<TcpStream, Failure> {
    let settings = &thread.settings;
    let socket = settings.socket.dialler(target.address).map_err(Failure::Unreachable)?;
    let began = Instant::now();
    let connect = TcpStream::connect(&thread.reactor, socket, target.address);
    let dialled = tokio::select! {
        biased;
        _ = member.until_stopped() => return Err(Failure::Retired),
        dialled = thread.reactor.timeout(settings.dial_timeout, connect) => dialled,
    };
    settings.timings.dial.record(began.elapsed().as_secs_f64());
    match dialled {
        Ok(Ok(master)) if target.fence.is_open() => Ok(master),
        Ok(Ok(_)) => Err(Failure::Retired),
        Ok(Err(error)) => Err(Failure::Unreachable(error)),
        Err(_) => Err(Failure::Unreachable(io::ErrorKind::TimedOut.into())),
    }
}
