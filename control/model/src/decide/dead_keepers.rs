//! Keepers that went and do not come back (reference, chapter 8.7, step 1).

use super::pass::Pass;
use super::reason::Reason;
use std::time::Duration;

/// Forgets keepers that have no db and were last healthy more than deadKeeperRemovalInterval ago, by the wall clock: the
/// time is kept in the cluster data, across sentinels.
pub(super) fn remove(pass: &mut Pass<'_>) {
    let now = pass.timers.now;
    let interval = pass.spec.dead_keeper_removal_interval;
    let mut dead = Vec::new();
    for (uid, keeper) in &pass.draft.keepers {
        if pass.draft.has_db(uid) {
            continue;
        }
        let silence = now.wall.since(keeper.status.last_healthy_time);
        if silence > interval {
            dead.push(uid.clone());
        } else if !keeper.status.healthy {
            let left = interval.saturating_sub(silence).saturating_add(Duration::from_nanos(1));
            pass.timers.wake_by(now.mono.plus(left));
        }
    }
    for uid in dead {
        pass.reasons.add(Reason::info("dead_keeper", "removing old dead keeper").keeper(&uid));
        pass.draft.keepers.remove(&uid);
    }
}
