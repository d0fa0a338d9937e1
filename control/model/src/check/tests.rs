//! Each rule, broken once.

use super::{check, check_transition, introduced};
use crate::cluster::ClusterData;
use crate::json;
use serde_json::{Value, json};

/// A synchronous cluster at rest: master m, standbys a and b, of which a is required and in sync.
fn good() -> Value {
    let standby = |keeper: &str| {
        json!({
            "keeperUID": keeper, "role": "standby", "initMode": "none", "followers": [],
            "followConfig": {"type": "internal", "dbuid": "m"}
        })
    };
    json!({
        "formatVersion": 1,
        "cluster": {"uid": "c", "spec": {"initMode": "new"}, "status": {"phase": "normal", "master": "m"}},
        "keepers": {"k0": {"uid": "k0"}, "k1": {"uid": "k1"}, "k2": {"uid": "k2"}, "k3": {"uid": "k3"}},
        "dbs": {
            "m": {
                "uid": "m", "generation": 3,
                "spec": {
                    "keeperUID": "k0", "role": "master", "initMode": "none", "followers": ["a", "b"],
                    "synchronousReplication": true, "synchronousStandbys": ["a"], "externalSynchronousStandbys": []
                },
                "status": {"healthy": true, "currentGeneration": 3, "synchronousStandbys": ["a"]}
            },
            "a": {"uid": "a", "generation": 2, "spec": standby("k1"), "status": {"healthy": true, "currentGeneration": 2}},
            "b": {"uid": "b", "generation": 2, "spec": standby("k2"), "status": {"healthy": true, "currentGeneration": 2}}
        },
        "proxy": {"generation": 5, "spec": {"masterDbUid": "m", "enabledProxies": ["p"]}, "status": {}}
    })
}

fn data(base: Value, patch: &Value) -> ClusterData {
    let mut value = base;
    json_patch::merge(&mut value, patch);
    json::decode(value.to_string().as_bytes()).unwrap()
}

fn rules(violations: &[super::Violation]) -> Vec<&'static str> {
    violations.iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_cluster_at_rest_breaks_no_rule() {
    let good = data(good(), &json!({}));
    assert_eq!(check(&good), []);
    assert_eq!(check_transition(&good, &good), []);
    assert_eq!(introduced(Some(&good), &good), []);
    assert_eq!(introduced(None, &good), []);
}

#[test]
fn every_rule_of_a_state_is_seen() {
    for (patch, rule) in [
        (json!({"formatVersion": 2}), "format-version"),
        (json!({"cluster": null}), "has-cluster"),
        (json!({"dbs": {"a": {"uid": "x"}}}), "own-name"),
        (json!({"keepers": {"k1": {"uid": "x"}}}), "own-name"),
        (json!({"dbs": {"a": {"spec": null}}}), "has-spec"),
        (json!({"keepers": {"k1": null}}), "keeper-exists"),
        (json!({"dbs": {"b": {"spec": {"keeperUID": "k1"}}}}), "one-db-per-keeper"),
        (json!({"cluster": {"status": {"master": "x"}}, "proxy": {"spec": null}}), "master-exists"),
        (json!({"cluster": {"status": {"master": "a"}}, "proxy": {"spec": null}}), "master-role"),
        (json!({"proxy": {"spec": {"masterDbUid": "a"}}}), "proxy-target"),
        (json!({"cluster": {"status": {"phase": "initializing"}}}), "proxy-target"),
        (
            json!({"dbs": {"m": {"spec": {"followConfig": {"type": "internal", "dbuid": "a"}}}}}),
            "follow",
        ),
        (json!({"dbs": {"a": {"spec": {"followConfig": null}}}}), "follow"),
        (json!({"dbs": {"a": {"spec": {"followConfig": {"dbuid": "a"}}}}}), "follow"),
        (json!({"dbs": {"a": {"spec": {"followConfig": {"dbuid": "x"}}}}}), "follow"),
        (json!({"dbs": {"a": {"spec": {"followConfig": {"type": null}}}}}), "follow"),
        (json!({"dbs": {"a": {"spec": {"role": null}}}}), "role"),
        (json!({"dbs": {"m": {"spec": {"followers": ["x"]}}}}), "followers"),
        (json!({"dbs": {"a": {"spec": {"synchronousStandbys": []}}}}), "sync-lists"),
        (json!({"dbs": {"a": {"spec": {"synchronousReplication": true}}}}), "sync-lists"),
        (json!({"dbs": {"m": {"spec": {"synchronousStandbys": ["a", "m"]}}}}), "sync-lists"),
        (json!({"dbs": {"m": {"spec": {"externalSynchronousStandbys": ["x"]}}}}), "sync-lists"),
        (json!({"dbs": {"m": {"status": {"synchronousStandbys": ["b"]}}}}), "sync-known"),
    ] {
        assert_eq!(rules(&check(&data(good(), &patch))), [rule], "{patch}");
    }
}

