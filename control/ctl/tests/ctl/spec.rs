//! `spec`.

use crate::etcd::Etcd;
use crate::run::Ctl;
use crate::seed::put_cluster_data;

#[test]
fn only_what_is_set_is_shown() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    ctl.ok(&["init", "-y"]);
    assert_eq!(ctl.ok(&["spec"]), "{\n\t\"initMode\": \"new\"\n}\n");
    let spec = r#"{"initMode":"new","pgHBA":[],"pgParameters":{"b":"<2>","a":"1"},"newConfig":{"locale":"C"},"failInterval":"90s"}"#;
    ctl.ok(&["init", "-y", spec]);
    assert_eq!(
        ctl.ok(&["spec"]),
        r#"{
	"failInterval": "1m30s",
	"initMode": "new",
	"newConfig": {
		"locale": "C"
	},
	"pgParameters": {
		"a": "1",
		"b": "\u003c2\u003e"
	}
}
"#
    );
}

#[test]
fn defaults_are_shown_on_request() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    ctl.ok(&["init", "-y"]);
    assert_eq!(
        ctl.ok(&["spec", "--defaults"]),
        r#"{
	"sleepInterval": "5s",
	"requestTimeout": "10s",
	"convergenceTimeout": "30s",
	"initTimeout": "5m0s",
	"syncTimeout": "0s",
	"dbWaitReadyTimeout": "1m0s",
	"failInterval": "20s",
	"deadKeeperRemovalInterval": "48h0m0s",
	"proxyCheckInterval": "5s",
	"proxyTimeout": "15s",
	"maxStandbys": 20,
	"maxStandbysPerSender": 3,
	"maxStandbyLag": 1232896,
	"synchronousReplication": false,
	"minSynchronousStandbys": 1,
	"maxSynchronousStandbys": 1,
	"additionalWalSenders": 5,
	"additionalMasterReplicationSlots": null,
	"usePgrewind": false,
	"initMode": "new",
	"mergePgParameters": true,
	"role": "master",
	"newConfig": null,
	"pitrConfig": null,
	"existingConfig": null,
	"standbyConfig": null,
	"defaultSUReplAccessMode": "all",
	"pgParameters": null,
	"pgHBA": null,
	"automaticPgRestart": false
}
"#
    );
}

#[test]
fn cluster_data_without_a_good_spec_have_none() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.error(&["spec"]), "nil cluster data: <nil>");
    put_cluster_data(&etcd, r#"{"formatVersion":2}"#);
    assert_eq!(ctl.error(&["spec"]), "unsupported cluster data format version 2");
    put_cluster_data(&etcd, r#"{"formatVersion":1,"cluster":null}"#);
    assert_eq!(ctl.error(&["spec"]), "no cluster spec available");
    put_cluster_data(&etcd, r#"{"formatVersion":1,"cluster":{"uid":"x"}}"#);
    assert_eq!(ctl.error(&["spec"]), "no cluster spec available");
    put_cluster_data(
        &etcd,
        r#"{"formatVersion":1,"cluster":{"spec":{"maxStandbys":0,"initMode":"new"}}}"#,
    );
    assert_eq!(
        ctl.error(&["spec"]),
        "clusterdata validation failed: maxStandbys must be at least 1"
    );
    put_cluster_data(&etcd, "[]");
    let error = ctl.error(&["spec"]);
    assert!(error.starts_with("cannot get cluster data: "), "{error}");
}
