//! The two ends of a watch in memory.

use super::faults::Faults;
use crate::error::StoreError;
use crate::store::{Watch, WatchTarget};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::watch;

/// What the store holds.
#[derive(Debug)]
pub struct Watcher {
    target: WatchTarget,
    faults: Arc<Faults>,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: Option<StoreError>,
}

/// What the client holds.
#[derive(Debug)]
pub struct MemoryWatch {
    target: WatchTarget,
    faults: Arc<Faults>,
    state: watch::Receiver<State>,
    drops: watch::Receiver<u64>,
}

pub fn watcher(target: WatchTarget, faults: Arc<Faults>) -> (Watcher, MemoryWatch) {
    let (sender, receiver) = watch::channel(State::default());
    let drops = faults.drops();
    let watch =
        MemoryWatch { target: target.clone(), faults: faults.clone(), state: receiver, drops };
    (Watcher { target, faults, state: sender }, watch)
}

impl Watcher {
    pub fn target(&self) -> &WatchTarget {
        &self.target
    }

    pub fn is_listened_to(&self) -> bool {
        self.state.receiver_count() > 0
    }

    pub fn tell(&self) {
        if !self.faults.are_watches_mute() {
            self.state.send_modify(|_| {});
        }
    }

    pub fn end(&self, error: StoreError) {
        self.state.send_modify(|state| state.ended = Some(error));
    }
}

#[async_trait]
impl Watch for MemoryWatch {
    async fn changed(&mut self) -> Result<(), StoreError> {
        tokio::select! {
            biased;
            _ = self.drops.changed() => Err(self.faults.watch_dropped(&self.target)),
            open = self.state.changed() => match open {
                Ok(()) => match &self.state.borrow_and_update().ended {
                    None => Ok(()),
                    Some(error) => Err(error.clone()),
                },
                Err(_) => Err(self.faults.watch_dropped(&self.target)),
            },
        }
    }
}
