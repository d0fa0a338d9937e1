//! What a process says of itself, at one key under one lease that is kept alive.

use crate::cluster::ClusterStore;
use crate::error::StoreError;
use crate::lease::RETRY_PAUSE;
use crate::path::InfoKey;
use crate::store::{LeaseId, Revision, Store};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stolon_model::json;
use tokio::sync::Mutex as TurnMutex;
use tokio::task::JoinHandle;
use tracing::{debug, info};

/// The shortest time to live of an info that Go components read too (reference, chapter 2.5).
pub const SHORTEST_INFO_TTL: Duration = Duration::from_secs(20);

/// How often the lease is renewed at least: a lost one is seen, and the key put again, within two seconds.
pub const LONGEST_INTERVAL: Duration = Duration::from_millis(1500);

/// How long the last words may take.
const REVOKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes one key again and again under one lease. When the lease is lost, because the process was frozen or an operator
/// revoked it, it takes a new one and puts the last value again.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    key: String,
    ttl: Duration,
    lease: Mutex<Option<LeaseId>>,
    // Held over a write: publications reach the store in the order of the calls, and a value put again after a lost lease
    // never overtakes a newer one.
    turn: TurnMutex<Published>,
}

#[derive(Debug, Default)]
struct Published {
    value: Option<Vec<u8>>,
    is_over: bool,
}

impl Publisher {
    /// A publisher of `key`. A `ttl` below [`SHORTEST_INFO_TTL`] is raised to it, part seconds are dropped.
    pub fn new(store: ClusterStore, key: &InfoKey, ttl: Duration) -> Self {
        let ttl = Duration::from_secs(ttl.max(SHORTEST_INFO_TTL).as_secs());
        let shared = Arc::new(Shared {
            key: store.info_key(key),
            store: store.store().clone(),
            ttl,
            lease: Mutex::new(None),
            turn: TurnMutex::default(),
        });
        let task = tokio::spawn(keep(shared.clone()));
        Self { shared, task }
    }

    /// Puts `value`. At most two requests, and four when the lease was lost.
    pub async fn publish<T: Serialize + Sync>(&self, value: &T) -> Result<Revision, StoreError> {
        let value = json::encode(value);
        let mut published = self.shared.turn.lock().await;
        if published.is_over {
            return Err(StoreError::Refused {
                request: format!("write {:?}", self.shared.key),
                reason: "its publisher has been stopped".to_owned(),
            });
        }
        published.value = Some(value.clone());
        self.shared.put(value).await
    }

    /// Ends the lease, and the key with it. Takes at most two seconds; if the store cannot be reached the lease ends by
    /// itself. Nothing can be published afterwards.
    pub async fn revoke(&self) {
        self.task.abort();
        let revoked = tokio::time::timeout(REVOKE_TIMEOUT, async {
            let mut published = self.shared.turn.lock().await;
            *published = Published { value: None, is_over: true };
            match self.shared.replace_lease(None) {
                Some(lease) => self.shared.store.revoke(lease).await,
                None => Ok(()),
            }
        });
        match revoked.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(key = self.shared.key, error = %error, "not revoked"),
            Err(_) => debug!(key = self.shared.key, "not revoked in time"),
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lease(&self) -> Option<LeaseId> {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace_lease(&self, lease: Option<LeaseId>) -> Option<LeaseId> {
        std::mem::replace(&mut *self.lease.lock().unwrap_or_else(PoisonError::into_inner), lease)
    }

    async fn put(&self, value: Vec<u8>) -> Result<Revision, StoreError> {
        if let Some(lease) = self.lease() {
            match self.store.put(&self.key, value.clone(), Some(lease)).await {
                Err(StoreError::LeaseGone(_)) => self.replace_lease(None),
                outcome => return outcome,
            };
        }
        let lease = self.store.grant(self.ttl).await?.id;
        self.replace_lease(Some(lease));
        self.store.put(&self.key, value, Some(lease)).await
    }

    /// Puts the last value again if the lease still is the lost one.
    async fn restore(&self, lost: LeaseId) -> Result<(), StoreError> {
        let published = self.turn.lock().await;
        if self.lease().is_some_and(|lease| lease != lost) {
            return Ok(());
        }
        self.replace_lease(None);
        match &published.value {
            Some(value) => {
                self.put(value.clone()).await?;
                info!(key = self.key, lease = %lost, "the lease was lost; published again");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Keeps the lease alive and restores the key when it is lost.
async fn keep(shared: Arc<Shared>) {
    let clock = shared.store.clock();
    let interval = (shared.ttl / 3).min(LONGEST_INTERVAL);
    let mut lost = None;
    loop {
        let pause = if lost.is_some() { RETRY_PAUSE } else { interval };
        clock.sleep_until(clock.now().plus(pause)).await;
        let outcome = match (lost, shared.lease()) {
            (Some(lease), _) => shared.restore(lease).await,
            (None, Some(lease)) => match shared.store.keep_alive(lease).await {
                Err(StoreError::LeaseGone(_)) => {
                    lost = Some(lease);
                    shared.restore(lease).await
                }
                outcome => outcome,
            },
            (None, None) => Ok(()),
        };
        match outcome {
            Ok(()) => lost = None,
            Err(error) => debug!(key = shared.key, error = %error, "the lease is not kept alive"),
        }
    }
}
