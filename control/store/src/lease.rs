//! A lease that is kept alive by a task of its own.

use crate::clock::Clock;
use crate::error::StoreError;
use crate::store::{Lease, LeaseId, Store};
use std::sync::Arc;
use std::time::Duration;
use stolon_model::time::Mono;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::debug;

/// The pause before the next attempt when a renewal failed.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A granted lease, renewed at a third of its time to live until this is dropped.
///
/// It is valid by our own clock until its time to live has passed since the last successful renewal was *asked for*, so we
/// stop believing in it before the store does.
#[derive(Debug)]
pub struct KeptLease {
    id: LeaseId,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Kept { until: Mono },
    Gone,
}

/// What happens to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    /// It is valid for longer.
    Renewed,
    /// It is gone, or no longer valid by our clock.
    Ended,
}

impl KeptLease {
    /// Grants a lease and begins to keep it alive.
    pub async fn grant(store: Arc<dyn Store>, ttl: Duration) -> Result<Self, StoreError> {
        let clock = store.clock();
        let asked = clock.now();
        let lease = store.grant(ttl).await?;
        let (sender, state) = watch::channel(State::Kept { until: asked.plus(lease.ttl) });
        let renewing = renew(store.clone(), lease, asked, sender);
        Ok(Self { id: lease.id, store, clock, state, task: tokio::spawn(renewing) })
    }

    /// Its name.
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// Until when it is valid by our clock; `None` if the store said that it is gone.
    pub fn valid_until(&self) -> Option<Mono> {
        match *self.state.borrow() {
            State::Kept { until } => Some(until),
            State::Gone => None,
        }
    }

    /// Waits for the next thing that happens to it. Cancel safe.
    pub async fn event(&mut self) -> LeaseEvent {
        loop {
            let seen = *self.state.borrow();
            let State::Kept { until } = seen else { return LeaseEvent::Ended };
            tokio::select! {
                biased;
                () = self.clock.sleep_until(until) => {
                    // Renewed in the very moment: judged again.
                    if *self.state.borrow() == seen {
                        return LeaseEvent::Ended;
                    }
                }
                changed = self.state.changed() => {
                    return match (changed, *self.state.borrow()) {
                        (Ok(()), State::Kept { .. }) => LeaseEvent::Renewed,
                        _ => LeaseEvent::Ended,
                    };
                }
            }
        }
    }

    /// Stops keeping it alive and ends it.
    pub async fn revoke(self) -> Result<(), StoreError> {
        self.task.abort();
        self.store.revoke(self.id).await
    }
}

impl Drop for KeptLease {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn renew(store: Arc<dyn Store>, lease: Lease, granted: Mono, state: watch::Sender<State>) {
    let clock = store.clock();
    let interval = lease.ttl / 3;
    let mut next = granted.plus(interval);
    loop {
        clock.sleep_until(next).await;
        let asked = clock.now();
        match store.keep_alive(lease.id).await {
            Ok(()) => {
                state.send_replace(State::Kept { until: asked.plus(lease.ttl) });
                next = asked.plus(interval);
            }
            Err(StoreError::LeaseGone(_)) => {
                state.send_replace(State::Gone);
                return;
            }
            Err(error) => {
                debug!(lease = %lease.id, error = %error, "the lease could not be renewed");
                next = clock.now().plus(RETRY_PAUSE.min(interval));
            }
        }
    }
}
