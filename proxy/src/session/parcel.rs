//! A session on its way from one thread to another: both sockets, at a moment when nothing is between them.

use crate::limits::Place;
use crate::reactor::{Reactor, TcpStream};
use crate::relay::{Momentum, Relay};
use crate::socket;
use crate::target::{Epoch, Target};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

/// A session that no thread carries at this moment. Dropping it closes both sockets.
#[derive(Debug)]
pub struct Parcel {
    client: std::net::TcpStream,
    master: std::net::TcpStream,
    momentum: Momentum,
    target: Arc<Target>,
    /// So that it counts as a connection on its way too.
    place: Place,
}

impl Parcel {
    /// Takes apart a relay that is at rest. None when somebody else still has one of its sockets; the session is lost then.
    pub(crate) fn pack(relay: Relay, target: Arc<Target>, place: Place) -> Option<Self> {
        let (client, master, momentum) = relay.leave();
        let (client, master) = (Rc::into_inner(client)?, Rc::into_inner(master)?);
        Some(Self { client: client.let_go(), master: master.let_go(), momentum, target, place })
    }

    /// The swap that brought the session's target.
    pub fn epoch(&self) -> Epoch {
        self.target.epoch
    }

    /// Puts the relay together on this thread. Fails when the kernel has no memory for it; both sockets are closed then, the master's
    /// with a reset.
    pub(super) fn open(self, reactor: &Rc<Reactor>) -> io::Result<(Relay, Arc<Target>, Place)> {
        let master = TcpStream::adopt(reactor, self.master).map_err(|(error, master)| {
            socket::reset_on_close(&master);
            error
        })?;
        let client = TcpStream::adopt(reactor, self.client).map_err(|(error, _)| {
            socket::reset_on_close(&master);
            error
        })?;
        let relay = Relay::resume(Rc::new(client), Rc::new(master), self.momentum);
        Ok((relay, self.target, self.place))
    }
}
