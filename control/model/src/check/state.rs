//! What must hold of a cluster data at any moment.

use super::Violation;
use crate::cluster::{
    ClusterData, DbSpec, FAKE_STANDBY_NAME, FORMAT_VERSION, FollowKind, Phase, Role,
};
use crate::uid::DbUid;
use std::collections::BTreeMap;

/// Every rule that `data` breaks.
pub fn check(data: &ClusterData) -> Vec<Violation> {
    let mut violations = Vec::new();
    if data.format_version != FORMAT_VERSION {
        let text = format!("format version {} is not {FORMAT_VERSION}", data.format_version);
        violations.push(Violation::new("format-version", text));
    }
    check_keepers(data, &mut violations);
    check_master(data, &mut violations);
    for (uid, db) in &data.dbs {
        if db.uid != *uid {
            let text = format!("db \"{uid}\" calls itself \"{}\"", db.uid);
            violations.push(Violation::new("own-name", text));
        }
        match &db.spec {
            None => {
                violations.push(Violation::new("has-spec", format!("db \"{uid}\" has no spec")));
            }
            Some(spec) => {
                check_follow(data, uid, spec, &mut violations);
                check_sync(data, uid, spec, &mut violations);
            }
        }
    }
    violations
}

/// Each db on a keeper that is there, and no two on one.
fn check_keepers(data: &ClusterData, violations: &mut Vec<Violation>) {
    let mut owners = BTreeMap::new();
    for (uid, db) in &data.dbs {
        let Some(spec) = &db.spec else { continue };
        if !data.keepers.contains_key(&spec.keeper_uid) {
            let text = format!("keeper \"{}\" of db \"{uid}\" is not there", spec.keeper_uid);
            violations.push(Violation::new("keeper-exists", text));
        }
        if let Some(other) = owners.insert(&spec.keeper_uid, uid) {
            let text = format!("keeper \"{}\" has dbs \"{other}\" and \"{uid}\"", spec.keeper_uid);
            violations.push(Violation::new("one-db-per-keeper", text));
        }
    }
    for (uid, keeper) in &data.keepers {
        if keeper.uid != *uid {
            let text = format!("keeper \"{uid}\" calls itself \"{}\"", keeper.uid);
            violations.push(Violation::new("own-name", text));
        }
    }
}

/// A master that is there, is one, and is the only target of the proxies.
fn check_master(data: &ClusterData, violations: &mut Vec<Violation>) {
    let Some(cluster) = &data.cluster else {
        violations.push(Violation::new("has-cluster", "there is no cluster object".to_owned()));
        return;
    };
    let master = &cluster.status.master;
    let is_normal = cluster.status.phase == Some(Phase::Normal);
    if is_normal || !master.is_empty() {
        match data.dbs.get(master) {
            None => {
                let text = format!("master db \"{master}\" is not there");
                violations.push(Violation::new("master-exists", text));
            }
            Some(db)
                if db.spec.as_ref().is_some_and(|spec| !takes_writes_or_is_outermost(spec)) =>
            {
                let text = format!("master db \"{master}\" follows a db of the cluster");
                violations.push(Violation::new("master-role", text));
            }
            Some(_) => {}
        }
    }
    let target = data.proxy.as_ref().map(|proxy| proxy.spec.master_db_uid.clone());
    let target = target.unwrap_or_default();
    if !target.is_empty() && target != *master {
        let text = format!("proxies forward to \"{target}\", the master is \"{master}\"");
        violations.push(Violation::new("proxy-target", text));
    }
    if !target.is_empty() && !is_normal {
        let text = format!("proxies forward to \"{target}\" while the cluster initializes");
        violations.push(Violation::new("proxy-target", text));
    }
}

fn takes_writes_or_is_outermost(spec: &DbSpec) -> bool {
    let kind = spec.follow_config.as_ref().and_then(|follow| follow.kind);
    spec.role == Some(Role::Master) || kind == Some(FollowKind::External)
}

/// Standbys follow somebody who is there, masters nobody; followers are there.
fn check_follow(data: &ClusterData, uid: &DbUid, spec: &DbSpec, violations: &mut Vec<Violation>) {
    let mut add = |rule, text: String| violations.push(Violation::new(rule, text));
    match (spec.role, &spec.follow_config) {
        (Some(Role::Master), None) => {}
        (Some(Role::Master), Some(_)) => {
            add("follow", format!("db \"{uid}\" is a master and follows"));
        }
        (Some(Role::Standby), Some(follow)) => match follow.kind {
            Some(FollowKind::External) => {}
            Some(FollowKind::Internal) => {
                if follow.db_uid == *uid || !data.dbs.contains_key(&follow.db_uid) {
                    let followed = &follow.db_uid;
                    let text = format!("db \"{uid}\" follows \"{followed}\", which it cannot");
                    add("follow", text);
                }
            }
            None => add("follow", format!("db \"{uid}\" follows in no known way")),
        },
        (Some(Role::Standby), None) => {
            add("follow", format!("db \"{uid}\" is a standby and follows nobody"));
        }
        (None | Some(Role::Undefined), _) => {
            add("role", format!("db \"{uid}\" has no role"));
        }
    }
    for follower in spec.followers.iter().flatten() {
        if follower == uid || !data.dbs.contains_key(follower) {
            add(
                "followers",
                format!("db \"{uid}\" has the follower \"{follower}\", which cannot be"),
            );
        }
    }
}

/// Lists of synchronous standbys only on masters, what is known within what is required, and no name from outside.
fn check_sync(data: &ClusterData, uid: &DbUid, spec: &DbSpec, violations: &mut Vec<Violation>) {
    let mut add = |rule, text: String| violations.push(Violation::new(rule, text));
    let required = spec.synchronous_standbys.as_deref().unwrap_or_default();
    let has_lists =
        spec.synchronous_standbys.is_some() || spec.external_synchronous_standbys.is_some();
    if has_lists && !spec.synchronous_replication {
        add("sync-lists", format!("db \"{uid}\" has synchronous standbys and no synchronous mode"));
    }
    if spec.synchronous_replication && !takes_writes_or_is_outermost(spec) {
        add("sync-lists", format!("db \"{uid}\" follows and is in synchronous mode"));
    }
    if required.contains(uid) {
        add("sync-lists", format!("db \"{uid}\" is its own synchronous standby"));
    }
    for name in spec.external_synchronous_standbys.iter().flatten() {
        if name != FAKE_STANDBY_NAME {
            add("sync-lists", format!("db \"{uid}\" waits for \"{name}\" outside of the cluster"));
        }
    }
    let is_master = data.cluster.as_ref().is_some_and(|cluster| cluster.status.master == *uid);
    let known = data.dbs.get(uid).and_then(|db| db.status.synchronous_standbys.as_deref());
    if is_master && spec.synchronous_replication {
        for standby in known.unwrap_or_default() {
            if !required.contains(standby) {
                let text = format!("\"{standby}\" is in sync with \"{uid}\" and not required");
                add("sync-known", text);
            }
        }
    }
}
