//! The store on etcd v3.4 and later.
//!
//! Speaks with one member at a time and changes to the next one when it fails or falls silent: one that does not
//! answer for a second costs a second, and no request.

mod dial;
mod fault;
mod members;
mod skip_verify;
mod watch;

use crate::clock::{BootClock, Clock};
use crate::config::{Config, ConfigError};
use crate::error::StoreError;
use crate::store::{
    Entry, Expected, LeaderKey, LeaderSwap, Lease, LeaseId, Listing, Revision, Store, Swap, Watch,
    WatchTarget,
};
use async_trait::async_trait;
use etcd_client::{
    Client, Compare, CompareOp, Error, GetOptions, GetResponse, KeyValue, PutOptions,
    ResponseHeader, Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use members::{Answer, Members};
use std::sync::Arc;
use std::time::Duration;

/// A client of an etcd cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EtcdStore {
    members: Arc<Members>,
}

impl EtcdStore {
    /// Makes the client. It connects at the first request.
    pub async fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self { members: Arc::new(Members::new(&config).await?) })
    }

    async fn txn(&self, request: String, txn: Txn) -> Result<Answer<TxnResponse>, StoreError> {
        self.members
            .request(request, move |client: Client| {
                let txn = txn.clone();
                async move { client.kv_client().txn(txn).await }
            })
            .await
    }
}

