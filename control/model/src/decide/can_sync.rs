//! Whether a standby can still catch up from the master's WAL (reference, chapter 8.5, "Can sync").

use super::draft::{DbKind, DraftDb};
use super::judge::Judge;
use super::reason::Reason;
use crate::generation::Generation;
use crate::lsn::Lsn;
use crate::uid::DbUid;

/// The position of a standby must stand still for more than this many times sleepInterval.
const STILL_INTERVALS: u32 = 10;

/// Size of a WAL segment. A keeper of a cluster with another size reports no oldest segment.
const SEGMENT: u64 = 16 * 1024 * 1024;

impl Judge<'_> {
    /// False only for a standby that stands still and whose next segment the master no longer has.
    pub(super) fn can_sync(&self, uid: &DbUid, db: &DraftDb) -> bool {
        let Some(master) = self.draft.master() else { return true };
        // The name of a segment is timeline, log and segment, 8 hexadecimal digits each.
        let Some(oldest) = master.status.older_wal_file.get(8..24) else { return true };
        let is_still = self.observer.positions.get(uid).is_some_and(|position| {
            let span = position.reported.since(position.since);
            span > self.spec.sleep_interval.saturating_mul(STILL_INTERVALS)
        });
        if uid == self.draft.master_uid()
            || db.kind() != DbKind::Standby
            || db.generation == Generation::INITIAL
            || !db.status.healthy
            || db.status.xlog_pos == master.status.xlog_pos
            || !is_still
        {
            return true;
        }
        let required = segment_name(db.status.xlog_pos);
        if required.as_str() >= oldest {
            return true;
        }
        let message = "db won't be able to sync due to missing required wals on master";
        let reason = Reason::info("missing_wal", message)
            .db(uid)
            .keeper(&db.spec.keeper_uid)
            .with("requiredWAL", required)
            .with("olderMasterWAL", oldest);
        self.reasons.add(reason);
        false
    }
}

/// The name of the segment that holds `lsn`, without its timeline.
fn segment_name(lsn: Lsn) -> String {
    format!("{:08X}{:08X}", lsn.0 >> 32, (lsn.0 & 0xffff_ffff) / SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_named_as_postgresql_names_them() {
        assert_eq!(segment_name(Lsn(0x0100_0000)), "0000000000000001");
        assert_eq!(segment_name(Lsn(0x12_FF00_0001)), "00000012000000FF");
    }
}
