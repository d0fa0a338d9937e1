//! `stolonctl removekeeper`: a keeper that is gone for good leaves the cluster data, and its db with it.

use super::failkeeper::one_keeper;
use crate::arguments::KeeperArguments;
use crate::cluster;
use anyhow::bail;
use stolon_flags::CommonFlags;
use stolon_model::cluster::ClusterData;
use stolon_model::uid::{DbUid, KeeperUid};

/// Removes the keeper. Other dbs may still list its db as a follower; the sentinel clears that up.
pub async fn run(common: &CommonFlags, arguments: &KeeperArguments) -> anyhow::Result<()> {
    let uid = one_keeper(arguments)?;
    let store = cluster::open(common).await?;
    cluster::change_keepers(&store, |data| {
        if !data.keepers.contains_key(&uid) {
            bail!("keeper doesn't exist");
        }
        let dbs = dbs_of(data, &uid);
        let master = data.cluster.as_ref().map(|cluster| &cluster.status.master);
        if dbs.iter().any(|db| Some(db) == master) {
            bail!("keeper assigned db is the current cluster master db.");
        }
        data.keepers.remove(&uid);
        for db in dbs {
            data.dbs.remove(&db);
        }
        Ok(())
    })
    .await
}

fn dbs_of(data: &ClusterData, keeper: &KeeperUid) -> Vec<DbUid> {
    let is_its = |db: &stolon_model::cluster::Db| {
        db.spec.as_ref().is_some_and(|spec| spec.keeper_uid == *keeper)
    };
    data.dbs.iter().filter(|(_, db)| is_its(db)).map(|(uid, _)| uid.clone()).collect()
}
