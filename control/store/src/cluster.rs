//! One cluster's keys, as types.

use crate::error::{ReadError, StoreError};
use crate::infos::Infos;
use crate::path::{ClusterPath, InfoKey};
use crate::store::{
    Entry, Expected, LeaderKey, LeaderSwap, LeaseId, Listing, Revision, Store, Swap, WatchTarget,
};
use crate::wake::WakeStream;
use serde::Serialize;
use std::sync::Arc;
use stolon_model::cluster::ClusterData;
use stolon_model::info::{KeeperInfo, ProxyInfo, SentinelInfo};
use stolon_model::json;
use stolon_model::uid::SentinelUid;
use tokio_util::sync::CancellationToken;

/// One cluster in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClusterStore {
    store: Arc<dyn Store>,
    path: Arc<ClusterPath>,
}

/// The cluster data as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDataRead {
    /// `None` if there is none.
    pub value: Option<ClusterData>,
    /// The bytes it was read from, empty if there is none.
    pub raw: Vec<u8>,
    /// When it was last written; what a write of what was decided on this reading must expect.
    pub revision: Option<Revision>,
}

impl ClusterDataRead {
    /// What a write of what was decided on this reading must expect.
    pub fn expected(&self) -> Expected {
        self.revision.into()
    }
}

impl ClusterStore {
    /// The cluster at `path` in `store`.
    pub fn new(store: Arc<dyn Store>, path: ClusterPath) -> Self {
        Self { store, path: Arc::new(path) }
    }

    /// The store beneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where the cluster's keys are.
    pub fn path(&self) -> &ClusterPath {
        &self.path
    }

    /// Reads the cluster data.
    pub async fn cluster_data(&self) -> Result<ClusterDataRead, ReadError> {
        let key = self.path.cluster_data();
        let Some(entry) = self.store.get(&key).await? else {
            return Ok(ClusterDataRead { value: None, raw: Vec::new(), revision: None });
        };
        let value = json::decode(&entry.value).map_err(|error| ReadError::Decode { key, error })?;
        Ok(ClusterDataRead { value: Some(value), raw: entry.value, revision: Some(entry.revision) })
    }

    /// Writes the cluster data if it still is as it was read.
    pub async fn swap_cluster_data(
        &self,
        data: &ClusterData,
        expected: Expected,
    ) -> Result<Swap, StoreError> {
        let key = self.path.cluster_data();
        self.store.compare_and_swap(&key, expected, json::encode(data), None).await
    }

    /// Writes the cluster data if it still is as it was read and the leader key still exists: a sentinel that was frozen
    /// past its lease writes nothing.
    pub async fn swap_cluster_data_as_leader(
        &self,
        data: &ClusterData,
        expected: Expected,
        leader: &LeaderKey,
    ) -> Result<LeaderSwap, StoreError> {
        let key = self.path.cluster_data();
        self.store.compare_and_swap_as_leader(leader, &key, expected, json::encode(data)).await
    }

    /// Writes the cluster data, whatever is there.
    ///
    /// It reads the revision and swaps until nobody comes between, because a plain put that got stuck in a frozen etcd
    /// member could wake with it, much later, and undo everything since.
    pub async fn put_cluster_data(&self, data: &ClusterData) -> Result<(), StoreError> {
        let key = self.path.cluster_data();
        let value = json::encode(data);
        let deadline = tokio::time::Instant::now() + self.store.timeout();
        loop {
            let expected = self.store.get(&key).await?.map(|entry| entry.revision).into();
            match self.store.compare_and_swap(&key, expected, value.clone(), None).await? {
                Swap::Done(_) => return Ok(()),
                Swap::Conflict if tokio::time::Instant::now() >= deadline => {
                    return Err(StoreError::Refused {
                        request: format!("write {key:?}"),
                        reason: "others keep writing it; try again".to_owned(),
                    });
                }
                Swap::Conflict => {}
            }
        }
    }

    /// Reads what keepers say of themselves.
    pub async fn keeper_infos(&self) -> Result<Infos<KeeperInfo>, StoreError> {
        Ok(Infos::read(self.store.list(&self.path.keeper_infos()).await?))
    }

    /// Reads what proxies say of themselves.
    pub async fn proxy_infos(&self) -> Result<Infos<ProxyInfo>, StoreError> {
        Ok(Infos::read(self.store.list(&self.path.proxy_infos()).await?))
    }

    /// Reads what sentinels say of themselves.
    pub async fn sentinel_infos(&self) -> Result<Infos<SentinelInfo>, StoreError> {
        Ok(Infos::read(self.store.list(&self.path.sentinel_infos()).await?))
    }

    /// Who leads: the oldest candidate.
    pub async fn leader(&self) -> Result<Option<SentinelUid>, StoreError> {
        let candidates = self.candidates().await?;
        let oldest = candidates.entries.iter().min_by_key(|candidate| candidate.created);
        Ok(oldest.map(|leader| SentinelUid::new(String::from_utf8_lossy(&leader.value))))
    }

    /// The candidates' keys.
    pub(crate) async fn candidates(&self) -> Result<Listing, StoreError> {
        self.store.list(&self.path.candidates()).await
    }

    /// Reads an info, unread.
    pub async fn info(&self, key: &InfoKey) -> Result<Option<Entry>, StoreError> {
        self.store.get(&self.path.info(key)).await
    }

    /// Writes an info under `lease` if it still is as it was read.
    pub async fn swap_info<T: Serialize + Sync>(
        &self,
        key: &InfoKey,
        expected: Expected,
        info: &T,
        lease: LeaseId,
    ) -> Result<Swap, StoreError> {
        let key = self.path.info(key);
        self.store.compare_and_swap(&key, expected, json::encode(info), Some(lease)).await
    }

    /// The key of an info.
    pub fn info_key(&self, key: &InfoKey) -> String {
        self.path.info(key)
    }

    /// Wakes when the cluster data may have changed.
    pub fn wake_on_cluster_data(&self, shutdown: CancellationToken) -> WakeStream {
        WakeStream::start(self.store.clone(), WatchTarget::Key(self.path.cluster_data()), shutdown)
    }

    /// Wakes when anything of the cluster may have changed: the cluster data, an info, a candidate.
    pub fn wake_on_cluster(&self, shutdown: CancellationToken) -> WakeStream {
        WakeStream::start(self.store.clone(), WatchTarget::Prefix(self.path.everything()), shutdown)
    }
}
