//! Who follows the master: it keeps a replication slot for each (reference, end of chapter 8.9).

use super::pass::Pass;
use crate::cluster::FollowKind;
use crate::uid::DbUid;

/// Writes the dbs that follow `wanted` into the spec of `current`. When they differ, `wanted` was elected in this pass,
/// nobody follows it yet, and the old master loses its followers.
pub(super) fn update(pass: &mut Pass<'_>, current: &DbUid, wanted: &DbUid) {
    let followers: Vec<_> = pass
        .draft
        .dbs
        .iter()
        .filter(|(uid, db)| {
            *uid != current
                && db.spec.follow_config.as_ref().is_some_and(|follow| {
                    follow.kind == Some(FollowKind::Internal) && follow.db_uid == *wanted
                })
        })
        .map(|(uid, _)| uid.clone())
        .collect();
    if let Some(master) = pass.db_mut(current) {
        master.spec.followers = Some(followers);
    }
}
