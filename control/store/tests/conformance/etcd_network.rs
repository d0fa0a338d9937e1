//! What befalls the way to etcd, and the quorum.

use crate::etcd_server::{EtcdCluster, client};
use crate::gateway::Gateway;
use crate::world::{path, soon};
use std::sync::Arc;
use std::time::Duration;
use stolon_store::{
    Expected, LeaderKey, LeaderSwap, Store, StoreError, Swap, TlsFiles, WatchTarget,
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A client that speaks through `gateway` first, and directly second.
async fn behind(gateway: &Gateway, etcd: &EtcdCluster) -> Arc<dyn Store> {
    let endpoints = format!("{},{}", gateway.endpoint, etcd.endpoints());
    let store = client(&endpoints, TlsFiles::default(), 5 * SECOND).await;
    store.get("k").await.unwrap();
    store
}

async fn gateway(etcd: &EtcdCluster) -> Gateway {
    let target = etcd.endpoints().strip_prefix("http://").unwrap().parse().unwrap();
    Gateway::start(target).await
}

/// The first attempt is applied, but its answer is lost; the second one then meets its own work.
#[tokio::test]
async fn a_swap_whose_answer_is_lost_is_known_to_be_done() {
    let etcd = EtcdCluster::start(1).await;
    let other = etcd.store().await;
    let gateway = gateway(&etcd).await;

    let store = behind(&gateway, &etcd).await;
    gateway.hold_answers();
    let begun = Instant::now();
    let swap = store.compare_and_swap("k", Expected::Absent, b"1".to_vec(), None).await.unwrap();
    assert!(begun.elapsed() < 3 * SECOND, "after {:?}", begun.elapsed());
    let entry = other.get("k").await.unwrap().unwrap();
    assert_eq!((swap, entry.value), (Swap::Done(entry.revision), b"1".to_vec()));
    assert_eq!(entry.revision, entry.created, "written once");

    gateway.release_answers();
    let created = other.put("leader", b"me".to_vec(), None).await.unwrap();
    let leader = LeaderKey { key: "leader".to_owned(), created };
    let store = behind(&gateway, &etcd).await;
    gateway.hold_answers();
    let expected = Expected::Revision(entry.revision);
    let swap = store.compare_and_swap_as_leader(&leader, "k", expected, b"2".to_vec()).await;
    let entry = other.get("k").await.unwrap().unwrap();
    assert_eq!((swap.unwrap(), entry.value), (LeaderSwap::Done(entry.revision), b"2".to_vec()));

    // A conflict with the work of another one stays a conflict, however often it was sent.
    gateway.release_answers();
    let store = behind(&gateway, &etcd).await;
    gateway.hold_answers();
    let swap = store.compare_and_swap("k", expected, b"3".to_vec(), None).await.unwrap();
    assert_eq!(swap, Swap::Conflict);
}

#[tokio::test]
async fn a_cut_watch_moves_on() {
    let etcd = EtcdCluster::start(1).await;
    let gateway = gateway(&etcd).await;
    let store = behind(&gateway, &etcd).await;
    let mut watch = store.watch(WatchTarget::Key("k".to_owned())).await.unwrap();
    let begun = Instant::now();
    gateway.hold_answers();
    soon("its end", watch.changed()).await.unwrap_err();
    let mut watch = store.watch(WatchTarget::Key("k".to_owned())).await.unwrap();
    assert!(begun.elapsed() < 3 * SECOND, "after {:?}", begun.elapsed());
    store.put("k", b"1".to_vec(), None).await.unwrap();
    soon("a change", watch.changed()).await.unwrap();
}

#[tokio::test]
async fn a_member_without_quorum_says_so() {
    let etcd = EtcdCluster::start(3).await;
    let store = etcd.store_of(0).await;
    let target = WatchTarget::Key(path().cluster_data());
    let mut watch = store.watch(target).await.unwrap();
    for member in [1, 2] {
        etcd.members[member].freeze();
    }
    let error = soon("the end of the watch", watch.changed()).await.unwrap_err();
    assert!(matches!(error, StoreError::WatchEnded { .. }), "{error}");
    let error = store.get("k").await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("no leader"), "{error}");
    assert!(store.put("k", b"1".to_vec(), None).await.is_err());

    for member in [1, 2] {
        etcd.members[member].thaw();
    }
    let begun = Instant::now();
    while store.get("k").await.is_err() {
        assert!(begun.elapsed() < 20 * SECOND, "the quorum does not come back");
    }
}
