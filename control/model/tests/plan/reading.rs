//! Reading the cluster data: roles, peers, access.

use crate::fixture::{PGDATA, change_db, data, keeper, master, standby};
use std::time::Duration;
use stolon_model::cluster::{FollowKind, Role};
use stolon_model::plan::{Desired, DesiredRole};
use stolon_model::postgres::hba::Peers;
use stolon_model::postgres::version::PgVersion;
use stolon_model::spec::{ExistingConfig, StandbySettings};
use stolon_model::time::GoDuration;
use stolon_model::uid::{ClusterUid, DbUid, KeeperUid};

fn role(desired: &Desired) -> DesiredRole {
    desired.db().unwrap().role.clone()
}

#[test]
fn roles() {
    assert_eq!(role(&master(|_| {})), DesiredRole::Master);
    assert!(
        matches!(role(&standby(|_| {})), DesiredRole::Follower(peer) if peer.uid == DbUid::from("m1"))
    );
    let of_none = standby(|spec| spec.follow_config.as_mut().unwrap().db_uid = DbUid::from("gone"));
    assert_eq!(role(&of_none), DesiredRole::FollowerOfNone(DbUid::from("gone")));
    assert_eq!(role(&standby(|spec| spec.follow_config = None)), DesiredRole::Undefined);
    assert_eq!(role(&standby(|spec| spec.role = None)), DesiredRole::Undefined);
    assert_eq!(role(&master(|spec| spec.role = Some(Role::Undefined))), DesiredRole::Undefined);
}

#[test]
fn an_external_follower_has_the_settings_of_the_spec() {
    let desired = standby(|spec| {
        let follow = spec.follow_config.as_mut().unwrap();
        follow.kind = Some(FollowKind::External);
        follow.standby_settings = Some(StandbySettings {
            primary_conninfo: "host=far password=x".to_owned(),
            primary_slot_name: "mine".to_owned(),
            recovery_min_apply_delay: "1h".to_owned(),
        });
    });
    let recovery = desired.db().unwrap().recovery(Some(PgVersion::new(15, 0))).masked();
    let pairs: Vec<(&str, &str)> = recovery.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        pairs,
        [
            ("primary_conninfo", "host=far password=***"),
            ("primary_slot_name", "mine"),
            ("recovery_min_apply_delay", "1h"),
            ("recovery_target_timeline", "latest"),
        ]
    );
}

#[test]
fn a_follower_connects_to_the_followed_db() {
    let recovery = standby(|_| {}).db().unwrap().recovery(Some(PgVersion::new(15, 0)));
    assert_eq!(
        recovery.parameters["primary_conninfo"].expose(),
        format!(
            "application_name=stolon_d1 host=10.0.0.10 passfile={PGDATA}/stolon.pgpass port=5432 sslmode=prefer user=repluser"
        )
    );
    assert_eq!(recovery.passfile.unwrap().expose(), "10.0.0.10:5432:*:repluser:replpw\n");
    assert_eq!(recovery.parameters["primary_slot_name"].expose(), "stolon_d1");
}

#[test]
fn connections_that_write_do_not_wait_for_standbys() {
    let desired = standby(|_| {});
    let db = desired.db().unwrap();
    let peer = db.followed().unwrap();
    assert_eq!(
        peer.rewind_conninfo(&db.uid, &db.keeper).text().expose(),
        r"application_name=stolon_d1 dbname=postgres host=10.0.0.10 options=-c\ synchronous_commit=off password=supw port=5432 sslmode=prefer user=stolon"
    );
    assert_eq!(
        peer.basebackup_conninfo(&db.uid, &db.keeper).text().expose(),
        r"application_name=stolon_d1 host=10.0.0.10 options=-c\ synchronous_commit=off password=replpw port=5432 sslmode=prefer user=repluser"
    );
}

#[test]
fn strict_access() {
    let mut data = data();
    let spec = data.cluster.as_mut().unwrap().spec.as_mut().unwrap();
    spec.default_su_repl_access_mode = Some("strict".to_owned());
    let peers = |data: &stolon_model::cluster::ClusterData, keeper_uid| {
        Desired::read(Some(data), &keeper(keeper_uid)).db().unwrap().hba.peers.clone()
    };
    assert_eq!(peers(&data, "keeper0"), Peers::Only(vec!["10.0.0.11".to_owned()]));
    assert_eq!(peers(&data, "keeper1"), Peers::Only(Vec::new()));
    change_db(&mut data, "d1", |spec| {
        spec.follow_config.as_mut().unwrap().kind = Some(FollowKind::External);
    });
    assert_eq!(peers(&data, "keeper1"), Peers::Only(vec!["10.0.0.10".to_owned()]));
}

#[test]
fn timeouts_come_from_the_cluster_spec() {
    let mut data = data();
    let desired = Desired::read(Some(&data), &keeper("keeper1"));
    let db = desired.db().unwrap();
    assert_eq!((db.ready_timeout, db.sync_timeout), (Duration::from_secs(60), None));
    let spec = data.cluster.as_mut().unwrap().spec.as_mut().unwrap();
    spec.db_wait_ready_timeout = Some(GoDuration::from_secs(7));
    spec.sync_timeout = Some(GoDuration::from_secs(9));
    let desired = Desired::read(Some(&data), &keeper("keeper1"));
    let db = desired.db().unwrap();
    assert_eq!(db.ready_timeout, Duration::from_secs(7));
    assert_eq!(db.sync_timeout, Some(Duration::from_secs(9)));
}

#[test]
fn data_of_another_cluster_are_joined_only_to_one_made_of_existing_data() {
    let (own, other) = (ClusterUid::from("c1"), ClusterUid::from("c0"));
    let unknown = |mode: &str| {
        let mut data = data();
        data.keepers.clear();
        let cluster = data.cluster.as_mut().unwrap();
        cluster.uid = own.clone();
        let spec = cluster.spec.as_mut().unwrap();
        spec.init_mode = Some(mode.to_owned());
        spec.existing_config = Some(ExistingConfig { keeper_uid: KeeperUid::from("k9") });
        Desired::read(Some(&data), &keeper("k1"))
    };
    assert_eq!(unknown("new").foreign_to(&other), Some(&own));
    assert_eq!(unknown("new").foreign_to(&own), None);
    assert_eq!(unknown("new").foreign_to(&ClusterUid::default()), None);
    assert_eq!(unknown("existing").foreign_to(&other), None);
    assert_eq!(master(|_| {}).foreign_to(&other), None, "the cluster knows the keeper");
}
