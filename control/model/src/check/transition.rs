//! What must hold of a step from one cluster data to the next.

use super::Violation;
use crate::cluster::{ClusterData, Db, DbSpec, Phase, Proxy, Role};
use crate::generation::Generation;
use crate::uid::DbUid;
use std::collections::BTreeSet;

/// Every rule that the step from `old` to `new` breaks.
pub fn check_transition(old: &ClusterData, new: &ClusterData) -> Vec<Violation> {
    let mut violations = Vec::new();
    if old.cluster.as_ref().map(|c| &c.uid) != new.cluster.as_ref().map(|c| &c.uid) {
        let text = "the cluster uid changed".to_owned();
        violations.push(Violation::new("cluster-uid", text));
    }
    check_proxy(old, new, &mut violations);
    for (uid, db) in &new.dbs {
        match old.dbs.get(uid) {
            Some(before) => check_db(uid, before, db, &mut violations),
            None => check_new_db(uid, db, &mut violations),
        }
    }
    check_master(old, new, &mut violations);
    violations
}

/// The target of the proxies never goes from one db to another, and each change counts one generation.
fn check_proxy(old: &ClusterData, new: &ClusterData, violations: &mut Vec<Violation>) {
    let mut add = |text: String| violations.push(Violation::new("proxy-step", text));
    let (before, after) =
        (old.proxy.clone().unwrap_or_default(), new.proxy.clone().unwrap_or_default());
    let (from, to) = (&before.spec.master_db_uid, &after.spec.master_db_uid);
    if !from.is_empty() && !to.is_empty() && from != to {
        add(format!("proxies go from \"{from}\" to \"{to}\" directly"));
    }
    let enabled =
        |proxy: &Proxy| -> BTreeSet<_> { proxy.spec.enabled_proxies.iter().cloned().collect() };
    let target_changed = from != to;
    let enabled_changed = enabled(&before) != enabled(&after);
    if target_changed && enabled_changed {
        add("the target and the enabled proxies change at once".to_owned());
    }
    let expected = if target_changed || enabled_changed {
        before.generation.next()
    } else {
        before.generation
    };
    if after.generation != expected {
        add(format!("generation {} should be {expected}", after.generation));
    }
}

/// A db stays on its keeper, never goes from master to standby, and counts one generation for a changed spec.
fn check_db(uid: &DbUid, old: &Db, new: &Db, violations: &mut Vec<Violation>) {
    let mut add = |rule, text: String| violations.push(Violation::new(rule, text));
    let (Some(before), Some(after)) = (&old.spec, &new.spec) else { return };
    if before.keeper_uid != after.keeper_uid {
        let (from, to) = (&before.keeper_uid, &after.keeper_uid);
        add("db-keeper", format!("db \"{uid}\" moves from keeper \"{from}\" to \"{to}\""));
    }
    if before.role == Some(Role::Master) && after.role != Some(Role::Master) {
        add("no-demotion", format!("db \"{uid}\" goes from master to standby"));
    }
    let expected = if before == after { old.generation } else { old.generation.next() };
    if new.generation != expected {
        let text = format!("db \"{uid}\" has generation {}, should be {expected}", new.generation);
        add("db-generation", text);
    }
}

/// A new db starts at the first generation, knows nothing and has to be filled.
fn check_new_db(uid: &DbUid, db: &Db, violations: &mut Vec<Violation>) {
    let is_filled = db
        .spec
        .as_ref()
        .and_then(|spec| spec.init_mode)
        .is_some_and(|mode| mode != crate::cluster::DbInitMode::None);
    if db.generation != Generation::INITIAL
        || db.status.current_generation != Generation::NONE
        || !is_filled
    {
        let text = format!("new db \"{uid}\" is not at its beginning");
        violations.push(Violation::new("new-db", text));
    }
}

/// A running cluster keeps a master; a new one is elected among those that may, with the proxies' target taken away;
/// a former master goes only when the new one works.
fn check_master(old: &ClusterData, new: &ClusterData, violations: &mut Vec<Violation>) {
    let mut add = |text: String| violations.push(Violation::new("master-step", text));
    let (Some(before), Some(after)) = (&old.cluster, &new.cluster) else { return };
    if before.status.phase != Some(Phase::Normal) {
        return;
    }
    if after.status.phase != Some(Phase::Normal) {
        add("the cluster goes back to initializing".to_owned());
    }
    let (from, to) = (&before.status.master, &after.status.master);
    if from != to {
        if let Some(failed) = old.dbs.get(from)
            && failed.spec.as_ref().is_some_and(|spec| spec.synchronous_replication)
            && !usable(failed).contains(to)
        {
            add(format!("\"{to}\" is elected and may miss commits of \"{from}\""));
        }
        if !old.dbs.contains_key(to) {
            add(format!("\"{to}\" is elected and is new"));
        }
        if new.proxy.as_ref().is_some_and(|proxy| !proxy.spec.master_db_uid.is_empty()) {
            add(format!("\"{to}\" is elected and proxies have a target"));
        }
    }
    let works = new.dbs.get(to).is_some_and(|db| {
        let confirmed =
            old.dbs.get(to).is_some_and(|before| db.status.current_generation == before.generation);
        from == to && db.status.healthy && confirmed
    });
    for (uid, db) in &old.dbs {
        if is_master(db.spec.as_ref()) && !new.dbs.contains_key(uid) && !works {
            add(format!("former master \"{uid}\" goes before \"{to}\" works"));
        }
    }
}

fn is_master(spec: Option<&DbSpec>) -> bool {
    spec.is_some_and(|spec| spec.role == Some(Role::Master))
}

/// The dbs that have every commit acknowledged by `master`: required and known to be in sync.
fn usable(master: &Db) -> BTreeSet<&DbUid> {
    let required = master.spec.as_ref().and_then(|spec| spec.synchronous_standbys.as_deref());
    let known = master.status.synchronous_standbys.as_deref().unwrap_or_default();
    known.iter().filter(|uid| required.unwrap_or_default().contains(uid)).collect()
}
