//! Where connections go: the [`Target`], and the [`Routing`] that the control plane swaps whole and sessions load.

use crate::fence::Fence;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stolon_model::generation::Generation;
use stolon_model::uid::DbUid;
use tokio::sync::watch;

/// Counts the swaps of the routing in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A master that connections are forwarded to.
#[derive(Debug)]
pub struct Target {
    /// The swap that brought it.
    pub epoch: Epoch,
    /// The generation of the proxy object that named it.
    pub generation: Generation,
    /// The db.
    pub db: DbUid,
    /// Its address.
    pub address: SocketAddr,
    /// Bytes may go to it only while this is open.
    pub fence: Fence,
}

/// What becomes of a new connection.
#[derive(Clone, Debug)]
pub enum Route {
    /// It goes to the master.
    Forward(Arc<Target>),
    /// The store is fine and there is no master: it waits.
    Hold,
    /// It is closed at once, as Stolon does.
    Close,
}

impl Route {
    /// The target, if there is one.
    pub fn target(&self) -> Option<&Arc<Target>> {
        match self {
            Self::Forward(target) => Some(target),
            Self::Hold | Self::Close => None,
        }
    }
}

/// The current route. Sessions load it; only the control plane, one task, swaps it.
#[derive(Debug)]
pub struct Routing {
    route: ArcSwap<Route>,
    epoch: watch::Sender<Epoch>,
}

impl Default for Routing {
    fn default() -> Self {
        Self::new()
    }
}

impl Routing {
    /// Closes connections until told otherwise.
    pub fn new() -> Self {
        Self {
            route: ArcSwap::from_pointee(Route::Close),
            epoch: watch::Sender::new(Epoch::default()),
        }
    }

    /// The current route.
    pub fn load(&self) -> Arc<Route> {
        self.route.load_full()
    }

    /// The current epoch.
    pub fn epoch(&self) -> Epoch {
        *self.epoch.borrow()
    }

    /// Reports each swap from now on.
    pub fn watch(&self) -> watch::Receiver<Epoch> {
        self.epoch.subscribe()
    }

    /// Sends connections to a master from now on, until `deadline` unless it is extended. Bytes to the target before are
    /// stopped first.
    pub fn forward(
        &self,
        generation: Generation,
        db: DbUid,
        address: SocketAddr,
        deadline: Duration,
    ) -> Epoch {
        let epoch = self.next_epoch();
        let fence = Fence::until(deadline);
        self.swap(epoch, Route::Forward(Arc::new(Target { epoch, generation, db, address, fence })))
    }

    /// Lets connections wait from now on.
    pub fn hold(&self) -> Epoch {
        self.swap(self.next_epoch(), Route::Hold)
    }

    /// Closes connections from now on.
    pub fn close(&self) -> Epoch {
        self.swap(self.next_epoch(), Route::Close)
    }

    fn next_epoch(&self) -> Epoch {
        Epoch(self.epoch().0 + 1)
    }

    fn swap(&self, epoch: Epoch, route: Route) -> Epoch {
        if let Some(target) = self.route.load().target() {
            target.fence.close();
        }
        self.route.store(Arc::new(route));
        self.epoch.send_replace(epoch);
        epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fence::boottime;
    use crate::relay::Gate;

    #[test]
    fn a_swap_closes_the_fence_of_the_target_before() {
        let routing = Routing::new();
        let changes = routing.watch();
        let address = SocketAddr::from(([127, 0, 0, 1], 5432));
        let deadline = boottime() + Duration::from_secs(60);
        let first = routing.forward(Generation(1), DbUid::new("a"), address, deadline);
        let old = routing.load().target().cloned().expect("a target");
        assert!(old.fence.is_open());
        assert_eq!(old.epoch, first);
        let second = routing.hold();
        assert!(second > first);
        assert!(old.fence.is_closed());
        assert!(changes.has_changed().expect("the routing lives"));
        assert!(matches!(*routing.load(), Route::Hold));
    }
}
