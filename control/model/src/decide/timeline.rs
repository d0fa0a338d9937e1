//! Whether two instances are on one branch of history (reference, chapter 8.5, "Different timeline branch").

use super::reason::Reason;
use crate::cluster::DbStatus;
use crate::lsn::{Lsn, TimelineId};

/// How an instance left the history of the one that it should follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fork {
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

/// The fork between `followed` and `own`, if there is one. What is not known is taken for the same: only the last
/// lines of a history are published.
pub(super) fn fork(followed: &DbStatus, own: &DbStatus) -> Option<Fork> {
    if followed.timeline_id < own.timeline_id {
        return Some(Fork::Later);
    }
    if followed.timeline_id == own.timeline_id {
        // The first timeline has no history.
        let previous = TimelineId(own.timeline_id.0.checked_sub(1).filter(|id| *id > 0)?);
        let (theirs, ours) = (switch_point(followed, previous)?, switch_point(own, previous)?);
        return (theirs != ours).then_some(Fork::OtherOrigin { followed: theirs, own: ours });
    }
    let theirs = switch_point(followed, own.timeline_id)?;
    (theirs < own.xlog_pos).then_some(Fork::Behind { followed: theirs })
}

fn switch_point(status: &DbStatus, timeline: TimelineId) -> Option<Lsn> {
    let mut history = status.timelines_history.iter();
    history.find(|entry| entry.timeline_id == timeline).map(|entry| entry.switch_point)
}

impl Fork {
    /// The sentence about it.
    pub(super) fn reason(self, followed: &DbStatus, own: &DbStatus) -> Reason {
        let (message, followed_xlog_pos, xlog_pos) = match self {
            Self::Later => {
                let message = "followed instance timeline < than our timeline";
                return Reason::info("timeline_later", message)
                    .with("followedTimeline", followed.timeline_id.0)
                    .with("timeline", own.timeline_id.0);
            }
            Self::OtherOrigin { followed, own } => (
                "followed instance timeline forked at a different xlog pos than our timeline",
                followed,
                own,
            ),
            Self::Behind { followed } => (
                "followed instance timeline forked before our current state",
                followed,
                own.xlog_pos,
            ),
        };
        Reason::info("timeline_forked", message)
            .with("followedTimeline", followed.timeline_id.0)
            .with("followedXlogpos", followed_xlog_pos.0)
            .with("timeline", own.timeline_id.0)
            .with("xlogpos", xlog_pos.0)
    }
}
