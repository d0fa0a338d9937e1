//! The way of a session from one thread to another: through the inbox of commands of the thread that gets it, so that it comes
//! before every command that is given after it was sent.

use super::{COMMANDS, Command};
use crate::session::Parcel;
use crate::spread::WorkerId;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The doors of all threads. A thread ends when nobody can send it commands any more, so they are not held on to.
#[derive(Clone, Debug)]
pub(super) struct Doors(Arc<[mpsc::WeakSender<Command>]>);

impl Doors {
    pub(super) fn new(commands: impl Iterator<Item = mpsc::WeakSender<Command>>) -> Self {
        Self(commands.collect())
    }

    /// A place in the inbox of a thread. None while the thread is behind with its commands, whose places are not taken, or when it
    /// has ended: the session stays where it is.
    pub(super) fn open(&self, to: WorkerId) -> Option<Door> {
        let commands = self.0.get(to.0)?.upgrade()?;
        if commands.capacity() <= COMMANDS {
            return None;
        }
        commands.try_reserve_owned().ok().map(Door)
    }
}

/// A place for one session in the inbox of another thread.
#[derive(Debug)]
pub struct Door(mpsc::OwnedPermit<Command>);

impl Door {
    /// The other thread carries the session on. Should it have ended meanwhile, the session ends with it.
    pub(crate) fn send(self, parcel: Parcel) {
        self.0.send(Command::Adopt(Box::new(parcel)));
    }
}
