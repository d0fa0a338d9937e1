//! `failkeeper` and `removekeeper`.

use crate::etcd::Etcd;
use crate::run::Ctl;
use crate::seed::{AT_WORK, cluster_data, parsed, put_cluster_data};
use serde_json::json;

#[test]
fn a_keeper_is_marked_as_failed_once() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.ok(&["failkeeper", "keeper0"]), "");
    let data = parsed(&etcd);
    assert_eq!(data["keepers"]["keeper0"]["status"]["forceFail"], json!(true));
    assert_eq!(data["keepers"]["keeper1"]["status"].get("forceFail"), None);
}

#[test]
fn a_keeper_is_removed_with_its_db() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.ok(&["removekeeper", "keeper1"]), "");
    assert_eq!(ctl.ok(&["removekeeper", "keeper3"]), "");
    let data = parsed(&etcd);
    let keys = |what: &str| data[what].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys("keepers"), ["keeper0", "keeper2", "keeper4"]);
    assert_eq!(keys("dbs"), ["db0", "db2", "db4"]);
    // The sentinel clears up what points to it.
    assert_eq!(data["dbs"]["db0"]["spec"]["followers"], json!(["db1", "db4", "gone"]));
}

#[test]
fn the_masters_keeper_stays() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    let error = Ctl::of(&etcd).error(&["removekeeper", "keeper0"]);
    assert_eq!(error, "keeper assigned db is the current cluster master db.");
    assert_eq!(cluster_data(&etcd), AT_WORK);
}

#[test]
fn one_existing_keeper_must_be_named() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    for command in ["failkeeper", "removekeeper"] {
        assert_eq!(
            ctl.error(&[command, "keeper0"]),
            "cannot get cluster data: nil cluster data: <nil>"
        );
    }
    put_cluster_data(&etcd, AT_WORK);
    for command in ["failkeeper", "removekeeper"] {
        assert_eq!(ctl.error(&[command]), "keeper uid required");
        assert_eq!(ctl.error(&[command, "keeper0", "keeper1"]), "too many arguments");
        assert_eq!(ctl.error(&[command, "keeper9"]), "keeper doesn't exist");
    }
    put_cluster_data(&etcd, r#"{"formatVersion":1}"#);
    assert_eq!(ctl.error(&["failkeeper", "keeper0"]), "no cluster spec available");
    put_cluster_data(&etcd, "garbage");
    let error = ctl.error(&["removekeeper", "keeper0"]);
    assert!(error.starts_with("cannot get cluster data: cannot get cluster data: "), "{error}");
}
