//! Synchronous standbys (reference, chapter 8.10).
//!
//! Three sets of dbs, of the master: what it should require (`spec.synchronousStandbys`), what is known to be in sync
//! (`status.synchronousStandbys`, extended only by what was reported), and what its keeper reports now. The required set
//! changes only when the previous one is confirmed completely, and by way of the union of old and new, so that at any
//! moment every acknowledged commit is on each db in the intersection of required and known.

use super::judge::Standbys;
use super::master::names;
use super::pass::Pass;
use super::reason::Reason;
use super::sync_set;
use crate::cluster::FAKE_STANDBY_NAME;
use crate::uid::DbUid;
use std::collections::BTreeSet;

/// Advances the synchronous standbys of the master by one step.
pub(super) fn set_up(pass: &mut Pass<'_>, master_uid: &DbUid, standbys: &Standbys) {
    if !pass.judge().is_synchronous() {
        if let Some(master) = pass.db_mut(master_uid) {
            master.spec.synchronous_replication = false;
            master.spec.synchronous_standbys = None;
            master.spec.external_synchronous_standbys = None;
            master.status.synchronous_standbys = None;
        }
        return;
    }
    let Some(master) = pass.draft.dbs.get(master_uid) else { return };
    let mut required = master.spec.synchronous_standbys.clone().unwrap_or_default();
    let mut known = master.status.synchronous_standbys.clone().unwrap_or_default();
    if !is_same_set(&required, &known) {
        known.retain(|uid| required.contains(uid));
        for uid in &master.reported_in_sync {
            if required.contains(uid) && !known.contains(uid) {
                known.push(uid.clone());
            }
        }
        if is_hopeless(pass, &required, &known, standbys) {
            let message = "setting the expected sync-standbys to the current known in sync \
                           sync-standbys";
            pass.reasons.add(with_sets(Reason::info("sync_reset", message), &required, &known));
            required.clone_from(&known);
            required.sort();
            if let Some(master) = pass.db_mut(master_uid) {
                master.spec.synchronous_standbys = Some(required.clone());
            }
        }
    }
    if is_same_set(&required, &known) {
        let previous: BTreeSet<_> = required.into_iter().collect();
        let next = sync_set::next(pass, master_uid, &previous, standbys);
        known.retain(|uid| next.required.contains(uid));
        if let Some(master) = pass.db_mut(master_uid) {
            let fake = next.is_short.then(|| FAKE_STANDBY_NAME.to_owned());
            master.spec.synchronous_replication = true;
            master.spec.synchronous_standbys = Some(next.required.into_iter().collect());
            master.spec.external_synchronous_standbys = Some(fake.into_iter().collect());
        }
    } else {
        let message = "waiting for new defined synchronous standbys to be in sync";
        pass.reasons.add(with_sets(Reason::info("waiting_for_sync", message), &required, &known));
    }
    if let Some(master) = pass.db_mut(master_uid) {
        master.status.synchronous_standbys = Some(known);
    }
}

/// Whether a db that is required and not yet in sync will not get there: it is gone or does not work.
fn is_hopeless(pass: &Pass<'_>, required: &[DbUid], known: &[DbUid], standbys: &Standbys) -> bool {
    let mut hopeless = false;
    for uid in required.iter().filter(|uid| !known.contains(uid)) {
        let message = if !pass.draft.dbs.contains_key(uid) {
            "one of the new synchronousStandbys has been removed"
        } else if !standbys.good.contains(uid) && !standbys.steady.contains(uid) {
            "one of the new synchronousStandbys is not in good state"
        } else {
            continue;
        };
        let reason = Reason::info("sync_candidate_lost", message).db(uid);
        pass.reasons.add(with_sets(reason, required, known));
        hopeless = true;
    }
    hopeless
}

fn with_sets(reason: Reason, required: &[DbUid], known: &[DbUid]) -> Reason {
    reason.with("inSyncStandbys", names(known)).with("synchronousStandbys", names(required))
}

fn is_same_set(a: &[DbUid], b: &[DbUid]) -> bool {
    a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>()
}