#[test]
fn every_rule_of_a_step_is_seen() {
    let elected = json!({
        "cluster": {"status": {"master": "a"}},
        "dbs": {
            "m": {"generation": 4, "spec": {"followers": []}},
            "a": {"generation": 3, "spec": {"role": "master", "followConfig": null}}
        },
        "proxy": {"generation": 6, "spec": {"masterDbUid": null}}
    });
    let mut unsafely_elected = elected.clone();
    unsafely_elected["cluster"]["status"]["master"] = json!("b");
    let mut removed = elected.clone();
    removed["dbs"]["m"] = Value::Null;
    let none: [&str; 0] = [];
    for (patch, expected) in [
        (elected.clone(), &none[..]),
        (json!({"cluster": {"uid": "d"}}), &["cluster-uid"]),
        (json!({"proxy": {"generation": 6, "spec": {"masterDbUid": "a"}}}), &["proxy-step"]),
        (
            json!({"proxy": {"generation": 6, "spec": {"masterDbUid": null, "enabledProxies": []}}}),
            &["proxy-step"],
        ),
        (json!({"proxy": {"spec": {"enabledProxies": ["q"]}}}), &["proxy-step"]),
        (json!({"proxy": {"generation": 6}}), &["proxy-step"]),
        (json!({"dbs": {"a": {"generation": 3, "spec": {"keeperUID": "k3"}}}}), &["db-keeper"]),
        (json!({"dbs": {"a": {"spec": {"maxStandbys": 9}}}}), &["db-generation"]),
        (json!({"dbs": {"a": {"generation": 3}}}), &["db-generation"]),
        (json!({"dbs": {"a": {"generation": 1}}}), &["db-generation"]),
        (json!({"dbs": {"m": {"generation": 4, "spec": {"role": "standby"}}}}), &["no-demotion"]),
        (json!({"dbs": {"n": {"generation": 2, "spec": {"initMode": "resync"}}}}), &["new-db"]),
        (json!({"dbs": {"n": {"generation": 1, "spec": {"initMode": "none"}}}}), &["new-db"]),
        (json!({"dbs": {"n": {"generation": 1, "spec": {"initMode": "resync"}}}}), &[]),
        (json!({"cluster": {"status": {"phase": "initializing"}}}), &["master-step"]),
        (unsafely_elected, &["master-step"]),
        (removed, &["master-step"]),
    ] {
        let (old, new) = (data(good(), &json!({})), data(good(), &patch));
        assert_eq!(rules(&check_transition(&old, &new)), expected, "{patch}");
    }
}

#[test]
fn proxies_keep_no_target_while_a_master_is_elected() {
    let old = data(good(), &json!({}));
    let new = data(good(), &json!({"cluster": {"status": {"master": "a"}}}));
    assert_eq!(rules(&check_transition(&old, &new)), ["master-step"]);
    assert!(rules(&introduced(Some(&old), &new)).contains(&"proxy-target"));
}

#[test]
fn a_former_master_may_go_once_the_new_one_works() {
    let before = json!({
        "cluster": {"status": {"master": "a"}},
        "dbs": {
            "m": {"spec": {"synchronousReplication": null, "synchronousStandbys": null, "externalSynchronousStandbys": null}},
            "a": {"spec": {"role": "master", "followConfig": null}},
            "b": {"spec": {"followConfig": {"dbuid": "a"}}}
        },
        "proxy": {"spec": {"masterDbUid": null}}
    });
    let old = data(good(), &before);
    let mut without = before.clone();
    without["dbs"]["m"] = Value::Null;
    assert_eq!(check_transition(&old, &data(good(), &without)), []);
    without["dbs"]["a"]["status"] = json!({"healthy": null});
    assert_eq!(rules(&check_transition(&old, &data(good(), &without))), ["master-step"]);
}

#[test]
fn what_was_odd_before_is_not_held_against_a_step() {
    let odd = data(good(), &json!({"keepers": {"k2": null}}));
    assert_eq!(rules(&check(&odd)), ["keeper-exists"]);
    assert_eq!(introduced(Some(&odd), &odd), []);
    assert_eq!(rules(&introduced(None, &odd)), ["keeper-exists"]);
}
