//! Keepers that went and do not come back (reference, chapter 8.7, step 1).
//!
//! The reference forgets only keepers that have no db, so that a standby whose machine was taken away stays for good, and
//! with it its replication slot and all WAL since then. Here its db goes with it, when nothing can depend on it.

use super::draft::{DbKind, DraftDb};
use super::pass::Pass;
use super::reason::Reason;
use crate::cluster::Keeper;
use crate::uid::{DbUid, KeeperUid};
use std::time::Duration;

/// Forgets keepers that have no db and were last healthy more than deadKeeperRemovalInterval ago, by the wall clock: the
/// time is kept in the cluster data, across sentinels.
pub(super) fn remove(pass: &mut Pass<'_>) {
    let mut dead = Vec::new();
    for (uid, keeper) in &pass.draft.keepers {
        if !pass.draft.has_db(uid) && is_long_unhealthy(pass, keeper) {
            dead.push(uid.clone());
        }
    }
    for uid in dead {
        forget(pass, &uid);
    }
}

/// Forgets the keepers of standbys that are as long gone, with their dbs. To be called around a master that does its work.
///
/// A db has data, and if its keeper returns later they are made anew. Therefore this leader itself must have heard
/// nothing of the keeper for the whole interval, whatever the wall clock says; the master must be heard of right now; and
/// a standby that commits were, are or will be acknowledged by stays.
pub(super) fn remove_with_standbys(pass: &mut Pass<'_>, master_uid: &DbUid) {
    // Zero forgets keepers without a db at once; it cannot mean that for data.
    let is_off = pass.spec.dead_keeper_removal_interval.is_zero();
    if is_off || pass.observer.db_errors.contains_key(master_uid) {
        return;
    }
    let masters = [pass.before.dbs.get(master_uid), pass.draft.dbs.get(master_uid)];
    let is_synchronous = |uid| masters.iter().flatten().any(|master| names(master, uid));
    let mut dead = Vec::new();
    for (uid, db) in &pass.draft.dbs {
        if uid == master_uid || db.kind() != DbKind::Standby || is_synchronous(uid) {
            continue;
        }
        let keeper = &db.spec.keeper_uid;
        if is_long_silent(pass, keeper) {
            dead.push((uid.clone(), keeper.clone()));
        }
    }
    for (uid, keeper) in dead {
        let message = "removing standby db of dead keeper";
        pass.reasons.add(Reason::info("dead_standby_removed", message).db(&uid).keeper(&keeper));
        pass.draft.dbs.remove(&uid);
        forget(pass, &keeper);
    }
}

/// Whether `master` requires the db, knows it as in sync, or says now that it is.
fn names(master: &DraftDb, uid: &DbUid) -> bool {
    let required = master.spec.synchronous_standbys.iter().flatten();
    let known = master.status.synchronous_standbys.iter().flatten();
    required.chain(known).chain(&master.reported_in_sync).any(|named| named == uid)
}

fn is_long_silent(pass: &Pass<'_>, uid: &KeeperUid) -> bool {
    let interval = pass.spec.dead_keeper_removal_interval;
    let Some(keeper) = pass.draft.keepers.get(uid) else { return false };
    let Some(since) = pass.observer.keeper_errors.get(uid) else { return false };
    // Who writes what cannot be read is there.
    !keeper.status.healthy
        && !pass.snapshot.unreadable_keepers.contains(uid)
        && pass.timers.passed(*since, interval)
        && is_long_unhealthy(pass, keeper)
}

fn is_long_unhealthy(pass: &Pass<'_>, keeper: &Keeper) -> bool {
    let now = pass.timers.now;
    let interval = pass.spec.dead_keeper_removal_interval;
    let silence = now.wall.since(keeper.status.last_healthy_time);
    if silence > interval {
        return true;
    }
    if !keeper.status.healthy {
        let left = interval.saturating_sub(silence).saturating_add(Duration::from_nanos(1));
        pass.timers.wake_by(now.mono.plus(left));
    }
    false
}

fn forget(pass: &mut Pass<'_>, uid: &KeeperUid) {
    pass.reasons.add(Reason::info("dead_keeper", "removing old dead keeper").keeper(uid));
    pass.draft.keepers.remove(uid);
}
