//! Reads everything that the status shows, in Stolon's order.

use super::{ClusterStatus, KeeperStatus, ProxyStatus, SentinelStatus, Status, tree};
use crate::cluster;
use crate::failure::While as _;
use stolon_flags::CommonFlags;
use stolon_model::cluster::{ClusterData, Keeper};
use stolon_model::uid::KeeperUid;

/// The status, and a word about each record that is no info and was skipped.
pub async fn collect(common: &CommonFlags) -> anyhow::Result<(Status, Vec<String>)> {
    let store = cluster::open(common).await?;
    let leader = store.leader().await.or_fail("cannot get leader sentinel info")?;
    let sentinels = store.sentinel_infos().await.or_fail("cannot get sentinels info")?;
    let proxies = store.proxy_infos().await.or_fail("cannot get proxies info")?;
    let data = cluster::read(&store).await?.data;

    let skipped = sentinels.bad.iter().chain(&proxies.bad).map(ToString::to_string).collect();
    let status = Status {
        sentinels: (sentinels.good.into_keys())
            .map(|uid| SentinelStatus {
                leader: leader.as_ref() == Some(&uid),
                uid: uid.to_string(),
            })
            .collect(),
        proxies: (proxies.good.into_values())
            .map(|info| ProxyStatus { uid: info.uid.to_string(), generation: info.generation.0 })
            .collect(),
        keepers: data
            .keepers
            .iter()
            .map(|(uid, keeper)| keeper_status(&data, uid, keeper))
            .collect(),
        ..cluster_status(&data)
    };
    Ok((status, skipped))
}

fn keeper_status(data: &ClusterData, uid: &KeeperUid, keeper: &Keeper) -> KeeperStatus {
    let status = KeeperStatus {
        uid: uid.to_string(),
        healthy: keeper.status.healthy,
        ..KeeperStatus::default()
    };
    let Some(db) = data.db_of_keeper(uid) else {
        return KeeperStatus { listen_address: "(no db assigned)".to_owned(), ..status };
    };
    let listen_address = if db.status.listen_address.is_empty() {
        "(unknown)".to_owned()
    } else {
        format!("{}:{}", db.status.listen_address, db.status.port)
    };
    KeeperStatus {
        listen_address,
        pg_healthy: db.status.healthy,
        pg_wanted_generation: db.generation.0,
        pg_current_generation: db.status.current_generation.0,
        ..status
    }
}

/// The part of the status that is about the cluster as a whole.
fn cluster_status(data: &ClusterData) -> Status {
    let Some(cluster) = &data.cluster else { return Status::default() };
    let master = &cluster.status.master;
    let spec = data.dbs.get(master).and_then(|db| db.spec.as_ref());
    let cluster = ClusterStatus {
        available: true,
        master_keeper_uid: spec.map(|spec| spec.keeper_uid.to_string()).unwrap_or_default(),
        master_db_uid: master.to_string(),
    };
    Status { cluster, tree: tree::lines(data, master), ..Status::default() }
}
