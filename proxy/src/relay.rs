//! Moves bytes between a client and the master: two [`Direction`]s polled in one task, so that a connection lives on one
//! thread at a time.
//!
//! Everything that a transfer needs beyond its own state ([`Resources`]) belongs to the worker thread and is lent for the length
//! of one poll. An idle connection holds no buffer and no pipe.

mod bulk;
mod conduit;
mod direction;
mod memory;
mod mode;
mod pipe;
mod resources;

pub use conduit::{Conduit, Taken};
pub use direction::{Fault, Gate};
pub use memory::Memory;
pub use mode::{ParseRelayModeError, RelayMode};
pub use pipe::{Pipe, PipePool};
pub use resources::{Resources, Tuning};

use crate::outcome::{End, Outcome};
use crate::reactor::TcpStream;
use direction::{Direction, Guarded, Progress};
use std::rc::Rc;
use std::task::Poll;

/// What a poll of a [`Relay`] has come to.
#[derive(Debug)]
pub enum Step {
    /// There is more to move at once, but other sessions of this thread come first.
    Yield,
    /// Nothing more will be moved.
    Finished(Outcome),
}

/// What a relay at rest knows of its two streams, for the one that carries them on.
#[derive(Clone, Copy, Debug)]
pub struct Momentum {
    up: direction::Momentum,
    down: direction::Momentum,
}

/// So many bytes, as a power of two, are about as much work as a message is.
const BYTES_OF_WORK: u32 = 15;

/// The two directions of one session.
#[derive(Debug)]
pub struct Relay {
    /// The client's socket.
    pub client: Rc<TcpStream>,
    /// The master's socket.
    pub master: Rc<TcpStream>,
    up: Direction,
    down: Direction,
    first_end: Option<End>,
    /// What was done since it was last asked for, in messages.
    work: u64,
}

impl Relay {
    /// Joins the two sockets. `early` is what the client sent before the master was connected.
    pub fn new(client: Rc<TcpStream>, master: Rc<TcpStream>, early: Vec<u8>) -> Self {
        Self {
            client,
            master,
            up: Direction::new(Guarded::Sink, early),
            down: Direction::new(Guarded::Source, Vec::new()),
            first_end: None,
            work: 0,
        }
    }

    /// Joins two sockets whose relay was [left](Self::leave).
    pub fn resume(client: Rc<TcpStream>, master: Rc<TcpStream>, momentum: Momentum) -> Self {
        Self {
            client,
            master,
            up: Direction::resume(Guarded::Sink, momentum.up),
            down: Direction::resume(Guarded::Source, momentum.down),
            first_end: None,
            work: 0,
        }
    }

    /// Whether everything that was taken has been given, and more may come either way.
    pub fn is_at_rest(&self) -> bool {
        self.up.is_at_rest() && self.down.is_at_rest()
    }

    /// Lets go of the sockets of a relay that [is at rest](Self::is_at_rest), client and master.
    pub fn leave(self) -> (Rc<TcpStream>, Rc<TcpStream>, Momentum) {
        let momentum =
            Momentum { up: self.up.leave(&self.client), down: self.down.leave(&self.master) };
        (self.client, self.master, momentum)
    }

    /// Whether one of the directions is in bulk.
    pub fn is_stream(&self) -> bool {
        self.up.is_bulk() || self.down.is_bulk()
    }

    /// How much work it has made since the last call, in messages.
    pub fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.work)
    }

    /// Moves what can be moved now. The gate is asked each time before bytes go to the master and after bytes came from it.
    pub fn poll(&mut self, resources: &mut Resources, gate: &impl Gate) -> Poll<Step> {
        let up = self.up.poll(&self.client, &self.master, resources, gate);
        let up_moved = self.up.take_moved();
        if up_moved > 0 {
            self.work += 1 + (up_moved >> BYTES_OF_WORK);
            resources.counts.moved_up(up_moved);
            self.down.interrupt(&self.master);
        }
        if let Progress::Failed(fault) = up {
            let end = match fault {
                Fault::Source(_) => End::Client,
                Fault::Sink(_) => End::Server,
                Fault::GateClosed => End::Fence,
            };
            return Poll::Ready(Step::Finished(self.failed(end, fault)));
        }
        let down = self.down.poll(&self.master, &self.client, resources, gate);
        let down_moved = self.down.take_moved();
        if down_moved > 0 {
            self.work += 1 + (down_moved >> BYTES_OF_WORK);
            resources.counts.moved_down(down_moved);
            self.up.interrupt(&self.client);
        }
        if self.first_end.is_none() {
            self.first_end = match (self.up.saw_end(), self.down.saw_end()) {
                (true, _) => Some(End::Client),
                (false, true) => Some(End::Server),
                (false, false) => None,
            };
        }
        match (up, down) {
            (_, Progress::Failed(fault)) => {
                let end = match fault {
                    Fault::Sink(_) => End::Client,
                    Fault::Source(_) => End::Server,
                    Fault::GateClosed => End::Fence,
                };
                Poll::Ready(Step::Finished(self.failed(end, fault)))
            }
            (Progress::Done, Progress::Done) => Poll::Ready(Step::Finished(Outcome {
                end: self.first_end.unwrap_or(End::Client),
                error: None,
            })),
            (Progress::More, _) | (_, Progress::More) => Poll::Ready(Step::Yield),
            _ => Poll::Pending,
        }
    }

    fn failed(&self, end: End, fault: Fault) -> Outcome {
        let error = match fault {
            Fault::Source(error) | Fault::Sink(error) => Some(error),
            Fault::GateClosed => None,
        };
        Outcome { end, error }
    }

    /// Lets go of the master's socket, with what the master has already sent moved to the client as far as it takes it at once.
    /// A master that may not be `heard` any more is not read: only what was read before goes to the client.
    pub fn part(mut self, resources: &mut Resources, heard: bool) -> (Rc<TcpStream>, Farewell) {
        self.up.release(resources);
        self.down.rescue(&self.master, &self.client, resources, heard);
        resources.counts.moved_down(self.down.take_moved());
        (self.master, Farewell { client: self.client, down: self.down })
    }

    /// Returns what was lent. Both sockets have got their ends.
    pub fn close(mut self, resources: &mut Resources) {
        self.up.release(resources);
        self.down.release(resources);
    }
}

/// A client whose master is gone, and what it is still to get.
#[derive(Debug)]
pub struct Farewell {
    /// The client's socket.
    pub client: Rc<TcpStream>,
    down: Direction,
}

impl Farewell {
    /// Gives the client what is left for it. Ready when nothing is left, or when the client takes nothing any more.
    pub fn poll_settle(&mut self, resources: &mut Resources) -> Poll<std::io::Result<()>> {
        let settled = self.down.poll_settle(&self.client, resources);
        resources.counts.moved_down(self.down.take_moved());
        settled
    }

    /// Returns what was lent, and gives the client's socket back.
    pub fn into_client(mut self, resources: &mut Resources) -> Rc<TcpStream> {
        self.down.release(resources);
        self.client
    }
}
