//! Timelines: reading their history, and telling whether two instances went different ways.

use crate::cluster::{DbStatus, TimelineHistory};
use crate::lsn::{Lsn, TimelineId};

/// How many entries of a history are published: values in the store are limited in size.
pub const PUBLISHED_ENTRIES: usize = 2;

/// Where an instance stands in the WAL, and by which way its timeline came there.
#[derive(Clone, Copy, Debug)]
pub struct Branch<'a> {
    /// Its timeline.
    pub timeline: TimelineId,
    /// How far it has come.
    pub xlog_pos: Lsn,
    /// Where the timelines before its own ended; older entries may be missing.
    pub history: &'a [TimelineHistory],
}

impl<'a> From<&'a DbStatus> for Branch<'a> {
    fn from(status: &'a DbStatus) -> Self {
        Self {
            timeline: status.timeline_id,
            xlog_pos: status.xlog_pos,
            history: &status.timelines_history,
        }
    }
}

impl Branch<'_> {
    fn switch_point(&self, timeline: TimelineId) -> Option<Lsn> {
        let entry = self.history.iter().find(|entry| entry.timeline_id == timeline)?;
        Some(entry.switch_point)
    }
}

/// How an instance left the history of the one that it should follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// It is on a later timeline.
    Later,
    /// The timeline they share began elsewhere.
    OtherOrigin {
        /// Where it began for the followed one.
        followed: Lsn,
        /// Where it began for the follower.
        own: Lsn,
    },
    /// The followed one left the follower's timeline before the follower's position.
    Behind {
        /// Where the followed one left it.
        followed: Lsn,
    },
}

/// The fork between `followed` and `own`, if there is one (reference, chapter 8.5, "Different timeline branch"): `own` can then
/// never follow `followed`, and has to be made anew.
///
/// Histories are published in part, so an entry that is missing counts as agreement.
pub fn fork(followed: Branch<'_>, own: Branch<'_>) -> Option<Fork> {
    if followed.timeline < own.timeline {
        return Some(Fork::Later);
    }
    if followed.timeline == own.timeline {
        // The first timeline has no history.
        let previous = TimelineId(own.timeline.0.checked_sub(1).filter(|id| *id > 0)?);
        let (theirs, ours) = (followed.switch_point(previous)?, own.switch_point(previous)?);
        return (theirs != ours).then_some(Fork::OtherOrigin { followed: theirs, own: ours });
    }
    let theirs = followed.switch_point(own.timeline)?;
    (theirs < own.xlog_pos).then_some(Fork::Behind { followed: theirs })
}

/// Whether there is a [`fork`] between them.
pub fn on_different_branch(followed: Branch<'_>, own: Branch<'_>) -> bool {
    fork(followed, own).is_some()
}

/// The entries of a timeline history file, in its order. A line is a timeline, a WAL position and the reason; anything else
/// is left out.
pub fn parse_history(content: &str) -> Vec<TimelineHistory> {
    content.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<TimelineHistory> {
    let (timeline, rest) = line.trim().split_once(char::is_whitespace)?;
    let (switch_point, reason) = rest.trim_start().split_once(char::is_whitespace)?;
    Some(TimelineHistory {
        timeline_id: TimelineId(timeline.parse().ok()?),
        switch_point: switch_point.parse().ok()?,
        reason: reason.trim_start().to_owned(),
    })
}

/// The part of a history that is published: its end.
pub fn published(mut history: Vec<TimelineHistory>) -> Vec<TimelineHistory> {
    let older = history.len().saturating_sub(PUBLISHED_ENTRIES);
    history.drain(..older);
    history
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(timeline: u64, switch_point: u64) -> TimelineHistory {
        TimelineHistory {
            timeline_id: TimelineId(timeline),
            switch_point: Lsn(switch_point),
            reason: "no recovery target specified".to_owned(),
        }
    }

    fn branch(timeline: u64, xlog_pos: u64, history: &[TimelineHistory]) -> Branch<'_> {
        Branch { timeline: TimelineId(timeline), xlog_pos: Lsn(xlog_pos), history }
    }

    #[test]
    fn branches() {
        let at_100 = [entry(1, 100)];
        let at_200 = [entry(1, 200)];
        for (name, followed, own, different) in [
            (
                "a timeline ahead of the followed one",
                branch(1, 300, &[]),
                branch(2, 50, &at_100),
                true,
            ),
            ("both on the first timeline", branch(1, 100, &[]), branch(1, 900, &[]), false),
            ("the same switch", branch(2, 300, &at_100), branch(2, 200, &at_100), false),
            ("another switch", branch(2, 300, &at_100), branch(2, 300, &at_200), true),
            ("a history that is not known", branch(2, 300, &at_100), branch(2, 300, &[]), false),
            ("stopped before the switch", branch(2, 300, &at_200), branch(1, 150, &[]), false),
            ("stopped at the switch", branch(2, 300, &at_200), branch(1, 200, &[]), false),
            ("went on after the switch", branch(2, 300, &at_200), branch(1, 201, &[]), true),
            (
                "an old timeline not in the history",
                branch(4, 300, &[entry(3, 250)]),
                branch(1, 900, &[]),
                false,
            ),
        ] {
            assert_eq!(on_different_branch(followed, own), different, "{name}");
        }
    }

    #[test]
    fn history_file() {
        let content = "1\t0/4000060\tno recovery target specified\n\n# comment\n2  1/5000100   before 2024-01-01 00:00:00+00\n3\tbad\tx\n";
        assert_eq!(
            parse_history(content),
            [
                entry(1, 0x400_0060),
                TimelineHistory {
                    timeline_id: TimelineId(2),
                    switch_point: Lsn(0x1_0500_0100),
                    reason: "before 2024-01-01 00:00:00+00".to_owned(),
                },
            ]
        );
    }

    #[test]
    fn the_end_is_published() {
        assert_eq!(
            published(vec![entry(1, 1), entry(2, 2), entry(3, 3)]),
            [entry(2, 2), entry(3, 3)]
        );
        assert_eq!(published(vec![entry(1, 1)]), [entry(1, 1)]);
    }
}
