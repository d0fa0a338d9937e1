//! What a client says before it is connected: the first packet, read so that foreign bytes and silence cost no connection to
//! the master, and kept so that the master gets every byte.

use crate::outcome::Rejection;
use crate::reactor::TcpStream;
use crate::startup::{Opening, Recognised, recognise};
use std::rc::Rc;
use std::time::Duration;

/// What is kept at most of a client that goes on talking while it waits for a master.
const MAX_EARLY: usize = 16 * 1024;
/// Enough for a startup packet; it grows for a long one.
const FIRST_READ: usize = 512;

/// A client that is not connected to a master yet.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: TcpStream,
    /// What has been read of it.
    pub(super) early: Vec<u8>,
    pub(super) opening: Option<Opening>,
}

impl Client {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, early: Vec::new(), opening: None }
    }

    /// Reads until the first packet is recognised.
    pub(super) async fn open(&mut self, bound: Duration) -> Result<(), Rejection> {
        let reactor = Rc::clone(self.socket.reactor());
        let read = async {
            self.socket.readable().await;
            loop {
                match self.socket.read_more(&mut self.early, FIRST_READ).await {
                    Ok(0) | Err(_) => return Err(Rejection::ClientGone),
                    Ok(_) => {}
                }
                match recognise(&self.early) {
                    Recognised::TooShort => {}
                    Recognised::Packet(opening, _) => return Ok(opening),
                    Recognised::Foreign => return Err(Rejection::Protocol),
                }
            }
        };
        let opening =
            reactor.timeout(bound, read).await.unwrap_or(Err(Rejection::StartupTimeout))?;
        self.opening = Some(opening);
        Ok(())
    }

    /// Ready when the client has left. What it says meanwhile is kept; one that says more than there is room for is not
    /// listened to any further.
    pub(super) async fn gone(&mut self) {
        while self.early.len() < MAX_EARLY {
            let room = (MAX_EARLY - self.early.len()).min(FIRST_READ);
            self.socket.readable().await;
            match self.socket.read_more(&mut self.early, room).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }
}
