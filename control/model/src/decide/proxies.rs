//! Proxies: which of them may hold connections, and where they should forward to (reference, chapters 8.4 and 8.9).

use super::observer::ProxyHeard;
use super::pass::Pass;
use super::reason::Reason;
use crate::generation::Generation;
use crate::info::ProxyInfo;
use crate::uid::{DbUid, ProxyUid};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long an enabled proxy whose record is gone still counts. A proxy that loses its lease publishes again within
/// this time; taking it out at once would close the connections it holds, and let a switch of the master pass it by.
const ABSENCE: Duration = Duration::from_secs(2);

/// A generation that no proxy object has: the record of an enabled proxy cannot be read.
const UNREADABLE: Generation = Generation(-1);

/// Finds the active proxies: those whose info changed within twice the time-out that they publish. After one such time
/// a proxy has closed its connections by itself.
pub(super) fn observe(pass: &mut Pass<'_>) {
    let now = pass.timers.now.mono;
    let enabled: BTreeSet<_> = pass.draft.proxy.spec.enabled_proxies.iter().cloned().collect();
    let known = &mut pass.observer.proxies;
    let is_there = |uid: &ProxyUid| {
        pass.snapshot.proxy_infos.contains_key(uid)
            || pass.snapshot.unreadable_proxies.contains(uid)
    };
    for (uid, info) in pass.snapshot.proxy_infos.iter().filter(|(uid, _)| !uid.is_empty()) {
        let heard = known.get(uid);
        if heard.is_none_or(|heard| heard.info.info_uid != info.info_uid) {
            let heard = ProxyHeard { info: info.clone(), at: now, missing_since: None };
            known.insert(uid.clone(), heard);
        }
    }
    for uid in pass.snapshot.unreadable_proxies.intersection(&enabled) {
        let info = ProxyInfo { uid: uid.clone(), generation: UNREADABLE, ..Default::default() };
        let heard = ProxyHeard { info, at: now, missing_since: None };
        known.entry(uid.clone()).or_insert(heard);
    }
    known.retain(|uid, heard| {
        if is_there(uid) {
            heard.missing_since = None;
            return true;
        }
        let missing_since = *heard.missing_since.get_or_insert(now);
        enabled.contains(uid) && !pass.timers.passed(missing_since, ABSENCE)
    });
    let mut active = std::collections::BTreeMap::new();
    for (uid, heard) in known.iter() {
        let timeout = u64::try_from(heard.info.proxy_timeout_nanos)
            .ok()
            .filter(|nanos| *nanos > 0)
            .map_or(pass.spec.proxy_timeout, Duration::from_nanos);
        if !pass.timers.passed(heard.at, timeout.saturating_mul(2)) {
            active.insert(uid.clone(), heard.info.clone());
        }
    }
    pass.active_proxies = active;
}

/// Gives the proxies their target once all of them confirmed that they have none, and enables new proxies; never both
/// in one pass.
pub(super) fn direct(pass: &mut Pass<'_>, master: &DbUid) {
    let proxy = &mut pass.draft.proxy;
    if proxy.spec.master_db_uid.is_empty() {
        let late: Vec<_> = pass
            .active_proxies
            .iter()
            .filter(|(_, info)| info.generation != proxy.generation)
            .map(|(uid, _)| uid.as_str().to_owned())
            .collect();
        if late.is_empty() {
            proxy.spec.master_db_uid = master.clone();
            proxy.generation = proxy.generation.next();
        } else {
            let message = "waiting for proxies to be converged to the current generation";
            let reason = Reason::info("waiting_for_proxies", message).with("proxies", late);
            pass.reasons.add(reason);
        }
        return;
    }
    // Compared as sets: the reference tells an absent list from an empty one and counts a generation in each pass
    // while there are no proxies.
    let enabled: BTreeSet<_> = proxy.spec.enabled_proxies.iter().collect();
    let active: BTreeSet<_> = pass.active_proxies.keys().collect();
    if enabled != active {
        proxy.spec.enabled_proxies = active.into_iter().cloned().collect();
        proxy.generation = proxy.generation.next();
    }
}
