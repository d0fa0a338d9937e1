//! The trait every store implements, and its words. Keys are text, values are bytes; meaning begins in [`crate::cluster`].

use crate::clock::Clock;
use crate::error::StoreError;
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A point in the history of the whole store; grows with every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a lease, chosen by the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

impl fmt::Display for LeaseId {
    /// Lowercase hexadecimal without padding, as it stands in the key of a candidate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A lease as granted: every key bound to it vanishes when it is not kept alive for [`Lease::ttl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// What the store granted, which may be more than was asked for.
    pub ttl: Duration,
}

/// A key with its value, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The whole key.
    pub key: String,
    /// The bytes, not yet trusted.
    pub value: Vec<u8>,
    /// When the value was last written.
    pub revision: Revision,
    /// When the key was created; a key that was deleted and put again has a new one.
    pub created: Revision,
    /// The lease it is bound to.
    pub lease: Option<LeaseId>,
}

/// All keys with one prefix, read at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Ordered by key.
    pub entries: Vec<Entry>,
    /// The moment.
    pub revision: Revision,
}

/// What a compare-and-swap demands of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It does not exist.
    Absent,
    /// It was last written at this revision.
    Revision(Revision),
}

impl From<Option<Revision>> for Expected {
    /// What was read is what is expected.
    fn from(read: Option<Revision>) -> Self {
        read.map_or(Self::Absent, Self::Revision)
    }
}

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a conflict means that nothing was written"]
pub enum Swap {
    /// Written, at this revision.
    Done(Revision),
    /// Another was faster; nothing was written. Read again and decide again.
    Conflict,
}

/// How a compare-and-swap under a leader key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "anything but `Done` means that nothing was written"]
pub enum LeaderSwap {
    /// Written, at this revision.
    Done(Revision),
    /// Another was faster; nothing was written.
    Conflict,
    /// The leader key is gone: this process leads no more, whatever it believes. Nothing was written.
    NotLeader,
}

/// The key by which a sentinel leads. It exists exactly as long as the leadership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderKey {
    /// The whole key.
    pub key: String,
    /// When it was created, which tells it from a later key of the same name.
    pub created: Revision,
}

/// What a watch looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchTarget {
    /// One key.
    Key(String),
    /// Every key with this prefix.
    Prefix(String),
}

impl WatchTarget {
    /// Whether a change of `key` concerns it.
    pub fn covers(&self, key: &str) -> bool {
        match self {
            Self::Key(own) => own == key,
            Self::Prefix(prefix) => key.starts_with(prefix.as_str()),
        }
    }
}

impl fmt::Display for WatchTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// An open watch. It says that something changed, never what: the consumer reads again.
#[async_trait]
pub trait Watch: Send {
    /// Waits until the target has changed since the watch was opened or since the last call; several changes may be
    /// told as one. After an error the watch is over: open another one, and read, because changes may have been missed.
    /// Cancel safe.
    async fn changed(&mut self) -> Result<(), StoreError>;
}

/// A key/value store with revisions, leases and watches.
///
/// Every call ends within [`Store::timeout`]. Reads are linearizable. When a write ends in an error, whether it has been
/// applied is unknown: read before deciding on it.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads one key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// Reads all keys with `prefix`.
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError>;

    /// Writes, whatever is there, and binds the key to `lease` or to none.
    ///
    /// For values that only their owner writes, and writes again: a put that went to a frozen member may be applied a
    /// second time when the member wakes. Everything else goes through [`Store::compare_and_swap`], which cannot.
    async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        lease: Option<LeaseId>,
    ) -> Result<Revision, StoreError>;

    /// Writes if the key still is as `expected`.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Expected,
        value: Vec<u8>,
        lease: Option<LeaseId>,
    ) -> Result<Swap, StoreError>;

    /// Writes if the key still is as `expected` and `leader` still exists, in one transaction.
    async fn compare_and_swap_as_leader(
        &self,
        leader: &LeaderKey,
        key: &str,
        expected: Expected,
        value: Vec<u8>,
    ) -> Result<LeaderSwap, StoreError>;

    /// Deletes a key and says whether it was there.
    async fn delete(&self, key: &str) -> Result<bool, StoreError>;

    /// Opens a watch. Changes made after this returns are not missed.
    async fn watch(&self, target: WatchTarget) -> Result<Box<dyn Watch>, StoreError>;

    /// Grants a lease; the store may raise a short `ttl`. Part seconds are dropped.
    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError>;

    /// Renews a lease for its whole time to live, or says [`StoreError::LeaseGone`].
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// How long a lease lasts if nobody renews it, in whole seconds; `None` if it is gone.
    async fn time_to_live(&self, lease: LeaseId) -> Result<Option<Duration>, StoreError>;

    /// Ends a lease and deletes the keys bound to it. A lease that is gone already is no error.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// The clock by which this store's leases are judged on our side.
    fn clock(&self) -> Arc<dyn Clock>;

    /// The bound of every call.
    fn timeout(&self) -> Duration;
}
