//! `status`.

use crate::etcd::Etcd;
use crate::run::Ctl;
use crate::seed::{AT_WORK, put, put_cluster_data};

const AT_WORK_TEXT: &str = "=== Active sentinels ===

ID\t\tLEADER
b7e2ab1f\tfalse
e1f7a5a9\ttrue

=== Active proxies ===

ID
1a2b3c4d
9f8e7d6c

=== Keepers ===

UID\tHEALTHY\tPG LISTENADDRESS\tPG HEALTHY\tPG WANTEDGENERATION\tPG CURRENTGENERATION
keeper0\ttrue\t10.0.0.10:5432\t\ttrue\t\t3\t\t\t3\t
keeper1\ttrue\t10.0.0.11:5432\ttrue\t2\t2\t
keeper2\ttrue\t10.0.0.12:5433\tfalse\t2\t1\t
keeper3\ttrue\t(no db assigned)\tfalse\t0\t0\t
keeper4\tfalse\t(unknown)\tfalse\t1\t0\t

=== Cluster Info ===

Master Keeper: keeper0

===== Keepers/DB tree =====

keeper0 (master)
├─keeper1
│ └─keeper2
├─keeper4

";

fn at_work() -> Etcd {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    for uid in ["e1f7a5a9", "b7e2ab1f"] {
        put(&etcd, &format!("sentinels/info/{uid}"), &format!(r#"{{"UID":"{uid}"}}"#));
    }
    // The candidate that came first leads, whatever the names of the keys.
    put(&etcd, "sentinel-leader/694d805f7da2d933", "e1f7a5a9");
    put(&etcd, "sentinel-leader/194d805f7da2d933", "b7e2ab1f");
    for (uid, generation) in [("9f8e7d6c", 2), ("1a2b3c4d", 1)] {
        let info = format!(
            r#"{{"infoUID":"x","UID":"{uid}","Generation":{generation},"ProxyTimeout":15000000000}}"#
        );
        put(&etcd, &format!("proxies/info/{uid}"), &info);
    }
    etcd
}

#[test]
fn a_cluster_at_work() {
    let etcd = at_work();
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.ok(&["status"]), AT_WORK_TEXT);
    assert_eq!(ctl.ok(&["status", "--format=text"]), AT_WORK_TEXT);
    assert_eq!(ctl.ok(&["status", "--format="]), AT_WORK_TEXT);
    let json: serde_json::Value = serde_json::from_str(&ctl.ok(&["status", "-f", "json"])).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "sentinels": [{"uid": "b7e2ab1f", "leader": false}, {"uid": "e1f7a5a9", "leader": true}],
            "proxies": [{"uid": "1a2b3c4d", "generation": 1}, {"uid": "9f8e7d6c", "generation": 2}],
            "keepers": [
                {"uid": "keeper0", "listen_address": "10.0.0.10:5432", "healthy": true, "pg_healthy": true,
                 "pg_wanted_generation": 3, "pg_current_generation": 3},
                {"uid": "keeper1", "listen_address": "10.0.0.11:5432", "healthy": true, "pg_healthy": true,
                 "pg_wanted_generation": 2, "pg_current_generation": 2},
                {"uid": "keeper2", "listen_address": "10.0.0.12:5433", "healthy": true, "pg_healthy": false,
                 "pg_wanted_generation": 2, "pg_current_generation": 1},
                {"uid": "keeper3", "listen_address": "(no db assigned)", "healthy": true, "pg_healthy": false,
                 "pg_wanted_generation": 0, "pg_current_generation": 0},
                {"uid": "keeper4", "listen_address": "(unknown)", "healthy": false, "pg_healthy": false,
                 "pg_wanted_generation": 1, "pg_current_generation": 0},
            ],
            "cluster": {"available": true, "master_keeper_uid": "keeper0", "master_db_uid": "db0"},
        })
    );
}

#[test]
fn a_cluster_without_a_master() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    ctl.ok(&["init", "-y"]);
    assert_eq!(
        ctl.ok(&["status"]),
        "=== Active sentinels ===

No active sentinels

=== Active proxies ===

No active proxies

=== Keepers ===

No keepers available

No cluster available

"
    );
    assert_eq!(
        ctl.ok(&["status", "--format", "json"]),
        r#"{
	"sentinels": [],
	"proxies": [],
	"keepers": [],
	"cluster": {
		"available": true,
		"master_keeper_uid": "",
		"master_db_uid": ""
	}
}
"#
    );
}

#[test]
fn no_cluster_data_is_an_error_but_not_for_programs() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.error(&["status"]), "nil cluster data: <nil>");
    assert_eq!(
        ctl.ok(&["status", "--format=json"]),
        "{\n\t\"error\": \"nil cluster data: \\u003cnil\\u003e\"\n}\n"
    );
}

#[test]
fn an_unknown_format_is_an_error() {
    let etcd = at_work();
    assert_eq!(Ctl::of(&etcd).error(&["status", "-f", "xml"]), "unrecognised output format xml");
}

#[test]
fn records_that_are_no_infos_are_skipped_and_named() {
    let etcd = at_work();
    put(&etcd, "sentinels/info/bad", "garbage");
    put(&etcd, "proxies/info/worse", r#"{"UID":5}"#);
    let said = Ctl::of(&etcd).run(&["status"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, AT_WORK_TEXT));
    let complaints: Vec<&str> = said.stderr.lines().collect();
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("sentinels/info/bad"), "{complaints:?}");
    assert!(complaints[1].contains("proxies/info/worse"), "{complaints:?}");
}
