//! What differs from what was read: generations, change times, and whether it is worth a write.

use super::observer::Observer;
use super::pass::Pass;
use super::timers::Timers;
use crate::cluster::{Cluster, ClusterData, Db, DbInitMode, Keeper, Proxy};
use crate::generation::Generation;
use crate::lsn::Lsn;
use crate::spec::Spec;
use crate::time::GoTime;

/// Counts one generation for each db whose spec differs from the one that was read. `null` and `[]` differ. A new db
/// keeps its first.
pub(super) fn bump_generations(pass: &mut Pass<'_>) {
    for (uid, db) in &mut pass.draft.dbs {
        if let Some(before) = pass.before.dbs.get(uid)
            && before.spec != db.spec
        {
            db.generation = before.generation.next();
        }
    }
}

/// Sets the change time of the whole, and of each object that differs from what was read.
pub(super) fn set_change_times(read: &ClusterData, data: &mut ClusterData, now: GoTime) {
    data.change_time = now;
    if data.cluster != read.cluster
        && let Some(cluster) = &mut data.cluster
    {
        cluster.change_time = now;
    }
    if data.proxy != read.proxy
        && let Some(proxy) = &mut data.proxy
    {
        proxy.change_time = now;
    }
    for (uid, keeper) in &mut data.keepers {
        if read.keepers.get(uid) != Some(keeper) {
            keeper.change_time = now;
        }
    }
    for (uid, db) in &mut data.dbs {
        if read.dbs.get(uid) != Some(db) {
            db.change_time = now;
        }
    }
}

/// Whether more than times and WAL positions differs.
///
/// Positions move with each report. They are written at least every sleepInterval, while the report that they come
/// from is still fresh, so that none is lost; in between each pass takes them from the reports anew.
pub(super) fn is_change(read: &ClusterData, data: &ClusterData) -> bool {
    without_times(read) != without_times(data)
}

fn without_times(data: &ClusterData) -> ClusterData {
    let change_time = GoTime::default();
    let mut data = ClusterData { change_time, ..data.clone() };
    data.cluster = data.cluster.map(|cluster| Cluster { change_time, ..cluster });
    data.proxy = data.proxy.map(|proxy| Proxy { change_time, ..proxy });
    for keeper in data.keepers.values_mut() {
        let status = &mut keeper.status;
        status.last_healthy_time = GoTime::default();
        keeper.change_time = Keeper::default().change_time;
    }
    for db in data.dbs.values_mut() {
        db.change_time = Db::default().change_time;
        db.status.xlog_pos = Lsn::default();
        db.status.older_wal_file.clear();
    }
    data
}

/// Asks for a pass when a db that was asked for a generation in this one runs out of time.
pub(super) fn wake_for_convergence(
    data: &ClusterData,
    spec: &Spec,
    observer: &Observer,
    timers: &Timers,
) {
    for (uid, entry) in &observer.convergence {
        let is_first_resync = data.dbs.get(uid).is_some_and(|db| {
            db.generation == Generation::INITIAL
                && db.spec.as_ref().and_then(|spec| spec.init_mode) == Some(DbInitMode::Resync)
        });
        let is_initializing = data.cluster.as_ref().and_then(|cluster| cluster.status.phase)
            == Some(crate::cluster::Phase::Initializing);
        let timeout = match (is_initializing, is_first_resync) {
            (true, _) => spec.init_timeout,
            (false, true) => spec.sync_timeout,
            (false, false) => spec.convergence_timeout,
        };
        if !timeout.is_zero() {
            timers.passed(entry.since, timeout);
        }
    }
}