#[async_trait]
impl Store for EtcdStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let (request, key) = (format!("read {key:?}"), key.to_owned());
        let answer = self
            .members
            .request(request, move |client: Client| {
                let key = key.clone();
                async move { client.kv_client().get(key, None).await }
            })
            .await?;
        Ok(answer.value.kvs().first().map(entry))
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let (request, prefix) = (format!("list {prefix:?}"), prefix.to_owned());
        let answer = self
            .members
            .request(request, move |client: Client| {
                let prefix = prefix.clone();
                // A listing of many infos may pass the 4 MiB that a client takes by default; etcd bounds it.
                let mut kv = client.kv_client().max_decoding_message_size(LARGEST_ANSWER);
                async move { kv.get(prefix, Some(GetOptions::new().with_prefix())).await }
            })
            .await?;
        let entries = answer.value.kvs().iter().map(entry).collect();
        Ok(Listing { entries, revision: revision(answer.value.header()) })
    }

    async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        lease: Option<LeaseId>,
    ) -> Result<Revision, StoreError> {
        let (request, key) = (format!("write {key:?}"), key.to_owned());
        let answer = self.members.request(request, move |client: Client| {
            let (key, value) = (key.clone(), value.clone());
            async move { client.kv_client().put(key, value, Some(put_options(lease))).await }
        });
        let answer = answer.await.map_err(|error| name_lease(error, lease))?;
        Ok(revision(answer.value.header()))
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Expected,
        value: Vec<u8>,
        lease: Option<LeaseId>,
    ) -> Result<Swap, StoreError> {
        let txn = Txn::new()
            .when([is_as_expected(key, expected)])
            .and_then([TxnOp::put(key, value.clone(), Some(put_options(lease)))])
            .or_else([TxnOp::get(key, None)]);
        let answer = self.txn(format!("write {key:?}"), txn).await;
        let answer = answer.map_err(|error| name_lease(error, lease))?;
        if answer.value.succeeded() {
            return Ok(Swap::Done(revision(answer.value.header())));
        }
        let [current] = read(&answer.value);
        Ok(earlier_attempt(&answer, current, expected, &value).map_or(Swap::Conflict, Swap::Done))
    }

    async fn compare_and_swap_as_leader(
        &self,
        leader: &LeaderKey,
        key: &str,
        expected: Expected,
        value: Vec<u8>,
    ) -> Result<LeaderSwap, StoreError> {
        let leads =
            Compare::create_revision(leader.key.clone(), CompareOp::Equal, leader.created.0);
        let txn = Txn::new()
            .when([leads, is_as_expected(key, expected)])
            .and_then([TxnOp::put(key, value.clone(), None)])
            .or_else([TxnOp::get(key, None), TxnOp::get(leader.key.clone(), None)]);
        let answer = self.txn(format!("write {key:?}"), txn).await?;
        if answer.value.succeeded() {
            return Ok(LeaderSwap::Done(revision(answer.value.header())));
        }
        let [current, found] = read(&answer.value);
        if let Some(written) = earlier_attempt(&answer, current, expected, &value) {
            return Ok(LeaderSwap::Done(written));
        }
        match found {
            Some(found) if found.created == leader.created => Ok(LeaderSwap::Conflict),
            _ => Ok(LeaderSwap::NotLeader),
        }
    }

    async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        let (request, key) = (format!("delete {key:?}"), key.to_owned());
        let answer = self
            .members
            .request(request, move |client: Client| {
                let key = key.clone();
                async move { client.kv_client().delete(key, None).await }
            })
            .await?;
        Ok(answer.value.deleted() > 0)
    }

    async fn watch(&self, target: WatchTarget) -> Result<Box<dyn Watch>, StoreError> {
        Ok(Box::new(watch::EtcdWatch::open(self.members.clone(), target).await?))
    }

    async fn grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        let seconds = i64::try_from(ttl.as_secs().max(1)).unwrap_or(i64::MAX);
        let answer = self
            .members
            .request("grant a lease".to_owned(), move |client: Client| async move {
                client.lease_client().grant(seconds, None).await
            })
            .await?;
        Ok(Lease { id: LeaseId(answer.value.id()), ttl: whole_seconds(answer.value.ttl()) })
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        // One renewal is one short stream, so that it moves to another member as any request does. Opening it sends the
        // renewal and takes the answer.
        let answer = self
            .members
            .request(format!("renew the lease {lease}"), move |client: Client| async move {
                match client.lease_client().keep_alive(lease.0).await {
                    Ok(_) => Ok(true),
                    Err(Error::LeaseKeepAliveError(reason)) if reason == "lease not found" => {
                        Ok(false)
                    }
                    Err(error) => Err(error),
                }
            })
            .await?;
        if answer.value { Ok(()) } else { Err(StoreError::LeaseGone(lease)) }
    }

    async fn time_to_live(&self, lease: LeaseId) -> Result<Option<Duration>, StoreError> {
        let answer = self
            .members
            .request(format!("look at the lease {lease}"), move |client: Client| async move {
                client.lease_client().time_to_live(lease.0, None).await
            })
            .await?;
        // etcd says -1 of a lease that it does not know.
        Ok(u64::try_from(answer.value.ttl()).ok().map(Duration::from_secs))
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        let answer = self
            .members
            .request(format!("revoke the lease {lease}"), move |client: Client| async move {
                client.lease_client().revoke(lease.0).await
            })
            .await;
        match answer {
            Ok(_) | Err(StoreError::LeaseGone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(BootClock)
    }

    fn timeout(&self) -> Duration {
        self.members.timeout()
    }
}

/// The largest answer that is taken, in bytes.
const LARGEST_ANSWER: usize = 256 << 20;

fn put_options(lease: Option<LeaseId>) -> PutOptions {
    match lease {
        Some(lease) => PutOptions::new().with_lease(lease.0),
        None => PutOptions::new(),
    }
}

fn is_as_expected(key: &str, expected: Expected) -> Compare {
    match expected {
        Expected::Absent => Compare::create_revision(key, CompareOp::Equal, 0),
        Expected::Revision(read) => Compare::mod_revision(key, CompareOp::Equal, read.0),
    }
}

/// Whether an earlier attempt of the very request that met a conflict is what it conflicts with: it was applied, but its
/// answer got lost.
fn earlier_attempt(
    answer: &Answer<TxnResponse>,
    current: Option<Entry>,
    expected: Expected,
    value: &[u8],
) -> Option<Revision> {
    let current = current.filter(|entry| answer.is_repeated && entry.value == value)?;
    match expected {
        Expected::Revision(read) if current.revision <= read => None,
        _ => Some(current.revision),
    }
}

/// The first key of each of the reads of a transaction.
fn read<const N: usize>(answer: &TxnResponse) -> [Option<Entry>; N] {
    let mut answers = answer.op_responses().into_iter();
    std::array::from_fn(|_| match answers.next() {
        Some(TxnOpResponse::Get(get)) => first(&get),
        _ => None,
    })
}

fn first(answer: &GetResponse) -> Option<Entry> {
    answer.kvs().first().map(entry)
}

fn entry(kv: &KeyValue) -> Entry {
    Entry {
        key: String::from_utf8_lossy(kv.key()).into_owned(),
        value: kv.value().to_vec(),
        revision: Revision(kv.mod_revision()),
        created: Revision(kv.create_revision()),
        lease: Some(LeaseId(kv.lease())).filter(|lease| lease.0 != 0),
    }
}

fn revision(header: Option<&ResponseHeader>) -> Revision {
    Revision(header.map_or(0, ResponseHeader::revision))
}

fn whole_seconds(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}

/// etcd does not say which lease it did not find.
fn name_lease(error: StoreError, lease: Option<LeaseId>) -> StoreError {
    match (error, lease) {
        (StoreError::LeaseGone(_), Some(lease)) => StoreError::LeaseGone(lease),
        (error, _) => error,
    }
}
