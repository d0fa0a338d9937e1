//! Proxies: which of them may hold connections, and where they should forward to (reference, chapters 8.4 and 8.9).

use super::draft::{DbKind, DraftDb};
use super::observer::ProxyHeard;
use super::pass::Pass;
use super::reason::Reason;
use crate::generation::Generation;
use crate::info::ProxyInfo;
use crate::time::Mono;
use crate::uid::DbUid;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long clients wait for a new master that has not confirmed its promotion. One that takes longer gets its clients all the
/// same, as the reference has it: a keeper of the reference confirms much later than it promotes.
const PROMOTION: Duration = Duration::from_secs(2);

/// A generation that no proxy object has: the record of an enabled proxy is not there or cannot be read.
const UNKNOWN: Generation = Generation(-1);

/// Finds the active proxies: those that may hold connections.
///
/// An enabled proxy may forward for its time-out after its last check, whatever became of its record: an operator can revoke
/// its lease while it is cut off from the store. The reference forgets it with its record. Only a proxy that said that it has
/// closed for good is not waited for.
pub(super) fn observe(pass: &mut Pass<'_>) {
    let now = pass.timers.now.mono;
    let enabled: BTreeSet<_> = pass.draft.proxy.spec.enabled_proxies.iter().cloned().collect();
    let known = &mut pass.observer.proxies;
    for (uid, info) in pass.snapshot.proxy_infos.iter().filter(|(uid, _)| !uid.is_empty()) {
        let heard = known.get(uid);
        if heard.is_none_or(|heard| heard.info.info_uid != info.info_uid) {
            known.insert(uid.clone(), heard_now(info.clone(), now));
        }
    }
    for uid in &enabled {
        let info = ProxyInfo { uid: uid.clone(), generation: UNKNOWN, ..Default::default() };
        known.entry(uid.clone()).or_insert(heard_now(info, now));
    }
    for (uid, heard) in known.iter_mut() {
        let is_there = pass.snapshot.proxy_infos.contains_key(uid)
            || pass.snapshot.unreadable_proxies.contains(uid);
        if is_there {
            heard.present = now;
            heard.missing_since = None;
        } else {
            heard.missing_since.get_or_insert(now);
        }
    }
    known.retain(|uid, heard| heard.missing_since.is_none() || enabled.contains(uid));
    pass.active_proxies = pass
        .observer
        .proxies
        .iter()
        .filter(|(_, heard)| is_active(pass, heard))
        .map(|(uid, heard)| (uid.clone(), heard.info.clone()))
        .collect();
}

fn heard_now(info: ProxyInfo, now: Mono) -> ProxyHeard {
    ProxyHeard { info, at: now, present: now, missing_since: None }
}

/// Whether a proxy may hold connections. Once its info has not changed for twice the time-out that it publishes, it has closed
/// them by itself. A record that vanished may have been newer than the last one that was seen, but not newer than the moment
/// since when it is missing, and its proxy forwards no longer than its time-out after it wrote it.
fn is_active(pass: &Pass<'_>, heard: &ProxyHeard) -> bool {
    if heard.info.is_closed {
        return false;
    }
    let timeout = u64::try_from(heard.info.proxy_timeout_nanos)
        .ok()
        .filter(|nanos| *nanos > 0)
        .map_or(pass.spec.proxy_timeout, Duration::from_nanos);
    match heard.missing_since {
        Some(since) => {
            let was_silent = heard.present.since(heard.at) > timeout;
            !was_silent && !pass.timers.passed(since, timeout)
        }
        None => !pass.timers.passed(heard.at, timeout.saturating_mul(2)),
    }
}

/// Gives the proxies their target once all of them confirmed that they have none and it is promoted, and enables new proxies;
/// never both in one pass.
pub(super) fn direct(pass: &mut Pass<'_>, master: &DbUid) {
    if pass.draft.proxy.spec.master_db_uid.is_empty() {
        let proxy = &pass.draft.proxy;
        let late: Vec<_> = pass
            .active_proxies
            .iter()
            .filter(|(_, info)| info.generation != proxy.generation)
            .map(|(uid, _)| uid.as_str().to_owned())
            .collect();
        let is_takeable = is_takeable(pass, master);
        if !late.is_empty() {
            let message = "waiting for proxies to be converged to the current generation";
            let reason = Reason::info("waiting_for_proxies", message).with("proxies", late);
            pass.reasons.add(reason);
        } else if is_takeable {
            let proxy = &mut pass.draft.proxy;
            proxy.spec.master_db_uid = master.clone();
            proxy.generation = proxy.generation.next();
            pass.observer.closed_since = None;
        } else {
            let message = "waiting for the new master to be promoted before clients are let in";
            pass.reasons.add(Reason::info("waiting_for_promotion", message).db(master));
        }
        return;
    }
    let proxy = &mut pass.draft.proxy;
    // Compared as sets: the reference tells an absent list from an empty one and counts a generation in each pass
    // while there are no proxies.
    let enabled: BTreeSet<_> = proxy.spec.enabled_proxies.iter().collect();
    let active: BTreeSet<_> = pass.active_proxies.keys().collect();
    if enabled != active {
        proxy.spec.enabled_proxies = active.into_iter().cloned().collect();
        proxy.generation = proxy.generation.next();
    }
}

/// Whether clients can be sent to the master. One that takes the place of another has to say that it is promoted, or to have
/// had its time for that and to be heard of since; before that it takes no writes, and clients would only be told so.
fn is_takeable(pass: &mut Pass<'_>, uid: &DbUid) -> bool {
    let is_former = |(other, db): (&DbUid, &DraftDb)| other != uid && db.kind() == DbKind::Master;
    if !pass.draft.dbs.iter().any(is_former) {
        return true;
    }
    let since = *pass.observer.closed_since.get_or_insert(pass.timers.now.mono);
    let Some(db) = pass.draft.dbs.get(uid) else { return false };
    let is_promoted = db.is_converged() && db.is_reported_healthy;
    let heard = pass.observer.keepers.get(&db.spec.keeper_uid);
    let is_heard = heard.is_some_and(|heard| heard.seen && heard.at > since);
    is_promoted || (pass.timers.passed(since, PROMOTION) && is_heard)
}
