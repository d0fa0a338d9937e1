//! What the log says of two instances that are not on one branch of history.

use super::reason::Reason;
use crate::cluster::DbStatus;
use crate::postgres::timeline::Fork;

/// The sentence about a fork.
pub(super) fn reason(fork: Fork, followed: &DbStatus, own: &DbStatus) -> Reason {
    let (message, followed_xlog_pos, xlog_pos) = match fork {
        Fork::Later => {
            let message = "followed instance timeline < than our timeline";
            return Reason::info("timeline_later", message)
                .with("followedTimeline", followed.timeline_id.0)
                .with("timeline", own.timeline_id.0);
        }
        Fork::OtherOrigin { followed, own } => (
            "followed instance timeline forked at a different xlog pos than our timeline",
            followed,
            own,
        ),
        Fork::Behind { followed } => {
            ("followed instance timeline forked before our current state", followed, own.xlog_pos)
        }
    };
    Reason::info("timeline_forked", message)
        .with("followedTimeline", followed.timeline_id.0)
        .with("followedXlogpos", followed_xlog_pos.0)
        .with("timeline", own.timeline_id.0)
        .with("xlogpos", xlog_pos.0)
}
