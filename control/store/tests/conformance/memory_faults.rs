//! Faults that only the store in memory can play at will, and time that only it can let pass.

use crate::world::{path, soon};
use std::sync::Arc;
use std::time::Duration;
use stolon_model::info::SentinelInfo;
use stolon_model::uid::SentinelUid;
use stolon_store::memory::MemoryStore;
use stolon_store::publisher::SHORTEST_INFO_TTL;
use stolon_store::{
    ClusterStore, Election, InfoKey, Leadership, Publisher, Store, StoreError, Swap,
};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

fn cluster(store: &MemoryStore) -> ClusterStore {
    ClusterStore::new(Arc::new(store.clone()), path())
}

async fn let_pass(store: &MemoryStore, seconds: u32) {
    for _ in 0..seconds {
        store.advance(SECOND);
        // Every task that waited for the clock runs, and so do those that it wakes.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

async fn leads(store: &MemoryStore, election: &Election) {
    let mut leadership = election.leadership();
    let gained = leadership.wait_for(|leadership| *leadership != Leadership::Not);
    soon("the leadership", gained).await.unwrap();
    assert!(!store.list(&path().candidates()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_request_fails_as_told() {
    let store = MemoryStore::new();
    store.faults().fail_next(1);
    let error = store.put("k", b"1".to_vec(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }) && error.is_retryable(), "{error}");
    assert_eq!(store.get("k").await.unwrap(), None);

    store.faults().lose_answers(1);
    let error = store.put("k", b"1".to_vec(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Timeout { .. }) && error.is_retryable(), "{error}");
    assert_eq!(store.get("k").await.unwrap().unwrap().value, b"1", "it was applied");

    store.faults().set_unavailable(true);
    assert!(store.get("k").await.is_err());
    assert!(store.client().get("k").await.is_ok(), "another client is not cut off");
    store.faults().set_unavailable(false);
    assert!(store.get("k").await.is_ok());
    assert_eq!(store.faults().requests(), 6);
}

#[tokio::test]
async fn a_slow_request_times_out_and_is_not_applied() {
    let store = MemoryStore::new();
    let timeout = Duration::from_millis(50);
    store.faults().set_timeout(timeout);
    store.faults().set_delay(SECOND);
    let begun = tokio::time::Instant::now();
    let swap = store.compare_and_swap("k", None.into(), b"1".to_vec(), None).await;
    assert!(matches!(swap, Err(StoreError::Timeout { .. })), "{swap:?}");
    let took = begun.elapsed();
    assert!(took >= timeout && took < SECOND, "{took:?}");
    store.faults().set_delay(Duration::from_millis(1));
    let swap = store.compare_and_swap("k", None.into(), b"1".to_vec(), None).await;
    assert!(matches!(swap, Ok(Swap::Done(_))), "{swap:?}");
}

#[tokio::test]
async fn a_lost_watch_wakes_when_it_is_back() {
    let other = MemoryStore::new();
    let store = other.client();
    let mut wakes = cluster(&store).wake_on_cluster_data(CancellationToken::new());
    soon("the first wake", wakes.woken()).await;
    for restarts in 1..=4 {
        let begun = tokio::time::Instant::now();
        if restarts % 2 == 0 {
            other.compact();
        } else {
            store.faults().drop_watches();
        }
        soon("a wake upon the new watch", wakes.woken()).await;
        assert!(begun.elapsed() < SECOND, "late");
        assert_eq!(wakes.restarts(), restarts);
    }

    store.faults().set_unavailable(true);
    other.put(&path().cluster_data(), b"missed".to_vec(), None).await.unwrap();
    let woken = tokio::time::timeout(2 * SECOND, wakes.woken()).await;
    assert!(woken.is_err(), "there is no watch");
    let failed = wakes.restarts() - 4;
    assert!((2..30).contains(&failed), "{failed} attempts in two seconds");
    let begun = tokio::time::Instant::now();
    store.faults().set_unavailable(false);
    soon("a wake for what was missed", wakes.woken()).await;
    assert!(begun.elapsed() < SECOND, "late");
}

#[tokio::test]
async fn mute_watches_tell_nothing() {
    let store = MemoryStore::new();
    let mut wakes = cluster(&store).wake_on_cluster(CancellationToken::new());
    soon("the first wake", wakes.woken()).await;
    store.faults().mute_watches(true);
    store.put(&path().cluster_data(), b"1".to_vec(), None).await.unwrap();
    let woken = tokio::time::timeout(Duration::from_millis(20), wakes.woken()).await;
    assert!(woken.is_err());
    store.faults().mute_watches(false);
    store.put(&path().cluster_data(), b"2".to_vec(), None).await.unwrap();
    soon("a wake", wakes.woken()).await;
}

#[tokio::test]
async fn a_leader_cut_off_stops_leading_when_its_lease_ends() {
    let store = MemoryStore::new();
    let (first_client, second_client) = (store.client(), store.client());
    let shutdown = CancellationToken::new();
    let run = |client: &MemoryStore, uid: &str| {
        Election::run(cluster(client), SentinelUid::new(uid), shutdown.clone())
    };
    let first = run(&first_client, "s1");
    leads(&store, &first).await;
    let second = run(&second_client, "s2");
    let_pass(&store, 60).await;
    assert!(first.leads().is_some() && second.leads().is_none(), "renewed for a minute");

    first_client.faults().set_unavailable(true);
    let_pass(&store, 12).await;
    assert!(first.leads().is_some(), "its lease lives");
    assert!(second.leads().is_none());
    for _ in 0..9 {
        let_pass(&store, 1).await;
        assert!(first.leads().is_none() || second.leads().is_none(), "two leaders");
    }
    assert!(first.leads().is_none());
    leads(&store, &second).await;
    assert!(second.leads().is_some());

    first_client.faults().set_unavailable(false);
    shutdown.cancel();
    soon("the resignations", async {
        first.resigned().await;
        second.resigned().await
    })
    .await;
    assert!(store.list(&path().candidates()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_frozen_leader_knows_when_it_wakes() {
    let store = MemoryStore::new();
    let election = Election::run(cluster(&store), SentinelUid::new("s1"), CancellationToken::new());
    leads(&store, &election).await;
    let term = election.leadership().borrow().term();
    // No other task has run since.
    store.advance(21 * SECOND);
    assert_eq!(election.leads(), None);
    assert_eq!(election.leadership().borrow().term(), term, "the channel is late");
    let mut leadership = election.leadership();
    let again = leadership.wait_for(|leadership| leadership.term() > term);
    soon("another term", again).await.unwrap();
}

#[tokio::test]
async fn a_failed_campaign_leaves_no_candidate_behind() {
    for lost in 1..4 {
        let store = MemoryStore::new();
        let client = store.client();
        client.faults().lose_answers(lost);
        let shutdown = CancellationToken::new();
        let election = Election::run(cluster(&client), SentinelUid::new("s1"), shutdown.clone());
        let mut leadership = election.leadership();
        let gained = leadership.wait_for(|leadership| *leadership != Leadership::Not);
        soon("the leadership, without any lease expiring", gained).await.unwrap();
        assert_eq!(store.list(&path().candidates()).await.unwrap().entries.len(), 1);
        shutdown.cancel();
        soon("the resignation", election.resigned()).await;
        assert!(store.list(&path().candidates()).await.unwrap().entries.is_empty());
    }
}

#[tokio::test]
async fn a_publisher_keeps_its_key_and_lets_it_go() {
    let store = MemoryStore::new();
    let client = store.client();
    let key = InfoKey::Sentinel(SentinelUid::new("s1"));
    let publisher = Publisher::new(cluster(&client), &key, Duration::from_millis(1500));
    let info = SentinelInfo { uid: SentinelUid::new("s1") };
    publisher.publish(&info).await.unwrap();
    let name = path().info(&key);
    let_pass(&store, 120).await;
    assert!(store.get(&name).await.unwrap().is_some());

    client.faults().set_unavailable(true);
    let_pass(&store, 17).await;
    assert!(store.get(&name).await.unwrap().is_some(), "{SHORTEST_INFO_TTL:?} at least");
    let_pass(&store, 4).await;
    assert_eq!(store.get(&name).await.unwrap(), None);

    client.faults().set_unavailable(false);
    let_pass(&store, 2).await;
    assert!(store.get(&name).await.unwrap().is_some(), "published again");
}
