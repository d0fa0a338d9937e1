//! A store in memory, for tests and simulations: revisions, leases on a virtual clock, watches, and faults at will.
//!
//! [`MemoryStore::new`] makes a store, [`MemoryStore::client`] another client of the same one. Faults belong to a client,
//! so that one process can be cut off while the others are not. Time stands still until [`MemoryStore::advance`].

mod clock;
mod data;
mod faults;
mod watch;

use crate::clock::Clock;
use crate::error::StoreError;
use crate::store::{
    Entry, Expected, LeaderKey, LeaderSwap, Lease, LeaseId, Listing, Revision, Store, Swap, Watch,
    WatchTarget,
};
use async_trait::async_trait;
use clock::VirtualClock;
use data::Data;
use faults::Fate;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use faults::Faults;

/// One client of a store in memory. A clone is the same client.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct Shared {
    data: Mutex<Data>,
    clock: Arc<VirtualClock>,
}

/// What calls of a client are bound by unless [`Faults::set_timeout`] says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store and its first client.
    pub fn new() -> Self {
        let shared =
            Shared { data: Mutex::new(Data::default()), clock: Arc::new(VirtualClock::default()) };
        Self { shared: Arc::new(shared), faults: Arc::new(Faults::new(TIMEOUT)) }
    }

    /// Another client of the same store, with faults of its own.
    pub fn client(&self) -> Self {
        Self { shared: self.shared.clone(), faults: Arc::new(Faults::new(TIMEOUT)) }
    }

    /// What goes wrong for this client.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Lets time pass for all clients: leases that are not kept alive end.
    ///
    /// Tasks that wait for the clock run after this returns, so a step longer than a lease ends it. To let holders renew
    /// theirs, take steps shorter than a third of the time to live and yield in between.
    pub fn advance(&self, span: Duration) {
        self.locked(|data| data.expire(self.shared.clock.now().plus(span)));
        self.shared.clock.advance(span);
    }

    /// Ends every lease and deletes the keys bound to them, as if an operator had revoked them all.
    pub fn revoke_all(&self) {
        self.locked(Data::revoke_all);
    }

    /// Ends every watch of every client, as a compaction does that overtakes them.
    pub fn compact(&self) {
        self.locked(Data::compact);
    }

    /// Deletes everything, as if etcd had lost its disk.
    pub fn wipe(&self) {
        self.locked(Data::wipe);
    }

    fn locked<T>(&self, change: impl FnOnce(&mut Data) -> T) -> T {
        change(&mut self.shared.data.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request: what befalls it is decided first, then it is applied or not.
    async fn request<T>(
        &self,
        what: impl FnOnce() -> String,
        apply: impl FnOnce(&mut Data) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.faults.befall(what).await {
            Fate::Serve => self.locked(apply),
            Fate::Fail(error) => Err(error),
            Fate::ApplyThenFail(error) => {
                // The outcome is what the client does not learn.
                let _ = self.locked(apply);
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.request(|| format!("read {key:?}"), |data| Ok(data.get(key))).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.request(|| format!("list {prefix:?}"), |data| Ok(data.list(prefix))).await
    }

    async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        lease: Option<LeaseId>,
    ) -> Result<Revision, StoreError> {
        self.request(|| format!("write {key:?}"), |data| data.put(key, value, lease)).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Expected,
        value: Vec<u8>,
        lease: Option<LeaseId>,
    ) -> Result<Swap, StoreError> {
        self.request(
            || format!("write {key:?}"),
            |data| {
                if !data.is_as_expected(key, expected) {
                    return Ok(Swap::Conflict);
                }
                data.put(key, value, lease).map(Swap::Done)
            },
        )
        .await
    }

    async fn compare_and_swap_as_leader(
        &self,
        leader: &LeaderKey,
        key: &str,
        expected: Expected,
        value: Vec<u8>,
    ) -> Result<LeaderSwap, StoreError> {
        self.request(
            || format!("write {key:?}"),
            |data| {
                if data.get(&leader.key).is_none_or(|entry| entry.created != leader.created) {
                    return Ok(LeaderSwap::NotLeader);
                }
                if !data.is_as_expected(key, expected) {
                    return Ok(LeaderSwap::Conflict);
                }
                data.put(key, value, None).map(LeaderSwap::Done)
            },
        )
        .await
    }

    async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        self.request(|| format!("delete {key:?}"), |data| Ok(data.delete(key))).await
    }

    async fn watch(&self, target: WatchTarget) -> Result<Box<dyn Watch>, StoreError> {
        let faults = self.faults.clone();
        self.request(
            || format!("watch {target}"),
            |data| Ok(Box::new(data.watch(target.clone(), faults)) as Box<dyn Watch>),
        )
        .await
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        let now = self.shared.clock.now();
        self.request(|| "grant a lease".to_owned(), |data| Ok(data.grant(ttl, now))).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        let now = self.shared.clock.now();
        self.request(|| format!("renew the lease {lease}"), |data| data.keep_alive(lease, now))
            .await
    }

    async fn time_to_live(&self, lease: LeaseId) -> Result<Option<Duration>, StoreError> {
        let now = self.shared.clock.now();
        self.request(
            || format!("look at the lease {lease}"),
            |data| Ok(data.time_to_live(lease, now)),
        )
        .await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.request(
            || format!("revoke the lease {lease}"),
            |data| {
                data.revoke(lease);
                Ok(())
            },
        )
        .await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.shared.clock.clone()
    }

    fn timeout(&self) -> Duration {
        self.faults.timeout()
    }
}
