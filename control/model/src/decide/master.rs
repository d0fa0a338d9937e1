//! Whether the master can stay, and who replaces it (reference, chapter 8.7, steps 2 to 4).

use super::draft::DraftDb;
use super::initial::refusal;
use super::judge::Convergence;
use super::pass::Pass;
use super::reason::Reason;
use crate::uid::DbUid;
use std::collections::BTreeSet;

/// The db that should be master after this pass: the current one unless it failed and another can replace it.
pub(super) fn choose(pass: &Pass<'_>) -> Result<DbUid, Reason> {
    let current = pass.draft.master_uid().clone();
    let Some(master) = pass.draft.master() else {
        let error = format!("db \"{current}\" of the master not available");
        return Err(refusal("no_master_db", error));
    };
    if is_ok(pass, &current, master) {
        return Ok(current);
    }
    let message = "trying to find a new master to replace failed master";
    pass.reasons.add(Reason::info("find_new_master", message));
    let candidates = pass.judge().best_new_masters(&current, master);
    let elected = if candidates.is_empty() {
        None
    } else if master.spec.synchronous_replication {
        choose_in_sync(pass, master, &candidates)
    } else {
        candidates.first()
    };
    let Some((uid, db)) = elected.and_then(|uid| pass.draft.dbs.get_key_value(uid)) else {
        pass.reasons.add(Reason::error("no_eligible_masters", "no eligible masters"));
        return Ok(current);
    };
    let reason = Reason::info("elected", "electing db as the new master");
    pass.reasons.add(reason.db(uid).keeper(&db.spec.keeper_uid));
    Ok(uid.clone())
}

fn is_ok(pass: &Pass<'_>, uid: &DbUid, master: &DraftDb) -> bool {
    let mut ok = true;
    let mut fail = |label, message: &str| {
        pass.reasons.add(Reason::info(label, message).db(uid).keeper(&master.spec.keeper_uid));
        ok = false;
    };
    if !master.status.healthy {
        fail("master_failed", "master db is failed");
    }
    let judge = pass.judge();
    if judge.convergence(uid, master, judge.convergence_timeout()) == Convergence::Failed {
        fail("master_not_converged", "db not converged");
    }
    ok
}

/// With synchronous replication only a db that the failed master required and reported as in sync has every
/// acknowledged commit. There is no second choice.
fn choose_in_sync<'c>(
    pass: &Pass<'_>,
    master: &DraftDb,
    candidates: &'c [DbUid],
) -> Option<&'c DbUid> {
    let reported = master.status.synchronous_standbys.as_deref().unwrap_or_default();
    let required = master.spec.synchronous_standbys.as_deref().unwrap_or_default();
    let usable: BTreeSet<_> = reported.iter().filter(|uid| required.contains(uid)).collect();
    let elected = candidates.iter().find(|uid| usable.contains(uid));
    if elected.is_none() {
        let reason = if usable.is_empty() {
            let message = "cannot choose synchronous standby since there are no common elements \
                           between the latest master reported synchronous standbys and the db \
                           spec ones";
            Reason::warn("no_synchronous_standby", message)
                .with("reported", names(reported))
                .with("spec", names(required))
        } else {
            let message = "cannot choose synchronous standby since there's not match between the \
                           possible masters and the usable synchronousStandbys";
            Reason::warn("no_synchronous_standby", message)
                .with("reported", names(reported))
                .with("spec", names(required))
                .with("common", names(usable))
                .with("possibleMasters", names(candidates))
        };
        pass.reasons.add(reason);
    }
    elected
}

/// Uids as a list for a field.
pub(super) fn names<'a>(uids: impl IntoIterator<Item = &'a DbUid>) -> Vec<String> {
    uids.into_iter().map(|uid| uid.as_str().to_owned()).collect()
}
