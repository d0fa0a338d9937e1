//! The cluster's keys, as types.

use crate::world::{World, path};
use stolon_model::cluster::{ClusterData, FORMAT_VERSION};
use stolon_model::info::{KeeperInfo, SentinelInfo};
use stolon_model::json;
use stolon_model::uid::{KeeperUid, SentinelUid};
use stolon_store::{ReadError, Swap};

fn data() -> ClusterData {
    ClusterData { format_version: FORMAT_VERSION, ..ClusterData::default() }
}

pub async fn cluster_data_reads_back(world: World) {
    let cluster = world.cluster().await;
    let none = cluster.cluster_data().await.unwrap();
    assert_eq!((&none.value, none.revision, none.raw.len()), (&None, None, 0));

    let Swap::Done(first) = cluster.swap_cluster_data(&data(), none.expected()).await.unwrap()
    else {
        panic!("nothing was there")
    };
    assert_eq!(cluster.swap_cluster_data(&data(), none.expected()).await.unwrap(), Swap::Conflict);
    let read = cluster.cluster_data().await.unwrap();
    assert_eq!((&read.value, read.revision), (&Some(data()), Some(first)));
    assert_eq!(read.raw, json::encode(&data()));
    let raw = cluster.store().get("stolon/cluster/test/clusterdata").await.unwrap().unwrap();
    assert_eq!(raw.value, read.raw);
}

pub async fn garbage_is_an_error_that_names_the_key(world: World) {
    let cluster = world.cluster().await;
    for garbage in ["", "\0\u{1}", "{\"formatVersion\":1", "[]", "{\"formatVersion\":\"x\"}"] {
        cluster.store().put(&path().cluster_data(), garbage.into(), None).await.unwrap();
        let error = cluster.cluster_data().await.expect_err(garbage);
        assert!(matches!(error, ReadError::Decode { .. }), "{garbage:?}: {error}");
        assert!(error.to_string().contains("stolon/cluster/test/clusterdata"), "{error}");
    }
}

pub async fn a_bad_info_hides_no_good_one(world: World) {
    let cluster = world.cluster().await;
    let good = KeeperInfo { uid: KeeperUid::new("k1"), ..KeeperInfo::default() };
    let put = async |name: &str, value: Vec<u8>| {
        let key = format!("{}/{name}", path().keeper_infos());
        cluster.store().put(&key, value, None).await.unwrap();
    };
    put("k0", b"garbage".to_vec()).await;
    put("another-name", json::encode(&good)).await;
    put("k2", b"{}".to_vec()).await;
    let infos = cluster.keeper_infos().await.unwrap();
    assert_eq!(infos.good.into_values().collect::<Vec<_>>(), [good]);
    let bad: Vec<&str> = infos.bad.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(bad, ["stolon/cluster/test/keepers/info/k0", "stolon/cluster/test/keepers/info/k2"]);

    let key = format!("{}/s", path().sentinel_infos());
    cluster.store().put(&key, b"{\"UID\":\"s\"}".to_vec(), None).await.unwrap();
    let sentinels = cluster.sentinel_infos().await.unwrap();
    let sentinel = SentinelInfo { uid: SentinelUid::new("s") };
    assert_eq!(sentinels.good.into_values().collect::<Vec<_>>(), [sentinel]);
    assert!(cluster.proxy_infos().await.unwrap().good.is_empty());
    assert_eq!(cluster.leader().await.unwrap(), None);
}

pub async fn a_plain_put_overrides(world: World) {
    let cluster = world.cluster().await;
    for _ in 0..2 {
        cluster.put_cluster_data(&data()).await.unwrap();
    }
    cluster.store().put(&path().cluster_data(), b"garbage".to_vec(), None).await.unwrap();
    cluster.put_cluster_data(&data()).await.unwrap();
    assert_eq!(cluster.cluster_data().await.unwrap().value, Some(data()));
}
