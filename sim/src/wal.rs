//! The write-ahead log of a model instance: records, timelines, and where they fork.

use stolon_model::cluster::TimelineHistory;
use stolon_model::lsn::{Lsn, TimelineId};
use stolon_model::postgres::wal::{SEGMENT_BYTES, segment_of};

/// The first position of a new instance.
const BEGINNING: u64 = 0x0300_0000;

/// A commit that a user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Unlike that of any other record ever written.
    pub id: u64,
    /// Where it ends.
    pub end: Lsn,
    /// The timeline it was written on.
    pub timeline: TimelineId,
    /// The user's commit, if it is one.
    pub write: Option<WriteId>,
}

/// A log, from the beginning of its system.
#[derive(Clone, Debug, Default)]
pub struct Wal {
    records: Vec<Record>,
    history: Vec<TimelineHistory>,
    timeline: TimelineId,
    /// The newest timeline that this instance has heard of.
    newest: TimelineId,
    /// The beginning of the oldest segment that is still on disk.
    oldest: Lsn,
}

/// A part of a log on its way to a standby.
#[derive(Clone, Debug)]
pub struct Tail {
    from: usize,
    records: Vec<Record>,
    before: Option<u64>,
    history: Vec<TimelineHistory>,
    timeline: TimelineId,
}

impl Tail {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// Why a standby cannot stream from an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The instance is on an older timeline.
    Behind,
    /// The instance left the standby's timeline before the standby's position.
    Forked,
    /// The standby's position is ahead.
    Ahead,
    /// The next record has been removed.
    Removed,
    /// The next record does not follow on the standby's last one, though every rule allows it.
    Foreign,
}

