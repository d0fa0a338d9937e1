//! Dbs that cannot serve the current master's cluster any more (reference, chapter 8.9, steps 1 to 3). Their keepers
//! become free and get a new db, which is filled anew.

use super::draft::{DbKind, DraftDb};
use super::judge::Validity;
use super::pass::Pass;
use super::reason::Reason;
use crate::uid::DbUid;

/// Removes former masters: the current one does its work.
pub(super) fn remove_old_masters(pass: &mut Pass<'_>, master: &DbUid) {
    remove(pass, "old_master_removed", "removing old master db", |_, uid, db| {
        uid != master && db.kind() == DbKind::Master
    });
}

/// Removes dbs whose data belongs to another system or another branch of history.
pub(super) fn remove_invalid(pass: &mut Pass<'_>, master: &DbUid) {
    remove(pass, "invalid_db_removed", "removing invalid db", |pass, uid, db| {
        uid != master && pass.judge().validity(uid, db) == Validity::Invalid
    });
}

/// Removes standbys that miss WAL that the master no longer has, judged by the cluster data as it was read.
pub(super) fn remove_stuck(pass: &mut Pass<'_>) {
    let message = "removing db that won't be able to sync due to missing wals on current master";
    remove(pass, "stuck_db_removed", message, |pass, uid, _| {
        let before = &pass.before;
        before.dbs.get(uid).is_some_and(|db| !pass.judge_of(before).can_sync(uid, db))
    });
}

fn remove(
    pass: &mut Pass<'_>,
    label: &'static str,
    message: &str,
    is_removed: impl Fn(&Pass<'_>, &DbUid, &DraftDb) -> bool,
) {
    let removed: Vec<_> = pass
        .draft
        .dbs
        .iter()
        .filter(|(uid, db)| is_removed(pass, uid, db))
        .map(|(uid, db)| (uid.clone(), db.spec.keeper_uid.clone()))
        .collect();
    for (uid, keeper) in removed {
        pass.reasons.add(Reason::info(label, message).db(&uid).keeper(&keeper));
        pass.draft.dbs.remove(&uid);
    }
}
