//! Watches, raw and supervised.

use crate::world::{SHORT_TTL, World, path, soon};
use std::time::Duration;
use stolon_store::{ClusterStore, WatchTarget};
use tokio_util::sync::CancellationToken;

pub async fn a_watch_tells_of_its_key_alone(world: World) {
    let (store, writer) = (world.store().await, world.store().await);
    let mut own = store.watch(WatchTarget::Key("own".to_owned())).await.unwrap();
    let mut all = store.watch(WatchTarget::Prefix(String::new())).await.unwrap();
    for change in ["put", "swap", "delete"] {
        match change {
            "put" => drop(writer.put("own", b"1".to_vec(), None).await.unwrap()),
            "swap" => {
                let read = writer.get("own").await.unwrap().unwrap().revision;
                let swap = writer.compare_and_swap("own", Some(read).into(), b"2".to_vec(), None);
                let _ = swap.await.unwrap();
            }
            _ => assert!(writer.delete("own").await.unwrap()),
        }
        soon(change, own.changed()).await.unwrap();
        soon(change, all.changed()).await.unwrap();
    }

    // When the other watch has told of the other key, this one would have, too.
    writer.put("own2", b"x".to_vec(), None).await.unwrap();
    soon("the other key", all.changed()).await.unwrap();
    let told = tokio::time::timeout(Duration::from_millis(50), own.changed()).await;
    assert!(told.is_err(), "told of another key");
}

pub async fn a_watch_tells_of_an_expiry(world: World) {
    let store = world.store().await;
    let lease = store.grant(SHORT_TTL).await.unwrap();
    store.put("k", b"x".to_vec(), Some(lease.id)).await.unwrap();
    let mut watch = store.watch(WatchTarget::Key("k".to_owned())).await.unwrap();
    let ticking = async {
        loop {
            world.tick().await;
        }
    };
    soon("the expiry", async {
        tokio::select! { changed = watch.changed() => changed.unwrap(), () = ticking => {} }
    })
    .await;
    assert_eq!(store.get("k").await.unwrap(), None);
}

pub async fn a_prefix_watch_tells_of_all(world: World) {
    let store = world.store().await;
    let mut watch = store.watch(WatchTarget::Prefix("p/".to_owned())).await.unwrap();
    for key in ["p/a", "p/b/c"] {
        store.put(key, b"x".to_vec(), None).await.unwrap();
        soon(key, watch.changed()).await.unwrap();
    }
}

pub async fn a_burst_is_told_until_its_end(world: World) {
    let cluster = world.cluster().await;
    let writer = world.store().await;
    let mut wakes = cluster.wake_on_cluster(CancellationToken::new());
    soon("the first wake", wakes.woken()).await;
    let key = path().cluster_data();
    for n in 0..100 {
        writer.put(&key, n.to_string().into_bytes(), None).await.unwrap();
    }
    let mut passes = 0;
    loop {
        soon("a wake for the last change", wakes.woken()).await;
        passes += 1;
        if cluster.store().get(&key).await.unwrap().unwrap().value == b"99" {
            break;
        }
    }
    assert!(passes <= 100, "more wakes than changes");
    assert_eq!(wakes.restarts(), 0);
}

pub async fn a_wake_stream_wakes_at_once(world: World) {
    let shutdown = CancellationToken::new();
    let cluster = ClusterStore::new(world.store().await, path());
    let mut data = cluster.wake_on_cluster_data(shutdown.clone());
    let mut all = cluster.wake_on_cluster(shutdown.clone());
    soon("the first wake", data.woken()).await;
    soon("the first wake", all.woken()).await;

    let writer = world.store().await;
    writer.put(&path().keeper_infos(), b"x".to_vec(), None).await.unwrap();
    soon("an info", all.woken()).await;
    writer.put(&path().cluster_data(), b"x".to_vec(), None).await.unwrap();
    soon("the cluster data", data.woken()).await;
    soon("the cluster data", all.woken()).await;

    shutdown.cancel();
    soon("its end", data.ended()).await;
}