impl Wal {
    /// The log of a new instance.
    pub fn new(id: u64) -> Self {
        let first = TimelineId(1);
        let mut wal = Self { timeline: first, newest: first, ..Self::default() };
        wal.append(id, 4096, None);
        wal
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The end of the last record.
    pub fn position(&self) -> Lsn {
        self.records.last().map_or(Lsn(BEGINNING), |record| record.end)
    }

    /// The timeline of the last record.
    pub fn timeline(&self) -> TimelineId {
        self.timeline
    }

    /// Where earlier timelines ended.
    pub fn history(&self) -> &[TimelineHistory] {
        &self.history
    }

    /// All records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Adds a record of `size` bytes.
    pub fn append(&mut self, id: u64, size: u64, write: Option<WriteId>) {
        let end = Lsn(self.position().0 + size);
        self.records.push(Record { id, end, timeline: self.timeline, write });
    }

    /// Begins a new timeline.
    pub fn promote(&mut self, id: u64) {
        let ended = TimelineHistory {
            timeline_id: self.timeline,
            switch_point: self.position(),
            reason: "no recovery target specified".to_owned(),
        };
        self.history.push(ended);
        self.timeline = TimelineId(self.newest.0.max(self.timeline.0) + 1);
        self.newest = self.timeline;
        self.append(id, 200, None);
    }

    /// Whether a standby with this log can stream from an instance with the log `upstream`, as PostgreSQL tells it.
    pub fn can_follow(&mut self, upstream: &Wal) -> Result<(), Mismatch> {
        if upstream.timeline < self.timeline {
            return Err(Mismatch::Behind);
        }
        self.newest = self.newest.max(upstream.timeline);
        if upstream.timeline > self.timeline {
            match upstream.switch_point(self.timeline) {
                Some(switch) if switch >= self.position() => {}
                _ => return Err(Mismatch::Forked),
            }
        }
        if self.position() > upstream.position() {
            return Err(Mismatch::Ahead);
        }
        if self.position() < upstream.oldest {
            return Err(Mismatch::Removed);
        }
        if !self.is_prefix_of(upstream) {
            return Err(Mismatch::Foreign);
        }
        Ok(())
    }

    /// What a standby that has `from` records still needs.
    pub fn tail(&self, from: usize) -> Tail {
        Tail {
            from,
            records: self.records.get(from..).unwrap_or_default().to_vec(),
            before: from.checked_sub(1).and_then(|last| self.records.get(last)).map(|last| last.id),
            history: self.history.clone(),
            timeline: self.timeline,
        }
    }

    /// Takes over what was sent. `false` when it does not follow on what is there.
    pub fn take(&mut self, sent: &Tail) -> bool {
        if self.len() != sent.from || self.records.last().map(|last| last.id) != sent.before {
            return false;
        }
        self.records.extend_from_slice(&sent.records);
        self.timeline = sent.timeline;
        self.newest = self.newest.max(sent.timeline);
        self.history.clone_from(&sent.history);
        true
    }

    /// Whether every record of this log stands in `other` too.
    pub fn is_prefix_of(&self, other: &Wal) -> bool {
        match self.records.last() {
            None => true,
            Some(last) => other.records.get(self.len() - 1).is_some_and(|own| own.id == last.id),
        }
    }

    /// Throws away what `other` does not have, as pg_rewind does. On one and the same timeline pg_rewind sees nothing to do.
    pub fn rewind_to(&mut self, other: &Wal) {
        if self.timeline == other.timeline {
            return;
        }
        let common =
            self.records.iter().zip(&other.records).take_while(|(own, its)| own.id == its.id);
        let common = common.count();
        self.records.truncate(common);
        self.timeline = self.records.last().map_or(TimelineId(1), |record| record.timeline);
        self.newest = other.timeline;
        self.history.retain(|entry| entry.timeline_id < self.timeline);
    }

    /// Removes old segments: all but the last `keep` bytes, and nothing that is still to be sent from the record `wanted` on.
    pub fn recycle(&mut self, keep: u64, wanted: Option<usize>) {
        let end_of = |count: usize| {
            count
                .checked_sub(1)
                .and_then(|last| self.records.get(last))
                .map_or(0, |last| last.end.0)
        };
        let old = self.position().0.saturating_sub(keep).min(wanted.map_or(u64::MAX, end_of));
        self.oldest = self.oldest.max(Lsn(old / SEGMENT_BYTES * SEGMENT_BYTES));
    }

    /// The name of the oldest segment.
    pub fn oldest_segment(&self) -> String {
        format!("{:08X}{}", self.timeline.0, segment_of(self.oldest.max(Lsn(BEGINNING))))
    }

    fn switch_point(&self, timeline: TimelineId) -> Option<Lsn> {
        let mut history = self.history.iter();
        history.find(|entry| entry.timeline_id == timeline).map(|entry| entry.switch_point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_follows_over_a_switch_and_not_over_a_fork() {
        let mut master = Wal::new(1);
        let mut standby = master.clone();
        master.append(2, 100, None);
        let mut ahead = master.clone();
        ahead.append(3, 100, None);
        let mut promoted = master.clone();
        promoted.promote(4);
        assert_eq!(standby.can_follow(&promoted), Ok(()));
        assert!(standby.take(&promoted.tail(standby.len())));
        assert_eq!(standby.position(), promoted.position());
        assert_eq!(ahead.can_follow(&promoted), Err(Mismatch::Forked));
        assert_eq!(standby.can_follow(&ahead), Err(Mismatch::Behind));
        ahead.rewind_to(&promoted);
        assert_eq!(ahead.can_follow(&promoted), Ok(()));
    }

    #[test]
    fn two_promotions_to_one_timeline_are_foreign_to_each_other() {
        let base = Wal::new(1);
        let (mut one, mut other) = (base.clone(), base);
        one.promote(2);
        other.append(3, 50, None);
        other.promote(4);
        let before = one.position();
        one.rewind_to(&other);
        assert_eq!(one.position(), before);
        assert_eq!(one.can_follow(&other), Err(Mismatch::Foreign));
    }
}
