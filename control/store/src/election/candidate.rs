//! One campaign's key and lease, and the place of the key in the queue.

use crate::cluster::ClusterStore;
use crate::error::StoreError;
use crate::lease::KeptLease;
use crate::store::{Expected, LeaderKey, Listing, Swap};
use std::time::Duration;
use stolon_model::uid::SentinelUid;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How long the withdrawal of a candidate may take. If it does not succeed the lease ends by itself, since nobody keeps it
/// alive.
const WITHDRAW_TIMEOUT: Duration = Duration::from_secs(3);

/// A sentinel in the queue.
#[derive(Debug)]
pub(super) struct Candidate {
    store: ClusterStore,
    pub lease: KeptLease,
    pub key: LeaderKey,
}

/// Where a candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// No older candidate: it leads.
    First,
    /// There are older ones.
    Behind,
    /// Its key is gone, and its place with it.
    Gone,
}

impl Place {
    pub fn in_queue(own: &LeaderKey, candidates: &Listing) -> Self {
        let is_there = candidates
            .entries
            .iter()
            .any(|candidate| candidate.key == own.key && candidate.created == own.created);
        match (is_there, candidates.entries.iter().map(|candidate| candidate.created).min()) {
            (true, Some(oldest)) if oldest < own.created => Self::Behind,
            (true, _) => Self::First,
            (false, _) => Self::Gone,
        }
    }
}

impl Candidate {
    /// Takes a lease and puts the key. Whatever fails, no key is left behind that is kept alive: it would block the queue.
    /// `None` when shutdown came first.
    pub async fn enter(
        store: &ClusterStore,
        uid: &SentinelUid,
        ttl: Duration,
        shutdown: &CancellationToken,
    ) -> Result<Option<Self>, StoreError> {
        let granting = KeptLease::grant(store.store().clone(), ttl);
        let Some(granted) = shutdown.run_until_cancelled(granting).await else {
            return Ok(None);
        };
        let lease = granted?;
        let key = format!("{}{}", store.path().candidates(), lease.id());
        let creating = create(store, &key, uid, &lease);
        match shutdown.run_until_cancelled(creating).await {
            Some(Ok(key)) => Ok(Some(Self { store: store.clone(), lease, key })),
            Some(Err(error)) => {
                withdraw(store, &key, lease).await;
                Err(error)
            }
            None => {
                withdraw(store, &key, lease).await;
                Ok(None)
            }
        }
    }

    /// Deletes the key and ends the lease.
    pub async fn withdraw(self) {
        withdraw(&self.store, &self.key.key, self.lease).await;
    }
}

async fn create(
    store: &ClusterStore,
    key: &str,
    uid: &SentinelUid,
    lease: &KeptLease,
) -> Result<LeaderKey, StoreError> {
    let value = uid.as_str().as_bytes();
    let mut expected = Expected::Absent;
    loop {
        let kv = store.store();
        match kv.compare_and_swap(key, expected, value.to_vec(), Some(lease.id())).await? {
            // The key of a fresh lease is ours, whoever seems to have put it.
            Swap::Done(_) | Swap::Conflict => {}
        }
        match kv.get(key).await? {
            Some(entry) if entry.value == value => {
                return Ok(LeaderKey { key: entry.key, created: entry.created });
            }
            Some(entry) => expected = Expected::Revision(entry.revision),
            None => return Err(StoreError::LeaseGone(lease.id())),
        }
    }
}

async fn withdraw(store: &ClusterStore, key: &str, lease: KeptLease) {
    let withdrawing = tokio::time::timeout(WITHDRAW_TIMEOUT, async {
        store.store().delete(key).await?;
        lease.revoke().await
    });
    match withdrawing.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(key, error = %error, "the candidate could not be withdrawn"),
        Err(_) => debug!(key, "the candidate could not be withdrawn in time"),
    }
}
