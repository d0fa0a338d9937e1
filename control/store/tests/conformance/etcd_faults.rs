//! What befalls real members of etcd: killed, frozen, compacted, out of reach.

use crate::etcd_server::{EtcdCluster, client};
use crate::world::{path, soon};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use stolon_model::uid::SentinelUid;
use stolon_store::{
    ClusterStore, Election, Expected, Leadership, Store, StoreError, Swap, TlsFiles, WakeStream,
    WatchTarget,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

fn wakes(store: &Arc<dyn Store>) -> WakeStream {
    let target = WatchTarget::Key(path().cluster_data());
    WakeStream::start(store.clone(), target, CancellationToken::new())
}

/// Waits for the wake that shows `value`, and says how long it took.
async fn seen(store: &Arc<dyn Store>, wakes: &mut WakeStream, value: &[u8]) -> Duration {
    let begun = Instant::now();
    loop {
        soon("a wake", wakes.woken()).await;
        let entry = store.get(&path().cluster_data()).await.unwrap();
        if entry.is_some_and(|entry| entry.value == value) {
            return begun.elapsed();
        }
    }
}

#[tokio::test]
async fn a_restarted_etcd_is_found_again() {
    let mut etcd = EtcdCluster::start(1).await;
    let store = etcd.store().await;
    let mut wakes = wakes(&store);
    soon("the first wake", wakes.woken()).await;

    etcd.members[0].kill();
    let error = store.get("k").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains(&etcd.members[0].endpoint), "{error}");
    etcd.members[0].start();
    let other = etcd.store().await;
    let begun = Instant::now();
    while other.put(&path().cluster_data(), b"new".to_vec(), None).await.is_err() {
        assert!(begun.elapsed() < 20 * SECOND, "etcd does not come back");
    }
    let took = seen(&store, &mut wakes, b"new").await;
    assert!(took < 2 * SECOND, "woken after {took:?}");
    assert!(wakes.restarts() > 0);
}

#[tokio::test]
async fn a_compaction_while_disconnected_is_survived() {
    let mut etcd = EtcdCluster::start(1).await;
    let store = etcd.store().await;
    let mut wakes = wakes(&store);
    soon("the first wake", wakes.woken()).await;
    etcd.members[0].kill();
    etcd.members[0].start();
    let endpoints = [etcd.members[0].endpoint.clone()];
    let mut raw = etcd_client::Client::connect(endpoints, None).await.unwrap();
    let other = etcd.store().await;
    let begun = Instant::now();
    let mut revision = None;
    while revision.is_none() {
        assert!(begun.elapsed() < 20 * SECOND, "etcd does not come back");
        revision = other.put(&path().cluster_data(), b"new".to_vec(), None).await.ok();
    }
    raw.compact(revision.unwrap().0, None).await.unwrap();
    let took = seen(&store, &mut wakes, b"new").await;
    assert!(took < 2 * SECOND, "woken after {took:?}");
}

/// Each request goes on within three seconds while `fault` has befallen a member that the client speaks with.
async fn requests_go_on(etcd: &mut EtcdCluster, member: usize, fault: fn(&mut EtcdCluster, usize)) {
    // The client begins with the first of its endpoints: let that be the one.
    let mut endpoints: Vec<String> =
        etcd.members.iter().map(|member| member.endpoint.clone()).collect();
    endpoints.rotate_left(member);
    let store = client(&endpoints.join(","), TlsFiles::default(), 5 * SECOND).await;
    let mut wakes = wakes(&store);
    soon("the first wake", wakes.woken()).await;
    let Swap::Done(mut revision) =
        store.compare_and_swap("swapped", Expected::Absent, b"0".to_vec(), None).await.unwrap()
    else {
        panic!("a conflict")
    };
    let lease = store.grant(20 * SECOND).await.unwrap();

    fault(etcd, member);
    let mut longest = Duration::ZERO;
    for round in 0..20 {
        let begun = Instant::now();
        match round % 4 {
            0 => drop(store.get("k").await.unwrap()),
            1 => drop(
                store.put(&path().cluster_data(), b"new".to_vec(), Some(lease.id)).await.unwrap(),
            ),
            2 => {
                let value = round.to_string().into_bytes();
                let expected = Expected::Revision(revision);
                match store.compare_and_swap("swapped", expected, value, None).await.unwrap() {
                    Swap::Done(done) => revision = done,
                    Swap::Conflict => panic!("nobody else writes"),
                }
            }
            _ => store.keep_alive(lease.id).await.unwrap(),
        }
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < 4 * SECOND, "a request took {longest:?}");
    let took = seen(&store, &mut wakes, b"new").await;
    assert!(took < 4 * SECOND, "woken after {took:?}");
}

