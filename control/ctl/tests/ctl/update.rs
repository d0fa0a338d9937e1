//! `update`.

use crate::etcd::Etcd;
use crate::run::Ctl;
use crate::seed::{AT_WORK, cluster_data, parsed, put_cluster_data};
use serde_json::json;

#[test]
fn a_spec_replaces_the_whole_spec() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    let before = parsed(&etcd);
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.ok(&["update", r#"{"initMode":"new","maxStandbys":7}"#]), "");
    let after = parsed(&etcd);
    assert_eq!(after["cluster"]["spec"]["maxStandbys"], json!(7));
    assert_eq!(after["cluster"]["spec"]["pgParameters"], json!(null));
    // Nothing else changes, the times neither.
    assert_eq!(after["changeTime"], before["changeTime"]);
    assert_eq!(after["cluster"]["changeTime"], before["cluster"]["changeTime"]);
    assert_eq!(after["dbs"]["db0"]["generation"], json!(3));
}

#[test]
fn a_patch_changes_what_it_names() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    let ctl = Ctl::of(&etcd);
    let spec = || parsed(&etcd)["cluster"]["spec"].clone();
    assert_eq!(ctl.ok(&["update", "--patch", r#"{"synchronousReplication":true}"#]), "");
    assert_eq!(spec()["synchronousReplication"], json!(true));
    assert_eq!(spec()["pgParameters"], json!({"work_mem": "8MB"}));
    ctl.ok(&[
        "update",
        "-p",
        r#"{"pgParameters":{"max_connections":"50","work_mem":null},"pgHBA":[]}"#,
    ]);
    assert_eq!(spec()["pgParameters"], json!({"max_connections": "50"}));
    assert_eq!(spec()["pgHBA"], json!([]));
    ctl.ok(&["update", "-p", r#"{"pgHBA":null,"pgParameters":null}"#]);
    assert_eq!((&spec()["pgHBA"], spec().get("pgParameters")), (&json!(null), None));
}

#[test]
fn the_document_comes_from_a_file_or_standard_input() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    let ctl = Ctl::of(&etcd);
    let standbys = || parsed(&etcd)["cluster"]["spec"]["maxStandbys"].clone();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("patch.json");
    std::fs::write(&file, r#"{"maxStandbys":8}"#).unwrap();
    ctl.ok(&["update", "--patch", "--file", file.to_str().unwrap()]);
    assert_eq!(standbys(), json!(8));
    let said = ctl.run_with_input(&["update", "-pf-"], r#"{"maxStandbys":9}"#);
    assert_eq!((said.code, standbys()), (0, json!(9)));
}

#[test]
fn a_bad_update_changes_nothing() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    let ctl = Ctl::of(&etcd);
    let error = |words: &[&str]| ctl.error(&[&["update"], words].concat());
    assert_eq!(
        error(&[]),
        "no cluster spec provided as argument and no file provided (--file/-f option)"
    );
    assert_eq!(
        error(&["{}", "-f", "x"]),
        "only one of cluster spec provided as argument or file must provided (--file/-f option)"
    );
    assert_eq!(error(&["{}", "{}"]), "too many arguments");
    assert!(error(&["-f", "/nowhere"]).starts_with("cannot read file: "));
    assert!(error(&["{"]).starts_with("failed to unmarshal cluster spec: "));
    assert!(
        error(&["-p", "{"])
            .starts_with("failed to patch cluster spec: failed to merge patch cluster spec: ")
    );
    assert!(
        error(&["-p", r#"{"maxStandbys":"x"}"#]).starts_with(
            "failed to patch cluster spec: failed to unmarshal patched cluster spec: "
        )
    );
    assert_eq!(
        error(&["{}"]),
        "Cannot update cluster spec: invalid cluster spec: initMode undefined"
    );
    assert_eq!(
        error(&["-p", r#"{"initMode":"existing","existingConfig":{"keeperUID":"keeper0"}}"#]),
        "Cannot update cluster spec: cannot change cluster init mode"
    );
    assert_eq!(
        error(&["-p", r#"{"maxSynchronousStandbys":1,"minSynchronousStandbys":2}"#]),
        "Cannot update cluster spec: invalid cluster spec: maxSynchronousStandbys must be greater or equal to minSynchronousStandbys"
    );
    assert_eq!(cluster_data(&etcd), AT_WORK);
}

#[test]
fn there_must_be_something_to_update() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.error(&["update", "-p", "{}"]), "nil cluster data: <nil>");
    put_cluster_data(&etcd, r#"{"formatVersion":1}"#);
    assert_eq!(ctl.error(&["update", "-p", "{}"]), "no cluster spec available");
}
