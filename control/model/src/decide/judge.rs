//! Classification of dbs (reference, chapter 8.5): converged or not, valid or not, good or failed.

use super::draft::{DbKind, Draft, DraftDb};
use super::observer::Observer;
use super::pass::Reasons;
use super::reason::Reason;
use super::timeline;
use super::timers::Timers;
use crate::cluster::DbInitMode;
use crate::generation::Generation;
use crate::postgres::timeline::{Branch, fork};
use crate::spec::Spec;
use crate::uid::DbUid;
use std::collections::BTreeSet;
use std::time::Duration;

/// Judges the dbs of one draft.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) draft: &'a Draft,
    pub(super) spec: &'a Spec,
    pub(super) observer: &'a Observer,
    pub(super) timers: &'a Timers,
    pub(super) reasons: &'a Reasons,
}

/// Whether a db has applied the generation that it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Convergence {
    Converged,
    Converging,
    Failed,
}

/// Whether the data of a db can belong to the current master's cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Unknown,
    Valid,
    Invalid,
}

/// Whether a db does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Good,
    Converging,
    Failed,
}

/// Standbys by their state.
#[derive(Clone, Debug, Default)]
pub(super) struct Standbys {
    /// Valid and good.
    pub(super) good: BTreeSet<DbUid>,
    /// Valid, and good until a moment ago: asked for a new generation for less than sleepInterval.
    pub(super) steady: BTreeSet<DbUid>,
    /// Not failed and not good: valid ones, and new ones of which nothing is known yet.
    pub(super) converging: BTreeSet<DbUid>,
}

impl Judge<'_> {
    /// A time-out of `None` never fails. A missing timer has just started: the time of the pass is its start.
    pub(super) fn convergence(
        &self,
        uid: &DbUid,
        db: &DraftDb,
        timeout: Option<Duration>,
    ) -> Convergence {
        if db.is_converged() {
            return Convergence::Converged;
        }
        match timeout {
            Some(timeout) if self.timers.passed(self.asked_since(uid, db), timeout) => {
                Convergence::Failed
            }
            _ => Convergence::Converging,
        }
    }

    fn asked_since(&self, uid: &DbUid, db: &DraftDb) -> crate::time::Mono {
        self.observer
            .convergence
            .get(uid)
            .filter(|entry| entry.generation == db.generation)
            .map_or(self.timers.now.mono, |entry| entry.since)
    }

    /// Relative to the master of the draft. A db is only invalid when both sides are known.
    pub(super) fn validity(&self, uid: &DbUid, db: &DraftDb) -> Validity {
        if db.status.current_generation == Generation::NONE {
            return Validity::Unknown;
        }
        let Some(master) = self.draft.master() else { return Validity::Unknown };
        let (own, masters) = (&db.status.system_id, &master.status.system_id);
        if !own.is_empty() && !masters.is_empty() && own != masters {
            let reason = Reason::info(
                "other_system_id",
                "invalid db since the postgres systemdID is different that the master one",
            );
            self.reasons.add(
                reason
                    .db(uid)
                    .keeper(&db.spec.keeper_uid)
                    .with("dbSystemdID", own.as_str())
                    .with("masterSystemID", masters.as_str()),
            );
            return Validity::Invalid;
        }
        match fork(Branch::from(&master.status), Branch::from(&db.status)) {
            Some(fork) => {
                self.reasons.add(timeline::reason(fork, &master.status, &db.status));
                Validity::Invalid
            }
            None => Validity::Valid,
        }
    }

    pub(super) fn status(&self, uid: &DbUid, db: &DraftDb) -> Status {
        if self.draft.keeper_of(db).is_none_or(|keeper| !keeper.status.healthy) {
            return Status::Failed;
        }
        let is_first_resync =
            db.generation == Generation::INITIAL && db.spec.init_mode == Some(DbInitMode::Resync);
        let timeout = if is_first_resync {
            Some(self.spec.sync_timeout).filter(|timeout| !timeout.is_zero())
        } else {
            self.convergence_timeout()
        };
        match self.convergence(uid, db, timeout) {
            Convergence::Failed => Status::Failed,
            Convergence::Converging => Status::Converging,
            Convergence::Converged if db.status.healthy => Status::Good,
            Convergence::Converged => Status::Failed,
        }
    }

    /// A convergenceTimeout of zero never fails, as any time-out of convergence.
    pub(super) fn convergence_timeout(&self) -> Option<Duration> {
        Some(self.spec.convergence_timeout).filter(|timeout| !timeout.is_zero())
    }

    /// Whether replication is synchronous: never while the cluster itself is a standby.
    pub(super) fn is_synchronous(&self) -> bool {
        self.spec.synchronous_replication && self.spec.role == crate::spec::ClusterRole::Master
    }

    /// The standbys by their state.
    ///
    /// The reference leaves dbs of which nothing is known out of every set, so that it adds standbys in each pass until
    /// the first ones have reported; in quick passes that would be all free keepers at once. Here they are converging.
    pub(super) fn standbys(&self) -> Standbys {
        let mut standbys = Standbys::default();
        for (uid, db) in &self.draft.dbs {
            if db.kind() != DbKind::Standby {
                continue;
            }
            let validity = self.validity(uid, db);
            if validity == Validity::Invalid {
                continue;
            }
            match self.status(uid, db) {
                Status::Failed => {}
                Status::Good if validity == Validity::Valid => {
                    standbys.good.insert(uid.clone());
                }
                Status::Good | Status::Converging => {
                    standbys.converging.insert(uid.clone());
                    if validity == Validity::Valid && self.was_good_just_now(uid, db) {
                        standbys.steady.insert(uid.clone());
                    }
                }
            }
        }
        standbys
    }

    /// Whether the db only has not confirmed a generation that it was asked for less than sleepInterval ago. The
    /// reference, looking every sleepInterval, rarely sees that state.
    fn was_good_just_now(&self, uid: &DbUid, db: &DraftDb) -> bool {
        db.status.healthy
            && !self.timers.passed(self.asked_since(uid, db), self.spec.sleep_interval)
    }
}
