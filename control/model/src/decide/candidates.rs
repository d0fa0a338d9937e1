//! Who could be master, the best first (reference, chapter 8.5, "Best standbys" and "Best new masters").

use super::draft::{DbKind, DraftDb};
use super::judge::{Judge, Status, Validity};
use super::reason::Reason;
use crate::uid::DbUid;
use std::cmp::Reverse;

impl Judge<'_> {
    /// Good standbys on the timeline of `master` and, unless replication is synchronous, near enough to it; the most
    /// advanced first. The reference has the least advanced first, against its own documentation.
    pub(super) fn best_standbys(&self, master: &DraftDb) -> Vec<DbUid> {
        let good = self.standbys().good;
        let mut best: Vec<_> = self
            .draft
            .dbs
            .iter()
            .filter(|(uid, _)| good.contains(*uid))
            .filter(|(uid, db)| self.is_near(uid, db, master))
            .collect();
        best.sort_by_key(|(_, db)| Reverse(db.status.xlog_pos));
        best.into_iter().map(|(uid, _)| uid.clone()).collect()
    }

    /// Standbys and former masters that could replace `master`, the most advanced first.
    pub(super) fn best_new_masters(&self, master_uid: &DbUid, master: &DraftDb) -> Vec<DbUid> {
        let mut best: Vec<_> = self
            .best_standbys(master)
            .into_iter()
            .filter_map(|uid| self.draft.dbs.get(&uid).map(|db| (uid, db)))
            .filter(|(uid, db)| self.can_be_master(uid, db))
            .collect();
        let former_masters = self.draft.dbs.iter().filter(|(uid, db)| {
            *uid != master_uid
                && db.kind() == DbKind::Master
                && self.validity(uid, db) == Validity::Valid
                && self.status(uid, db) == Status::Good
                && self.is_near(uid, db, master)
                && self.is_latest_reign(uid, db)
        });
        best.extend(former_masters.map(|(uid, db)| (uid.clone(), db)));
        best.retain(|(uid, db)| self.is_heard(uid, db));
        best.sort_by_key(|(_, db)| Reverse(db.status.xlog_pos));
        best.into_iter().map(|(uid, _)| uid).collect()
    }

    fn can_be_master(&self, uid: &DbUid, db: &DraftDb) -> bool {
        let allowed = self
            .draft
            .keeper_of(db)
            .is_none_or(|keeper| keeper.status.can_be_master != Some(false));
        if !allowed {
            let message = "ignoring keeper since it cannot be master (--can-be-master=false)";
            let reason = Reason::info("cannot_be_master", message);
            self.reasons.add(reason.db(uid).keeper(&db.spec.keeper_uid));
        }
        allowed
    }

    /// Whether nobody can have taken commits after this former master: every other one says that it still is on the same
    /// timeline, or clients have not been sent there. The timeline of a master that was promoted and fell silent before it
    /// could report is not known, and going back to the old one would drop what it took. The reference does.
    fn is_latest_reign(&self, uid: &DbUid, db: &DraftDb) -> bool {
        let is_closed = self.draft.proxy.spec.master_db_uid.is_empty();
        let later = self.draft.dbs.iter().find(|(other, its)| {
            let is_unopened = is_closed && *other == self.draft.master_uid();
            let is_unpromoted =
                its.is_reported_healthy && its.status.timeline_id == db.status.timeline_id;
            *other != uid && its.kind() == DbKind::Master && !is_unopened && !is_unpromoted
        });
        if let Some((later, _)) = later {
            let message =
                "ignoring former master since another one may have taken commits after it";
            let reason = Reason::warn("former_master_outdated", message).db(uid);
            self.reasons.add(reason.keeper(&db.spec.keeper_uid).with("masterDB", later.as_str()));
        }
        later.is_none()
    }

    /// Whether there is no doubt about it right now. The reference elects a db whose keeper fell silent, as long as that is
    /// shorter than failInterval; it may have died with the master, and electing it costs the time to find that out.
    fn is_heard(&self, uid: &DbUid, db: &DraftDb) -> bool {
        let is_heard = !self.observer.db_errors.contains_key(uid)
            && !self.observer.keeper_errors.contains_key(&db.spec.keeper_uid);
        if !is_heard {
            let message = "ignoring db since its keeper is silent or reports it as unhealthy";
            let reason = Reason::info("candidate_silent", message);
            self.reasons.add(reason.db(uid).keeper(&db.spec.keeper_uid));
        }
        is_heard
    }

    /// On the master's timeline, and not too far behind. With synchronous replication the last reported positions say
    /// nothing about who has every acknowledged commit, so that the distance is not looked at.
    fn is_near(&self, uid: &DbUid, db: &DraftDb, master: &DraftDb) -> bool {
        if db.status.timeline_id != master.status.timeline_id {
            let message = "ignoring keeper since its pg timeline is different than master timeline";
            let reason = Reason::debug("other_timeline", message)
                .db(uid)
                .with("dbTimeline", db.status.timeline_id.0)
                .with("masterTimeline", master.status.timeline_id.0);
            self.reasons.add(reason);
            return false;
        }
        if self.is_synchronous() {
            return true;
        }
        // The reference compares as signed numbers: a db ahead of the last known position of the master passes.
        let lag = master.status.xlog_pos.0.wrapping_sub(db.status.xlog_pos.0).cast_signed();
        let is_near = lag <= i64::from(self.spec.max_standby_lag);
        if !is_near {
            let message = "ignoring keeper since its behind that maximum xlog position";
            let reason = Reason::info("lag", message)
                .db(uid)
                .with("dbXLogPos", db.status.xlog_pos.0)
                .with("masterXLogPos", master.status.xlog_pos.0);
            self.reasons.add(reason);
        }
        is_near
    }
}
