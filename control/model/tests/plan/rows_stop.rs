//! Rows of the table where no db is to run.

use crate::fixture::{data, keeper, names, plan_anew, reading, stopped, texts};
use stolon_model::cluster::ClusterData;
use stolon_model::plan::{Desired, Local, Next, Reason, Server};
use stolon_model::uid::{BootUuid, ClusterUid, DbUid, KeeperUid};

fn running() -> Local {
    Local { server: Server::Answering(reading()), ..stopped("d1", true) }
}

fn read(change: impl FnOnce(&mut ClusterData)) -> Desired {
    let mut data = data();
    change(&mut data);
    Desired::read(Some(&data), &keeper("keeper1"))
}

fn waits(desired: &Desired, local: &Local) -> Reason {
    match plan_anew(desired, local).next {
        Next::Wait(reason) => reason,
        other => panic!("does not wait: {other:?}"),
    }
}

#[test]
fn without_cluster_data_nothing_is_touched() {
    let desired = Desired::read(None, &keeper("keeper1"));
    assert_eq!(waits(&desired, &running()), Reason::NoClusterData);
    assert_eq!(
        texts(&plan_anew(&desired, &running())),
        ["no cluster data available, waiting for it to appear"]
    );
}

#[test]
fn with_unusable_cluster_data_nothing_is_touched() {
    let wrong_version = read(|data| data.format_version = 2);
    let no_cluster = read(|data| data.cluster = None);
    let bad_spec = read(|data| {
        data.cluster.as_mut().unwrap().spec.as_mut().unwrap().init_mode = Some("odd".to_owned());
    });
    let two_dbs = read(|data| {
        let twin = data.dbs[&DbUid::from("d1")].clone();
        data.dbs.insert(DbUid::from("d2"), twin);
    });
    for desired in [wrong_version, no_cluster, bad_spec, two_dbs] {
        assert!(matches!(desired, Desired::Unusable { .. }), "{desired:?}");
        assert_eq!(waits(&desired, &running()), Reason::UnusableClusterData);
    }
}

#[test]
fn another_cluster_is_remembered_first() {
    let mut local = running();
    local.keeper_state.cluster_uid = ClusterUid::from("old");
    for desired in [
        read(|_| {}),
        read(|data| drop(data.keepers.remove(&KeeperUid::from("keeper1")))),
        read(|data| drop(data.dbs.remove(&DbUid::from("d1")))),
    ] {
        assert_eq!(names(&plan_anew(&desired, &local)), ["SaveKeeperState"]);
    }
}

#[test]
fn an_unknown_keeper_touches_nothing() {
    let desired = read(|data| drop(data.keepers.remove(&KeeperUid::from("keeper1"))));
    assert_eq!(waits(&desired, &running()), Reason::KeeperUnknown);
}

#[test]
fn without_a_db_postgres_is_stopped() {
    let desired = read(|data| drop(data.dbs.remove(&DbUid::from("d1"))));
    assert_eq!(names(&plan_anew(&desired, &running())), ["Stop"]);
    assert_eq!(texts(&plan_anew(&desired, &running())), ["no db assigned"]);
    assert_eq!(waits(&desired, &stopped("d1", true)), Reason::NoDb);
}

#[test]
fn a_run_that_the_sentinel_has_not_seen_is_stopped() {
    let desired = read(|data| {
        let keeper = data.keepers.get_mut(&KeeperUid::from("keeper1")).unwrap();
        keeper.status.boot_uuid = BootUuid::from("earlier");
    });
    assert_eq!(names(&plan_anew(&desired, &running())), ["Stop"]);
    assert_eq!(waits(&desired, &stopped("d1", true)), Reason::BootUuidMismatch);
}
