//! Prepares the store, and looks into it.

use crate::etcd::Etcd;
use std::future::Future;
use stolon_model::json;
use stolon_store::ClusterStore;

/// Cluster data of a cluster at work: keeper0 is master, keeper1 follows it, keeper2 follows keeper1, keeper3 has no db, and
/// the db of keeper4 has not reported an address yet.
pub const AT_WORK: &str = r#"{
    "formatVersion": 1,
    "changeTime": "2024-01-02T03:04:05.678901234+01:00",
    "cluster": {
        "uid": "c0ffee00",
        "generation": 1,
        "changeTime": "2024-01-02T03:04:05Z",
        "spec": {
            "additionalWalSenders": null,
            "additionalMasterReplicationSlots": null,
            "initMode": "new",
            "pgParameters": {"work_mem": "8MB"},
            "pgHBA": null,
            "automaticPgRestart": null
        },
        "status": {"phase": "normal", "master": "db0"}
    },
    "keepers": {
        "keeper0": {"uid": "keeper0", "generation": 1, "status": {"healthy": true}},
        "keeper1": {"uid": "keeper1", "generation": 1, "status": {"healthy": true}},
        "keeper2": {"uid": "keeper2", "generation": 1, "status": {"healthy": true}},
        "keeper3": {"uid": "keeper3", "generation": 1, "status": {"healthy": true}},
        "keeper4": {"uid": "keeper4", "generation": 1, "status": {}}
    },
    "dbs": {
        "db0": {
            "uid": "db0", "generation": 3,
            "spec": {"keeperUID": "keeper0", "role": "master", "initMode": "none", "followers": ["db1", "db4", "gone"]},
            "status": {"healthy": true, "currentGeneration": 3, "listenAddress": "10.0.0.10", "port": "5432"}
        },
        "db1": {
            "uid": "db1", "generation": 2,
            "spec": {"keeperUID": "keeper1", "role": "standby", "initMode": "none", "followers": ["db2"]},
            "status": {"healthy": true, "currentGeneration": 2, "listenAddress": "10.0.0.11", "port": "5432"}
        },
        "db2": {
            "uid": "db2", "generation": 2,
            "spec": {"keeperUID": "keeper2", "role": "standby", "initMode": "none", "followers": []},
            "status": {"currentGeneration": 1, "listenAddress": "10.0.0.12", "port": "5433"}
        },
        "db4": {
            "uid": "db4", "generation": 1,
            "spec": {"keeperUID": "keeper4", "role": "standby", "initMode": "resync", "followers": []},
            "status": {}
        }
    },
    "proxy": {"generation": 2, "spec": {"masterDbUid": "db0", "enabledProxies": ["9f8e7d6c"]}}
}"#;

/// Does something with the cluster `test` of an etcd.
pub fn with_store<T, F: Future<Output = T>>(etcd: &Etcd, act: impl FnOnce(ClusterStore) -> F) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { act(etcd.cluster("test").await).await })
}

/// Writes a value at a key below the cluster's own.
pub fn put(etcd: &Etcd, key: &str, value: &str) {
    with_store(etcd, |cluster| async move {
        let key = format!("stolon/cluster/test/{key}");
        cluster.store().put(&key, value.as_bytes().to_vec(), None).await.unwrap()
    });
}

/// Writes cluster data.
pub fn put_cluster_data(etcd: &Etcd, json: &str) {
    put(etcd, "clusterdata", json);
}

/// The bytes at the key of the cluster data; empty if there are none.
pub fn cluster_data(etcd: &Etcd) -> String {
    let get = |cluster: ClusterStore| async move {
        cluster.store().get("stolon/cluster/test/clusterdata").await.unwrap()
    };
    let value = with_store(etcd, get).map(|entry| entry.value).unwrap_or_default();
    String::from_utf8(value).unwrap()
}

/// The cluster data as JSON to look into.
pub fn parsed(etcd: &Etcd) -> serde_json::Value {
    serde_json::from_str(&cluster_data(etcd)).unwrap()
}

/// The bytes that a component would write for this cluster data.
pub fn normal(json: &str) -> String {
    let data: stolon_model::cluster::ClusterData = json::decode(json.as_bytes()).unwrap();
    String::from_utf8(json::encode(&data)).unwrap()
}