#[tokio::test]
async fn a_frozen_member_is_left() {
    let mut etcd = EtcdCluster::start(3).await;
    // One of them is the raft leader: then the others must elect another one, too.
    for member in 0..3 {
        requests_go_on(&mut etcd, member, |etcd, member| etcd.members[member].freeze()).await;
        etcd.members[member].thaw();
        let thawed = etcd.store_of(member).await;
        let begun = Instant::now();
        while thawed.get("k").await.is_err() {
            assert!(begun.elapsed() < 20 * SECOND, "the member does not come back");
        }
        let store = etcd.store().await;
        assert!(store.delete("swapped").await.unwrap());
    }
}

#[tokio::test]
async fn a_killed_member_is_left() {
    let mut etcd = EtcdCluster::start(3).await;
    requests_go_on(&mut etcd, 0, |etcd, member| etcd.members[member].kill()).await;
}

#[tokio::test]
async fn a_silent_watch_ends() {
    let etcd = EtcdCluster::start(1).await;
    let store = etcd.store().await;
    let mut watch = store.watch(WatchTarget::Key("k".to_owned())).await.unwrap();
    let begun = Instant::now();
    etcd.members[0].freeze();
    let error = soon("its end", watch.changed()).await.unwrap_err();
    let took = begun.elapsed();
    assert!(matches!(error, StoreError::WatchEnded { .. }), "{error}");
    assert!(took < 3 * SECOND, "after {took:?}");
}

/// etcd closes connections that ping too often: a watch on which nothing happens must not look like one.
#[tokio::test]
async fn an_idle_watch_stays_open() {
    let etcd = EtcdCluster::start(1).await;
    let store = etcd.store().await;
    let mut wakes = wakes(&store);
    soon("the first wake", wakes.woken()).await;
    let woken = tokio::time::timeout(8 * SECOND, wakes.woken()).await;
    assert!(woken.is_err(), "woken for nothing");
    assert_eq!(wakes.restarts(), 0);
}

#[tokio::test]
async fn an_election_outlives_a_restart_of_etcd() {
    let mut etcd = EtcdCluster::start(1).await;
    let cluster = ClusterStore::new(etcd.store().await, path());
    let election = Election::run(cluster, SentinelUid::new("s1"), CancellationToken::new());
    let mut leadership = election.leadership();
    let gained = leadership.wait_for(|leadership| *leadership != Leadership::Not);
    let term = soon("the leadership", gained).await.unwrap().term();
    etcd.members[0].kill();
    etcd.members[0].start();
    let store = etcd.store().await;
    let begun = Instant::now();
    while store.get("k").await.is_err() {
        assert!(begun.elapsed() < 20 * SECOND, "etcd does not come back");
    }
    assert!(election.leads().is_some());
    assert_eq!(election.leadership().borrow().term(), term, "the same leadership");
}

#[tokio::test]
async fn nobody_at_the_endpoint_is_said_in_time() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("127.0.0.1:{port}");
    let store = client(&endpoint, TlsFiles::default(), SECOND).await;
    let begun = Instant::now();
    let error = store.get("k").await.unwrap_err();
    assert!(begun.elapsed() < 2 * SECOND);
    let text = error.to_string();
    assert!(text.contains(&endpoint) && text.contains("Connection refused"), "{text}");
    assert!(text.contains("read \"k\""), "{text}");
}

#[tokio::test]
async fn a_mute_endpoint_is_said_in_time() {
    // The kernel takes the connection, nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let store = client(&endpoint, TlsFiles::default(), SECOND).await;
    let begun = Instant::now();
    let error = store.put("k", b"x".to_vec(), None).await.unwrap_err();
    assert!(begun.elapsed() < 2 * SECOND);
    assert!(matches!(error, StoreError::Timeout { .. }), "{error}");
    assert!(error.to_string().contains(&endpoint), "{error}");
    assert!(store.watch(WatchTarget::Key("k".to_owned())).await.is_err());
    assert!(begun.elapsed() < 4 * SECOND);
}

#[tokio::test]
async fn what_a_member_said_is_told_beside_a_mute_one() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoints = format!("{},{refused}", mute.local_addr().unwrap());
    let store = client(&endpoints, TlsFiles::default(), 2 * SECOND).await;
    let error = store.get("k").await.unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused() {
    let etcd = EtcdCluster::start(1).await;
    let store = etcd.store().await;
    let error = store.put("k", vec![b'x'; 2 << 20], None).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }) && !error.is_retryable(), "{error}");
    store.put("k", vec![b'x'; 1 << 20], None).await.unwrap();
    for n in 0..6 {
        store.put(&format!("k{n}"), vec![b'x'; 1 << 20], None).await.unwrap();
    }
    assert_eq!(store.list("k").await.unwrap().entries.len(), 7, "7 MiB in one answer");
}
