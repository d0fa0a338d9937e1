//! `promote`.

use crate::etcd::Etcd;
use crate::run::Ctl;
use crate::seed::{parsed, put_cluster_data};
use serde_json::json;

const STANDBY: &str = r#"{"formatVersion":1,"cluster":{"uid":"c0ffee00","generation":1,
    "spec":{"initMode":"existing","existingConfig":{"keeperUID":"k"},"role":"standby",
            "standbyConfig":{"standbySettings":{"primaryConninfo":"host=up"}}},
    "status":{"phase":"normal"}}}"#;

#[test]
fn a_standby_cluster_becomes_a_master() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, STANDBY);
    let ctl = Ctl::of(&etcd);
    let role = || parsed(&etcd)["cluster"]["spec"]["role"].clone();
    let question = "Are you sure you want to continue? [yes/no] ";

    let said = ctl.run_with_input(&["promote"], "no\n");
    assert_eq!((said.code, said.stdout), (0, format!("{question}exiting\n")));
    assert_eq!(role(), json!("standby"));

    let said = ctl.run_with_input(&["promote"], "yes\n");
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, question, ""));
    assert_eq!(role(), json!("master"));
    let config = &parsed(&etcd)["cluster"]["spec"]["standbyConfig"];
    assert_eq!(config["standbySettings"]["primaryConninfo"], json!("host=up"));
}

#[test]
fn a_master_is_told_so() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    ctl.ok(&["init", "-y"]);
    let said = ctl.run(&["promote", "--yes"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""));
    assert_eq!(said.error_line(), "cluster spec role already set to master");
}

#[test]
fn it_takes_no_arguments() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.error(&["promote", "-y", "x"]), "too many arguments");
    assert_eq!(ctl.error(&["promote", "-y"]), "nil cluster data: <nil>");
}
