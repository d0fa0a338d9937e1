//! The number of standbys (reference, chapter 8.11).

use super::draft::DbKind;
use super::judge::Standbys;
use super::normal::follow;
use super::pass::Pass;
use super::reason::Reason;
use crate::cluster::{DbInitMode, DbSpec, Role};
use crate::uid::DbUid;
use std::collections::BTreeSet;

/// Removes standbys in excess, or adds missing ones on free keepers.
pub(super) fn adjust_number(pass: &mut Pass<'_>, master: &DbUid, standbys: &Standbys) {
    let wanted = usize::from(pass.spec.max_standbys_per_sender);
    if standbys.good.len() >= wanted {
        remove_in_excess(pass, master, standbys, standbys.good.len() - wanted);
    } else {
        // Failed ones are kept, for they may come back.
        let present = standbys.good.len() + standbys.converging.len();
        add(pass, master, wanted.saturating_sub(present));
    }
}

/// Removes those that are not good, then the least advanced of the good ones; never a synchronous standby.
fn remove_in_excess(pass: &mut Pass<'_>, master: &DbUid, standbys: &Standbys, excess: usize) {
    let required: BTreeSet<_> = pass
        .draft
        .dbs
        .get(master)
        .and_then(|master| master.spec.synchronous_standbys.clone())
        .unwrap_or_default()
        .into_iter()
        .collect();
    let mut removed = Vec::new();
    let mut good = Vec::new();
    for (uid, db) in &pass.draft.dbs {
        if db.kind() != DbKind::Standby || required.contains(uid) {
            continue;
        }
        if standbys.good.contains(uid) {
            good.push((db.status.xlog_pos, uid.clone()));
        } else {
            let message = "removing non good standby";
            pass.reasons.add(Reason::info("bad_standby_removed", message).db(uid));
            removed.push(uid.clone());
        }
    }
    good.sort();
    for (_, uid) in good.into_iter().take(excess) {
        let message = "removing good standby in excess";
        pass.reasons.add(Reason::info("excess_standby_removed", message).db(&uid));
        removed.push(uid);
    }
    for uid in removed {
        pass.draft.dbs.remove(&uid);
    }
}

fn add(pass: &mut Pass<'_>, master: &DbUid, missing: usize) {
    let free: Vec<_> = pass
        .draft
        .keepers
        .iter()
        .filter(|(uid, keeper)| keeper.status.healthy && !pass.draft.has_db(uid))
        .map(|(uid, _)| uid.clone())
        .take(missing)
        .collect();
    for keeper in free {
        let uid = pass.draft.fresh_db_uid(&mut pass.rng);
        let reason = Reason::info("standby_added", "added new standby db");
        pass.reasons.add(reason.db(&uid).keeper(&keeper));
        let spec = DbSpec {
            keeper_uid: keeper,
            init_mode: Some(DbInitMode::Resync),
            role: Some(Role::Standby),
            followers: Some(Vec::new()),
            follow_config: Some(follow(master)),
            ..DbSpec::default()
        };
        pass.draft.add_db(&uid, spec);
    }
}
