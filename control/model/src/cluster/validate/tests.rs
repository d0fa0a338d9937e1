use super::*;
use crate::cluster::{Db, DbSpec};
use crate::json;
use crate::spec::{ClusterSpec, InitMode};
use crate::time::GoTime;

fn initial(spec: &str) -> ClusterData {
    let spec: ClusterSpec = json::decode(spec.as_bytes()).unwrap();
    ClusterData::initial(
        "6e7d1a2b".into(),
        spec,
        "2024-05-14T09:30:00.123456789+02:00".parse().unwrap(),
    )
}

#[test]
fn fresh_cluster_data_is_what_stolon_writes_at_init() {
    let golden = include_str!("../../../tests/golden/cluster_data_after_init.json");
    assert_eq!(json::encode_pretty(&initial(r#"{"initMode":"new"}"#)), golden.trim_end());
}

#[test]
fn usable_cluster_data_gives_its_cluster_and_options() {
    let data = initial(r#"{"initMode":"new"}"#);
    let (cluster, spec) = data.validate().unwrap();
    assert_eq!((cluster.uid.as_str(), spec.init_mode), ("6e7d1a2b", InitMode::New));
}

#[test]
fn unusable_cluster_data_is_refused() {
    let refusal = |data: ClusterData| data.validate().unwrap_err().to_string();
    let good = initial(r#"{"initMode":"new"}"#);
    let other = ClusterData { format_version: 2, ..good.clone() };
    assert_eq!(refusal(other), "unsupported cluster data format version 2");
    assert_eq!(refusal(ClusterData::default()), "unsupported cluster data format version 0");
    let without_cluster = ClusterData { cluster: None, ..good.clone() };
    assert_eq!(refusal(without_cluster), "no cluster spec available");
    let mut without_spec = good;
    without_spec.cluster = Some(Cluster { change_time: GoTime::default(), ..Cluster::default() });
    assert_eq!(refusal(without_spec), "no cluster spec available");
    assert_eq!(refusal(initial("{}")), "clusterdata validation failed: initMode undefined");
}

#[test]
fn dbs_are_found_by_their_part() {
    let mut data = initial(r#"{"initMode":"new"}"#);
    assert_eq!(data.master_db(), None);
    let spec = DbSpec { keeper_uid: "keeper0".into(), ..DbSpec::default() };
    let db = Db { uid: "a1b2c3d4".into(), spec: Some(spec), ..Db::default() };
    data.dbs.insert(db.uid.clone(), db.clone());
    data.cluster.as_mut().unwrap().status.master = db.uid.clone();
    assert_eq!(data.master_db(), Some(&db));
    assert_eq!(data.db_of_keeper(&"keeper0".into()), Some(&db));
    assert_eq!(data.db_of_keeper(&"keeper1".into()), None);
}
