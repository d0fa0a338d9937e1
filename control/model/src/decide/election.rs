//! A new master was elected: the first of two steps (reference, chapter 8.8).
//!
//! The proxies lose their target here and get the new one in a later pass, when every one of them has said that it
//! closed its connections ([`super::proxies`]). The old master is not touched but for its followers: its db goes when
//! the new master does its work ([`super::removal`]).

use super::initial::follow_external;
use super::pass::Pass;
use crate::cluster::{FAKE_STANDBY_NAME, Role};
use crate::spec::ClusterRole;
use crate::uid::DbUid;

/// Makes `new` the designated master in place of `old`, and no target for proxies.
pub(super) fn hand_over(pass: &mut Pass<'_>, old: &DbUid, new: &DbUid) {
    let (role, follow) = match pass.spec.role {
        ClusterRole::Master => (Role::Master, None),
        ClusterRole::Standby => (Role::Standby, Some(follow_external(pass))),
    };
    let is_synchronous = pass.judge().is_synchronous();
    let minimum = pass.spec.min_synchronous_standbys;
    let mut required = Vec::new();
    if let Some(master) = pass.db_mut(old) {
        master.spec.followers = Some(Vec::new());
        required = master.spec.synchronous_standbys.clone().unwrap_or_default();
    }
    pass.draft.cluster.status.master = new.clone();
    if let Some(master) = pass.db_mut(new) {
        master.spec.role = Some(role);
        master.spec.follow_config = follow;
        master.spec.synchronous_replication = is_synchronous;
        if is_synchronous {
            let has_none = required.is_empty();
            // The old master takes the place of the new one. None of them is known to be in sync with the new one.
            for uid in required.iter_mut().filter(|uid| *uid == new) {
                *uid = old.clone();
            }
            required.sort();
            let fake = (has_none && minimum > 0).then(|| FAKE_STANDBY_NAME.to_owned());
            master.spec.synchronous_standbys = Some(required);
            master.spec.external_synchronous_standbys = Some(fake.into_iter().collect());
        } else {
            master.spec.synchronous_standbys = None;
            master.spec.external_synchronous_standbys = None;
        }
    }
    pass.observer.closed_since = Some(pass.timers.now.mono);
    let proxy = &mut pass.draft.proxy;
    if !proxy.spec.master_db_uid.is_empty() {
        proxy.spec.master_db_uid = DbUid::default();
        proxy.generation = proxy.generation.next();
    }
}
