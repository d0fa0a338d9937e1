//! What keepers say: which of their infos are fresh, and what follows for the keepers (reference, chapter 8.3).
//!
//! An info is fresh while the time since its infoUID was seen to change is within a window, measured on the sentinel's
//! own clock. The reference looks every sleepInterval and takes an info for fresh when it changed since the last look.
//! Here passes follow each other at once, so the same is said in time. A keeper publishes every sleepInterval, and a
//! little more passes before the next one arrives; the window is therefore longer than sleepInterval, but silence, once
//! it is noticed, counts from the end of sleepInterval. A dead keeper is found at the same moment as with a window of
//! sleepInterval, and a living one does not flap.

use super::observer::Heard;
use super::pass::Pass;
use crate::cluster::{Keeper, KeeperSpec, KeeperStatus};
use crate::generation::Generation;
use crate::info::KeeperInfo;
use crate::time::{GoTime, Mono};
use crate::uid::KeeperUid;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of a keeper in this pass.
#[derive(Clone, Debug)]
pub(super) enum Hearing {
    /// This is what it says.
    Fresh(Box<KeeperInfo>),
    /// It cannot be told yet: the term is too young.
    Waiting,
    /// It says nothing since then.
    Silent(Mono),
}

/// Takes the infos of keepers into the draft and the memory.
pub(super) fn take_in(pass: &mut Pass<'_>) {
    let infos = usable_infos(pass);
    remember(pass, &infos);
    if pass.is_first {
        // An info found now may be of a keeper that died long ago: no status changes, and forceFail waits for the next
        // pass. What the last leader knew holds until then.
        pass.timers.wake_by(pass.timers.now.mono);
        return;
    }
    let mut hearings = BTreeMap::new();
    for uid in pass.draft.keepers.keys().chain(infos.keys()) {
        hearings.entry(uid.clone()).or_insert_with(|| hear(pass, uid, &infos));
    }
    for (uid, hearing) in &hearings {
        update_keeper(pass, uid, hearing);
    }
    super::health::judge_keepers(pass, &hearings);
    super::health::take_in_dbs(pass, &hearings);
    super::health::judge_dbs(pass, &hearings);
}

/// How long an info stays fresh.
pub(super) fn window(pass: &Pass<'_>) -> Duration {
    let spec = &pass.spec;
    spec.sleep_interval.saturating_add(spec.sleep_interval.min(spec.fail_interval))
}

/// The infos of this cluster's keepers. A record that cannot be read counts as the last good one, unchanged.
fn usable_infos(pass: &Pass<'_>) -> BTreeMap<KeeperUid, KeeperInfo> {
    let cluster = &pass.draft.cluster.uid;
    let mut infos: BTreeMap<_, _> = pass
        .snapshot
        .keeper_infos
        .iter()
        .filter(|(uid, info)| info.cluster_uid == *cluster && !uid.is_empty())
        .map(|(uid, info)| (uid.clone(), info.clone()))
        .collect();
    for uid in &pass.snapshot.unreadable_keepers {
        if let Some(heard) = pass.observer.keepers.get(uid) {
            infos.entry(uid.clone()).or_insert_with(|| heard.info.clone());
        }
    }
    infos
}

/// Notes which infos changed, and when.
fn remember(pass: &mut Pass<'_>, infos: &BTreeMap<KeeperUid, KeeperInfo>) {
    let now = pass.timers.now.mono;
    let seen = !pass.is_first;
    pass.observer.keepers.retain(|uid, _| infos.contains_key(uid));
    for (uid, info) in infos {
        let known = pass.observer.keepers.get(uid);
        if known.is_none_or(|heard| heard.info.info_uid != info.info_uid) {
            let heard = Heard { info: info.clone(), seen, at: now };
            pass.observer.keepers.insert(uid.clone(), heard);
        }
    }
}

fn hear(pass: &Pass<'_>, uid: &KeeperUid, infos: &BTreeMap<KeeperUid, KeeperInfo>) -> Hearing {
    let now = pass.timers.now.mono;
    let since = match (infos.get(uid), pass.observer.keepers.get(uid)) {
        (Some(info), Some(heard)) => {
            if !pass.timers.passed(heard.at, window(pass)) {
                let fresh = Hearing::Fresh(Box::new(info.clone()));
                return if heard.seen { fresh } else { Hearing::Waiting };
            }
            heard.at.plus(pass.spec.sleep_interval)
        }
        _ => now,
    };
    // A keeper has a whole sleepInterval to be heard of in a new term, whatever failInterval is.
    let since = since.max(pass.observer.term_began.plus(pass.spec.sleep_interval));
    if since > now {
        pass.timers.wake_by(since);
        return Hearing::Waiting;
    }
    Hearing::Silent(since)
}

fn update_keeper(pass: &mut Pass<'_>, uid: &KeeperUid, hearing: &Hearing) {
    let now = pass.timers.now;
    match hearing {
        Hearing::Waiting => {}
        Hearing::Silent(since) => {
            pass.observer.keeper_errors.entry(uid.clone()).or_insert(*since);
        }
        Hearing::Fresh(info) => {
            pass.observer.keeper_errors.remove(uid);
            let keeper =
                pass.draft.keepers.entry(uid.clone()).or_insert_with(|| new_keeper(uid, now.wall));
            let status = &mut keeper.status;
            status.can_be_master = info.can_be_master;
            status.can_be_synchronous_replica = info.can_be_synchronous_replica;
            status.boot_uuid = info.boot_uuid.clone();
            status.postgres_binary_version = info.postgres_binary_version;
        }
    }
}

fn new_keeper(uid: &KeeperUid, now: GoTime) -> Keeper {
    Keeper {
        uid: uid.clone(),
        generation: Generation::INITIAL,
        change_time: GoTime::default(),
        spec: Some(KeeperSpec {}),
        status: KeeperStatus { healthy: true, last_healthy_time: now, ..KeeperStatus::default() },
    }
}
