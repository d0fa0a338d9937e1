//! Accepts connections for one thread. Running out of descriptors ends nothing: it waits, counts, and goes on.

use super::Thread;
use crate::outcome::Rejection;
use crate::refuse::{self, Refusal};
use crate::session;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tracing::warn;

/// The first wait after `accept` failed; it doubles up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_millis(5);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts until the task is aborted. `_closed` is dropped after the listener.
pub(super) async fn run(
    thread: Rc<Thread>,
    listener: std::net::TcpListener,
    _closed: oneshot::Sender<()>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(%error, "a worker thread cannot use its listener");
            return;
        }
    };
    let mut backoff = MIN_BACKOFF;
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                backoff = MIN_BACKOFF;
                admit(&thread, client);
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                thread.counts.accept_failed();
                // One line for each time of need, not one for each attempt.
                if backoff == MIN_BACKOFF {
                    warn!(%error, "cannot accept a connection, trying again");
                }
                tokio::time::sleep(backoff).await;
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
    match thread.settings.connections.take() {
        Some(place) => {
            let thread = Rc::clone(thread);
            tokio::task::spawn_local(async move {
                session::serve(&thread, client).await;
                drop(place);
                thread.counts.gone();
            });
        }
        None => {
            thread.counts.rejected(Rejection::MaxConnections);
            let refusal = Refusal::too_many_connections(thread.settings.connections.most());
            let place = thread.settings.refusals.take();
            let thread = Rc::clone(thread);
            // Without a place there is no time to explain: the socket is just closed.
            if let Some(place) = place {
                tokio::task::spawn_local(async move {
                    refuse::tell(client, Vec::new(), &refusal).await;
                    drop(place);
                    thread.counts.gone();
                });
            } else {
                thread.counts.gone();
            }
        }
    }
}
