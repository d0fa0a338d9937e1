//! Accepts connections for one thread. Running out of descriptors ends nothing: it waits, counts, and goes on.

use super::{Counted, Thread};
use crate::outcome::Rejection;
use crate::reactor::{TcpListener, TcpStream};
use crate::refuse::{self, Refusal};
use crate::session;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::warn;

/// Connections that are accepted before the sessions of the thread get their turn.
const AT_ONCE: u32 = 32;
/// The first wait after `accept` failed; it doubles up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_millis(5);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// The accepting task of a thread.
#[derive(Debug)]
pub(super) struct Acceptor {
    /// Dropped: it is to end.
    stop: oneshot::Sender<()>,
    /// Ready when the listener is closed.
    closed: oneshot::Receiver<()>,
}

impl Acceptor {
    /// Accepts connections of `listener` from now on.
    pub(super) fn start(thread: &Rc<Thread>, listener: std::net::TcpListener) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (closing, closed) = oneshot::channel();
        let its = Rc::clone(thread);
        thread.reactor.spawn(async move {
            run(&its, listener, stopped).await;
            drop(closing);
        });
        Self { stop, closed }
    }

    /// Ends the task; the listener is closed when this returns.
    pub(super) async fn stop(self) {
        drop(self.stop);
        let _ = self.closed.await;
    }
}

async fn run(
    thread: &Rc<Thread>,
    listener: std::net::TcpListener,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener = match TcpListener::new(&thread.reactor, listener) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(%error, "a worker thread cannot use its listener");
            return;
        }
    };
    let mut backoff = MIN_BACKOFF;
    let mut in_a_row = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(client) => {
                backoff = MIN_BACKOFF;
                admit(thread, client);
                in_a_row += 1;
                if in_a_row == AT_ONCE {
                    in_a_row = 0;
                    thread.reactor.yield_now().await;
                }
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                thread.counts.accept_failed();
                // One line for each time of need, not one for each attempt.
                if backoff == MIN_BACKOFF {
                    warn!(%error, "cannot accept a connection, trying again");
                }
                tokio::select! {
                    biased;
                    _ = &mut stopped => return,
                    () = thread.reactor.sleep(backoff) => {}
                }
                backoff = (backoff * 2).min(MAX_BACKOFF);
            }
        }
    }
}

/// The client left between the kernel's handshake and our accept.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

fn admit(thread: &Rc<Thread>, client: TcpStream) {
    thread.counts.accepted();
    let counted = Counted::on(thread);
    if let Some(place) = thread.settings.connections.take() {
        thread.reactor.spawn(async move {
            let left = session::serve(&counted.thread, client, place).await;
            counted.has_gone(left);
        });
        return;
    }
    thread.counts.rejected(Rejection::MaxConnections);
    let refusal = Refusal::too_many_connections(thread.settings.connections.most());
    // Without a place there is no time to explain: the socket is just closed.
    if let Some(place) = thread.settings.refusals.take() {
        thread.reactor.spawn(async move {
            let _counted = counted;
            refuse::tell(client, Vec::new(), &refusal).await;
            drop(place);
        });
    }
}
