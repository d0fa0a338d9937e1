//! What the keepers' infos say of their dbs, and who is healthy (reference, chapter 8.3, steps 7 to 9).
//!
//! Who was found unhealthy becomes healthy again only when it is heard of. The reference forgets its timers when the
//! leader changes and calls a dead keeper healthy for another failInterval; here a new leader keeps to what it read.

use super::draft::DraftDb;
use super::observer::Position;
use super::pass::Pass;
use super::reason::Reason;
use super::reports::{self, Hearing};
use crate::info::{KeeperInfo, PostgresState};
use crate::uid::{DbUid, KeeperUid};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) type Hearings = BTreeMap<KeeperUid, Hearing>;

/// Decides which keepers are healthy, and consumes forceFail.
pub(super) fn judge_keepers(pass: &mut Pass<'_>, hearings: &Hearings) {
    let now = pass.timers.now.wall;
    for (uid, keeper) in &mut pass.draft.keepers {
        let in_time = match pass.observer.keeper_errors.get(uid) {
            Some(since) => !pass.timers.passed(*since, pass.spec.fail_interval),
            None => true,
        };
        let is_heard = matches!(hearings.get(uid), Some(Hearing::Fresh(_)));
        let status = &mut keeper.status;
        let is_forced = std::mem::take(&mut status.force_fail);
        if is_forced {
            pass.reasons.add(
                Reason::info("keeper_forced_to_fail", "keeper is marked as failed on request")
                    .keeper(uid),
            );
        }
        let healthy = in_time && (status.healthy || is_heard) && !is_forced;
        if healthy || status.last_healthy_time.is_zero() {
            status.last_healthy_time = now;
        }
        status.healthy = healthy;
    }
}

/// Copies what keepers report of their dbs.
pub(super) fn take_in_dbs(pass: &mut Pass<'_>, hearings: &Hearings) {
    let now = pass.timers.now.mono;
    let uids: Vec<_> = pass.draft.dbs.keys().cloned().collect();
    for uid in &uids {
        let Some(db) = pass.draft.dbs.get(uid) else { continue };
        let keeper = db.spec.keeper_uid.clone();
        let reason = match hearings.get(&keeper) {
            Some(Hearing::Waiting) => continue,
            Some(Hearing::Silent(since)) => {
                pass.observer.db_errors.entry(uid.clone()).or_insert(*since);
                Reason::warn("no_keeper_info", "no keeper info available")
            }
            None => Reason::warn("no_keeper_info", "no keeper info available"),
            Some(Hearing::Fresh(info)) => match &info.postgres_state {
                None => Reason::warn("no_db_state", "no db state available"),
                Some(state) if state.uid != *uid => {
                    Reason::warn("unexpected_db_state", "received db state for unexpected db uid")
                        .with("receivedDB", state.uid.as_str())
                }
                Some(state) => {
                    take_in_db(pass, uid, info, state);
                    continue;
                }
            },
        };
        pass.reasons.add(reason.db(uid).keeper(&keeper));
        pass.observer.db_errors.entry(uid.clone()).or_insert(now);
    }
}

fn take_in_db(pass: &mut Pass<'_>, uid: &DbUid, info: &KeeperInfo, state: &PostgresState) {
    follow_position(pass, uid, info, state);
    let now = pass.timers.now.mono;
    let Some(db) = pass.draft.dbs.get_mut(uid) else { return };
    let status = &mut db.status;
    status.listen_address = state.listen_address.clone();
    status.port = state.port.clone();
    status.current_generation = state.generation;
    if !state.healthy {
        pass.observer.db_errors.entry(uid.clone()).or_insert(now);
        // A master that fails may still acknowledge commits, and a standby that lacks them is not near it.
        let is_known =
            state.system_id == status.system_id && state.timeline_id == status.timeline_id;
        if is_known && state.xlog_pos > status.xlog_pos {
            status.xlog_pos = state.xlog_pos;
        }
        return;
    }
    pass.observer.db_errors.remove(uid);
    status.system_id = state.system_id.clone();
    status.timeline_id = state.timeline_id;
    status.xlog_pos = state.xlog_pos;
    status.timelines_history = state.timelines_history.clone();
    status.pg_parameters = state.pg_parameters.clone();
    status.older_wal_file = state.older_wal_file.clone();
    db.reported_in_sync = state.synchronous_standbys.iter().flatten().cloned().collect();
    db.is_reported_healthy = true;
}

/// Measures how long the WAL position stands still. The reference counts the passes that find it unmoved, one per
/// report; here it is the time from the first to the last report of it, so that passes in quick succession and reports
/// between the regular ones change nothing. A silence does not count, nor does it undo what was counted before.
fn follow_position(pass: &mut Pass<'_>, uid: &DbUid, info: &KeeperInfo, state: &PostgresState) {
    let now = pass.timers.now.mono;
    let window = reports::window(pass);
    let Some(db) = pass.draft.dbs.get(uid) else { return };
    let known = pass.observer.positions.get(uid);
    if known.is_some_and(|known| known.info_uid == info.info_uid) {
        return;
    }
    let stored = known.map_or(db.status.xlog_pos, |known| known.lsn);
    let still = match known {
        Some(known) if stored == state.xlog_pos => {
            let gap = now.since(known.reported);
            known.still.saturating_add(if gap <= window { gap } else { Duration::ZERO })
        }
        _ => Duration::ZERO,
    };
    let lsn = if state.healthy { state.xlog_pos } else { stored };
    let position = Position { lsn, still, reported: now, info_uid: info.info_uid.clone() };
    pass.observer.positions.insert(uid.clone(), position);
}

/// Decides which dbs are healthy.
pub(super) fn judge_dbs(pass: &mut Pass<'_>, hearings: &Hearings) {
    for (uid, db) in &mut pass.draft.dbs {
        let in_time = match pass.observer.db_errors.get(uid) {
            Some(since) => !pass.timers.passed(*since, pass.spec.fail_interval),
            None => true,
        };
        let keeper_is_healthy =
            pass.draft.keepers.get(&db.spec.keeper_uid).is_some_and(|keeper| keeper.status.healthy);
        let was_healthy = db.status.healthy || is_new(db);
        let is_heard = matches!(hearings.get(&db.spec.keeper_uid), Some(Hearing::Fresh(_)))
            && db.is_reported_healthy;
        db.status.healthy = in_time && keeper_is_healthy && (was_healthy || is_heard);
    }
}

/// Whether nothing of the db was ever reported as applied. Such a db is no candidate for anything, and the reference
/// calls it healthy until failInterval has passed.
fn is_new(db: &DraftDb) -> bool {
    db.status.current_generation == crate::generation::Generation::NONE
}
