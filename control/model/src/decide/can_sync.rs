//! Whether a standby can still catch up from the master's WAL (reference, chapter 8.5, "Can sync").

use super::draft::{DbKind, DraftDb};
use super::judge::Judge;
use super::reason::Reason;
use crate::generation::Generation;
use crate::postgres::wal::{segment_of, still_holds};
use crate::uid::DbUid;

/// The position of a standby must stand still for more than this many times sleepInterval.
const STILL_INTERVALS: u32 = 10;

impl Judge<'_> {
    /// False only for a standby that stands still and whose next segment the master no longer has.
    pub(super) fn can_sync(&self, uid: &DbUid, db: &DraftDb) -> bool {
        let Some(master) = self.draft.master() else { return true };
        let oldest = &master.status.older_wal_file;
        let is_still = self.observer.positions.get(uid).is_some_and(|position| {
            position.still > self.spec.sleep_interval.saturating_mul(STILL_INTERVALS)
        });
        if uid == self.draft.master_uid()
            || db.kind() != DbKind::Standby
            || db.generation == Generation::INITIAL
            || !db.status.healthy
            || db.status.xlog_pos == master.status.xlog_pos
            || !is_still
            || still_holds(oldest, db.status.xlog_pos)
        {
            return true;
        }
        let message = "db won't be able to sync due to missing required wals on master";
        let reason = Reason::info("missing_wal", message)
            .db(uid)
            .keeper(&db.spec.keeper_uid)
            .with("requiredWAL", segment_of(db.status.xlog_pos))
            .with("olderMasterWAL", oldest.get(8..24).unwrap_or_default());
        self.reasons.add(reason);
        false
    }
}
