//! Reading the store into a snapshot.

use crate::metrics;
use std::collections::BTreeSet;
use stolon_model::decide::{Reason, Snapshot};
use stolon_model::uid::{KeeperUid, ProxyUid};
use stolon_store::{BadRecord, ClusterStore, Expected, ReadError};

/// What was read, and what a write of what is decided on it must expect.
pub struct Observation {
    /// For the decision; what is not read from the store is left for the caller.
    pub snapshot: Snapshot,
    /// The state of the cluster data's key.
    pub expected: Expected,
    /// Records that could not be understood.
    pub reasons: Vec<Reason>,
}

/// Reads the cluster data, and what keepers and proxies say unless there is no one to decide on it.
///
/// The order matters: infos read after the cluster data are at least as new as what they are judged by.
pub async fn observe(store: &ClusterStore, is_leader: bool) -> Result<Observation, Reason> {
    let read = store.cluster_data().await.map_err(|error| match &error {
        ReadError::Store(_) => failed("error retrieving cluster data", &error),
        // Nothing can be decided on a value that is not understood. It stays as it is, and whoever runs on what it last
        // said goes on.
        ReadError::Decode { .. } => {
            Reason::error("unreadable_cluster_data", "error retrieving cluster data")
                .with("error", error.to_string())
        }
    })?;
    let expected = read.expected();
    let mut snapshot = Snapshot { cluster_data: read.value, ..Snapshot::default() };
    let mut reasons = Vec::new();
    if is_leader && snapshot.cluster_data.is_some() {
        let keepers = store
            .keeper_infos()
            .await
            .map_err(|error| failed("cannot get keepers info", &error))?;
        let proxies = store
            .proxy_infos()
            .await
            .map_err(|error| failed("failed to get proxies info", &error))?;
        reasons.extend(keepers.bad.iter().chain(&proxies.bad).map(skipped));
        snapshot.unreadable_keepers = uids(&keepers.bad, |uid| KeeperUid::new(uid));
        snapshot.unreadable_proxies = uids(&proxies.bad, |uid| ProxyUid::new(uid));
        snapshot.keeper_infos = keepers.good;
        snapshot.proxy_infos = proxies.good;
    }
    Ok(Observation { snapshot, expected, reasons })
}

/// A request to the store failed.
pub fn failed(message: &str, error: &dyn std::error::Error) -> Reason {
    metrics::store_error();
    Reason::error("store_error", message)
        .with("error", stolon_daemon::log::chain(error).to_string())
}

fn skipped(record: &BadRecord) -> Reason {
    Reason::warn("unreadable_info", "an info cannot be understood; the last good one holds")
        .with("key", record.key.as_str())
        .with("error", record.error.to_string())
}

/// A record that cannot be understood is known by the last element of its key.
fn uids<T: Ord>(records: &[BadRecord], uid: impl Fn(&str) -> T) -> BTreeSet<T> {
    records.iter().filter_map(|record| record.key.rsplit('/').next()).map(uid).collect()
}
