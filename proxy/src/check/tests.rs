//! Each row of the reference's chapter 7.2.

use super::*;
use crate::fence::Fence;
use crate::target::Epoch;
use stolon_model::cluster::{Cluster, DbStatus, FORMAT_VERSION, Proxy, ProxySpec};
use stolon_model::spec::ClusterSpec;
use stolon_model::time::GoDuration;

const SPEC_PACE: Pace =
    Pace { check_interval: Duration::from_secs(2), timeout: Duration::from_secs(7) };

fn data(edit: impl FnOnce(&mut ClusterData)) -> ClusterData {
    let db = DbUid::new("db1");
    let status = DbStatus {
        listen_address: "10.0.0.1".to_owned(),
        port: "5432".to_owned(),
        ..DbStatus::default()
    };
    let mut data = ClusterData {
        format_version: FORMAT_VERSION,
        cluster: Some(Cluster {
            spec: Some(ClusterSpec {
                init_mode: Some("new".to_owned()),
                proxy_check_interval: Some(GoDuration::from_secs(2)),
                proxy_timeout: Some(GoDuration::from_secs(7)),
                ..ClusterSpec::default()
            }),
            ..Cluster::default()
        }),
        proxy: Some(Proxy {
            generation: Generation(4),
            spec: ProxySpec { master_db_uid: db.clone(), enabled_proxies: vec![me()] },
            ..Proxy::default()
        }),
        ..ClusterData::default()
    };
    data.dbs.insert(db.clone(), Db { uid: db, status, ..Db::default() });
    edit(&mut data);
    data
}

fn me() -> ProxyUid {
    ProxyUid::new("me")
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 5432))
}

fn target(db: &str, last: u8) -> Target {
    Target {
        epoch: Epoch(1),
        generation: Generation(3),
        db: DbUid::new(db),
        address: address(last),
        fence: Fence::until(Duration::from_secs(1)),
    }
}

/// The plan for `data` with the address 10.0.0.1.
fn planned(data: Option<&ClusterData>, current: Option<&Target>) -> Plan {
    plan(wish(data, &me()), Ok(address(1)), current)
}

fn publish(generation: i64, on_failure: OnFailure) -> Step {
    Step::Publish(Generation(generation), SPEC_PACE, on_failure)
}

#[test]
fn without_cluster_data_there_is_no_destination_and_no_word() {
    let plan = planned(None, Some(&target("db1", 1)));
    assert_eq!(plan.steps, [Step::Drop(Absence::NoClusterData)]);
    assert_eq!(plan.fails, None);
}

#[test]
fn another_format_version_drops_and_fails() {
    let other = data(|data| data.format_version = 2);
    let plan = planned(Some(&other), None);
    let why = "unsupported cluster data format version 2".to_owned();
    assert_eq!(plan.steps, [Step::Drop(Absence::Unusable(why.clone()))]);
    assert_eq!(plan.fails, Some(why));
}

#[test]
fn an_invalid_spec_drops_and_fails() {
    let invalid = data(|data| {
        if let Some(spec) = data.cluster.as_mut().and_then(|cluster| cluster.spec.as_mut()) {
            spec.proxy_timeout = Some(GoDuration { nanos: -1 });
        }
    });
    let plan = planned(Some(&invalid), Some(&target("db1", 1)));
    assert!(matches!(plan.steps[..], [Step::Drop(Absence::Unusable(_))]), "{plan:?}");
    assert!(plan.fails.is_some());
}

#[test]
fn without_a_proxy_object_it_drops_and_then_publishes_generation_0() {
    let none = data(|data| data.proxy = None);
    let plan = planned(Some(&none), Some(&target("db1", 1)));
    assert_eq!(plan.steps, [Step::Drop(Absence::NoProxy), publish(0, OnFailure::Log)]);
    assert_eq!(plan.fails, None);
}

#[test]
fn without_a_master_it_drops_and_then_publishes() {
    let none = data(|data| {
        if let Some(proxy) = &mut data.proxy {
            proxy.spec.master_db_uid = DbUid::default();
        }
    });
    let plan = planned(Some(&none), Some(&target("db1", 1)));
    assert_eq!(
        plan.steps,
        [Step::Drop(Absence::NoDb(DbUid::default())), publish(4, OnFailure::Log)]
    );
}

#[test]
fn a_master_without_its_db_is_no_master() {
    let none = data(|data| data.dbs.clear());
    let plan = planned(Some(&none), None);
    assert_eq!(
        plan.steps,
        [Step::Drop(Absence::NoDb(DbUid::new("db1"))), publish(4, OnFailure::Log)]
    );
}

#[test]
fn an_address_that_does_not_resolve_drops_without_a_word_and_is_good() {
    let good = data(|_| {});
    let plan = plan(wish(Some(&good), &me()), Err("no such host".to_owned()), None);
    assert_eq!(plan.steps, [Step::Drop(Absence::Unresolved("no such host".to_owned()))]);
    assert_eq!(plan.fails, None);
}

#[test]
fn it_publishes_before_it_opens() {
    let plan = planned(Some(&data(|_| {})), None);
    let forward = Step::Forward(Generation(4), DbUid::new("db1"), address(1));
    assert_eq!(plan.steps, [publish(4, OnFailure::Fail), forward]);
}

#[test]
fn the_same_destination_is_not_dropped() {
    let plan = planned(Some(&data(|_| {})), Some(&target("db1", 1)));
    let forward = Step::Forward(Generation(4), DbUid::new("db1"), address(1));
    assert_eq!(plan.steps, [publish(4, OnFailure::Fail), forward]);
}

#[test]
fn a_proxy_that_is_not_enabled_closes_before_it_publishes() {
    let others = data(|data| {
        if let Some(proxy) = &mut data.proxy {
            proxy.spec.enabled_proxies = vec![ProxyUid::new("another")];
        }
    });
    let plan = planned(Some(&others), Some(&target("db1", 1)));
    let drop = Step::Drop(Absence::NotEnabled(address(1)));
    assert_eq!(plan.steps, [drop, publish(4, OnFailure::Fail)]);
}

#[test]
fn another_destination_is_dropped_before_the_new_one_is_published() {
    for old in [target("db0", 1), target("db1", 2)] {
        let plan = planned(Some(&data(|_| {})), Some(&old));
        assert!(
            matches!(
                plan.steps[..],
                [Step::Drop(Absence::Moved(_)), Step::Publish(..), Step::Forward(..)]
            ),
            "{plan:?}"
        );
    }
}

#[test]
fn connections_wait_only_for_what_passes() {
    let passing = [
        Absence::NoDb(DbUid::default()),
        Absence::Unresolved(String::new()),
        Absence::Moved(address(1)),
        Absence::NotEnabled(address(1)),
    ];
    assert!(passing.iter().all(Absence::is_passing));
    let lasting = [Absence::NoClusterData, Absence::Unusable(String::new()), Absence::NoProxy];
    assert!(!lasting.iter().any(Absence::is_passing));
}
