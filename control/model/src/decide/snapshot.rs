//! What a pass looks at.

use crate::cluster::ClusterData;
use crate::info::{KeeperInfo, ProxyInfo};
use crate::spec::ClusterSpec;
use crate::uid::{KeeperUid, ProxyUid};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that was read from the store for one pass, and who asks.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The cluster data, `None` when the key is absent.
    pub cluster_data: Option<ClusterData>,
    /// What keepers say of themselves.
    pub keeper_infos: BTreeMap<KeeperUid, KeeperInfo>,
    /// Keepers whose record is there but cannot be read; their last good one holds.
    pub unreadable_keepers: BTreeSet<KeeperUid>,
    /// What proxies say of themselves.
    pub proxy_infos: BTreeMap<ProxyUid, ProxyInfo>,
    /// Proxies whose record is there but cannot be read; their last good one holds.
    pub unreadable_proxies: BTreeSet<ProxyUid>,
    /// The term of leadership that this pass belongs to; `None` when another sentinel leads. The first pass of a new
    /// term forgets what was observed before.
    pub term: Option<u64>,
    /// The spec to make the first cluster data with.
    pub initial_spec: Option<ClusterSpec>,
    /// Source of uids and of random choices, new for each pass.
    pub seed: u64,
}
