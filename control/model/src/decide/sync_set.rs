//! The set of standbys that the master should require next (reference, chapter 8.10, step C).

use super::judge::Standbys;
use super::pass::Pass;
use super::reason::Reason;
use crate::cluster::PostgresBinaryVersion;
use crate::uid::DbUid;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What the master should require.
pub(super) struct Next {
    pub(super) required: BTreeSet<DbUid>,
    /// Whether they are fewer than the minimum, so that a name that nobody has makes commits wait.
    pub(super) is_short: bool,
}

struct Limits {
    min: usize,
    max: usize,
    /// Whether old and new are required together in between.
    is_merged: bool,
}

/// The next set after `previous`, all of which are known to be in sync.
pub(super) fn next(
    pass: &Pass<'_>,
    master: &DbUid,
    previous: &BTreeSet<DbUid>,
    standbys: &Standbys,
) -> Next {
    let limits = limits(pass, master);
    let mut set = previous.clone();
    remove_lost(pass, master, &mut set, standbys);
    remove_in_excess(pass, master, &mut set, limits.max);
    add_best(pass, master, &mut set, limits.max);
    let existing = |uid: &&DbUid| pass.draft.dbs.contains_key(*uid);
    for uid in previous.iter().filter(existing) {
        if set.len() < limits.min && !set.contains(uid) {
            let message = "adding previous synchronous standby to reach MinSynchronousStandbys";
            pass.reasons.add(standby(pass, "sync_kept", message, master, uid));
            set.insert(uid.clone());
        }
    }
    if limits.is_merged && !set.is_subset(previous) {
        let message = "merging current and previous synchronous standbys";
        pass.reasons.add(with_sets("sync_merged", message, master, previous, &set));
        for uid in previous.iter().filter(existing) {
            if set.insert(uid.clone()) {
                let message = "adding previous synchronous standby";
                pass.reasons.add(standby(pass, "sync_kept", message, master, uid));
            }
        }
    }
    if set != *previous {
        let message = "synchronousStandbys changed";
        pass.reasons.add(with_sets("sync_changed", message, master, previous, &set));
    }
    let is_short = set.len() < limits.min;
    if is_short {
        let message = "using a fake synchronous standby since there are not enough real standbys \
                       available";
        let reason = Reason::info("sync_fake", message).with("masterDB", master.as_str());
        pass.reasons.add(reason.with("required", limits.min));
    }
    Next { required: set, is_short }
}

/// PostgreSQL up to 9.5 waits for one standby only, whatever is listed.
fn limits(pass: &Pass<'_>, master: &DbUid) -> Limits {
    let version = pass
        .draft
        .dbs
        .get(master)
        .and_then(|db| pass.draft.keeper_of(db))
        .map(|keeper| keeper.status.postgres_binary_version);
    match version {
        Some(PostgresBinaryVersion { maj: 9, min: ..=5 }) => {
            Limits { min: 1, max: 1, is_merged: false }
        }
        _ => Limits {
            min: usize::from(pass.spec.min_synchronous_standbys),
            max: usize::from(pass.spec.max_synchronous_standbys),
            is_merged: true,
        },
    }
}

/// Standbys that are gone or failed. One that only has yet to confirm a new generation stays: to require it is safe.
fn remove_lost(pass: &Pass<'_>, master: &DbUid, set: &mut BTreeSet<DbUid>, standbys: &Standbys) {
    set.retain(|uid| {
        let message = if !pass.draft.dbs.contains_key(uid) {
            "removing non existent db from synchronousStandbys"
        } else if !standbys.good.contains(uid) && !standbys.steady.contains(uid) {
            "removing failed synchronous standby"
        } else {
            return true;
        };
        let reason = Reason::info("sync_removed", message).with("masterDB", master.as_str());
        pass.reasons.add(reason.db(uid));
        false
    });
}

/// The least advanced go first.
fn remove_in_excess(pass: &Pass<'_>, master: &DbUid, set: &mut BTreeSet<DbUid>, max: usize) {
    let mut by_position: Vec<_> = set
        .iter()
        .map(|uid| (pass.draft.dbs.get(uid).map(|db| db.status.xlog_pos), uid.clone()))
        .collect();
    by_position.sort();
    for (_, uid) in by_position.into_iter().take(set.len().saturating_sub(max)) {
        let message = "removing synchronous standby in excess";
        let reason = Reason::info("sync_removed", message).with("masterDB", master.as_str());
        pass.reasons.add(reason.db(&uid));
        set.remove(&uid);
    }
}

fn add_best(pass: &Pass<'_>, master: &DbUid, set: &mut BTreeSet<DbUid>, max: usize) {
    let Some(master_db) = pass.draft.dbs.get(master) else { return };
    for uid in pass.judge().best_standbys(master_db) {
        if set.len() >= max {
            break;
        }
        if set.contains(&uid) {
            continue;
        }
        let keeper = pass.draft.dbs.get(&uid).and_then(|db| pass.draft.keeper_of(db));
        if let Some(keeper) = keeper
            && keeper.status.can_be_synchronous_replica == Some(false)
        {
            let message = "cannot choose standby as synchronous \
                           (--can-be-synchronous-replica=false)";
            let reason = Reason::info("cannot_be_synchronous", message);
            pass.reasons.add(reason.db(&uid).keeper(&keeper.uid));
            continue;
        }
        let message = "adding new synchronous standby in good state trying to reach \
                       MaxSynchronousStandbys";
        pass.reasons.add(standby(pass, "sync_added", message, master, &uid));
        set.insert(uid);
    }
}

fn standby(
    pass: &Pass<'_>,
    label: &'static str,
    message: &str,
    master: &DbUid,
    uid: &DbUid,
) -> Reason {
    let keeper = pass.draft.dbs.get(uid).map(|db| db.spec.keeper_uid.clone()).unwrap_or_default();
    Reason::info(label, message)
        .with("masterDB", master.as_str())
        .with("synchronousStandbyDB", uid.as_str())
        .keeper(&keeper)
}

fn with_sets(
    label: &'static str,
    message: &str,
    master: &DbUid,
    previous: &BTreeSet<DbUid>,
    set: &BTreeSet<DbUid>,
) -> Reason {
    let as_object = |uids: &BTreeSet<DbUid>| {
        let empty = || Value::Object(Map::new());
        Value::Object(uids.iter().map(|uid| (uid.as_str().to_owned(), empty())).collect())
    };
    Reason::info(label, message)
        .with("masterDB", master.as_str())
        .with("prevSynchronousStandbys", as_object(previous))
        .with("synchronousStandbys", as_object(set))
}
