//! Passes over the store in memory: what is written, and what is not when something goes wrong.

use super::{Outcome, Pass};
use serde_json::json;
use std::sync::Arc;
use stolon_model::cluster::ClusterData;
use stolon_model::decide::Observer;
use stolon_model::json;
use stolon_model::spec::ClusterSpec;
use stolon_model::uid::SentinelUid;
use stolon_store::memory::MemoryStore;
use stolon_store::{ClusterPath, ClusterStore, Election, LeaderKey, Store as _};
use tokio_util::sync::CancellationToken;

/// A cluster in a store of its own, with a sentinel that leads it.
struct Bench {
    memory: MemoryStore,
    store: ClusterStore,
    election: Election,
    observer: Observer,
    spec: ClusterSpec,
}

impl Bench {
    async fn new() -> Self {
        let memory = MemoryStore::new();
        let store = ClusterStore::new(Arc::new(memory.clone()), ClusterPath::new("stolon", "c"));
        let shutdown = CancellationToken::new();
        let election = Election::run(store.clone(), SentinelUid::new("s1"), shutdown);
        let mut leadership = election.leadership();
        leadership.wait_for(|leadership| leadership.term().is_some()).await.unwrap();
        let spec = json::decode(br#"{"initMode":"new"}"#).unwrap();
        Self { memory, store, election, observer: Observer::default(), spec }
    }

    fn leader(&self) -> LeaderKey {
        self.election.leads().unwrap()
    }

    async fn pass(&mut self, leader: Option<LeaderKey>) -> Outcome {
        let pass = Pass {
            store: &self.store,
            term: leader.as_ref().map(|_| 1),
            leader,
            initial_spec: Some(&self.spec),
            seed: 7,
        };
        pass.run(&mut self.observer).await
    }

    /// A pass as leader that came to its end; the labels of its reasons.
    async fn lead(&mut self) -> Vec<&'static str> {
        let leader = self.leader();
        match self.pass(Some(leader)).await {
            Outcome::Done(_, reasons) => reasons.iter().map(|reason| reason.label).collect(),
            Outcome::Failed(trouble) => panic!("{trouble:?}"),
            Outcome::Overtaken | Outcome::Deposed => panic!("nobody else writes"),
        }
    }

    async fn data(&self) -> ClusterData {
        self.store.cluster_data().await.unwrap().value.unwrap()
    }

    async fn put(&self, name: &str, value: impl Into<Vec<u8>>) {
        let key = format!("stolon/c/{name}");
        self.memory.put(&key, value.into(), None).await.unwrap();
    }

    /// A keeper publishes.
    async fn publish(&self, keeper: &str, number: u32) {
        let cluster = self.data().await.cluster.unwrap().uid;
        let info = json!({
            "infoUID": number.to_string(), "uid": keeper, "clusterUID": cluster, "bootUUID": "boot"
        });
        self.put(&format!("keepers/info/{keeper}"), info.to_string()).await;
    }
}

#[tokio::test]
async fn the_first_cluster_data_needs_no_leadership_and_is_made_once() {
    let mut bench = Bench::new().await;
    assert!(matches!(bench.pass(None).await, Outcome::Done(..)));
    let first = bench.data().await;
    assert!(first.keepers.is_empty() && first.cluster.is_some());
    assert!(matches!(bench.pass(None).await, Outcome::Done(..)));
    assert_eq!(bench.data().await, first);
}

#[tokio::test]
async fn a_leader_takes_a_keeper_in_and_makes_it_master() {
    let mut bench = Bench::new().await;
    bench.lead().await;
    assert_eq!(bench.lead().await, ["find_initial_master", "no_keepers"]);
    bench.publish("k0", 1).await;
    assert_eq!(bench.lead().await, ["find_initial_master", "initializing"]);
    let data = bench.data().await;
    assert!(data.keepers.contains_key(&"k0".into()));
    assert!(data.dbs.contains_key(&data.cluster.unwrap().status.master));
}

#[tokio::test]
async fn one_who_does_not_lead_only_looks() {
    let mut bench = Bench::new().await;
    bench.lead().await;
    bench.publish("k0", 1).await;
    let before = bench.data().await;
    assert!(matches!(bench.pass(None).await, Outcome::Done(decided, _) if decided.is_usable));
    assert_eq!(bench.data().await, before);
}

#[tokio::test]
async fn a_leader_whose_key_is_gone_writes_nothing() {
    let mut bench = Bench::new().await;
    bench.lead().await;
    bench.lead().await;
    bench.publish("k0", 1).await;
    let before = bench.data().await;
    let leader = bench.leader();
    bench.memory.delete(&leader.key).await.unwrap();
    assert!(matches!(bench.pass(Some(leader)).await, Outcome::Deposed));
    assert_eq!(bench.data().await, before);
}

#[tokio::test]
async fn cluster_data_that_cannot_be_understood_is_left_as_it_is() {
    for garbage in ["not JSON", "{\"formatVersion\":1,\"clu", "[]", ""] {
        let mut bench = Bench::new().await;
        bench.put("clusterdata", garbage).await;
        let leader = bench.leader();
        let outcome = bench.pass(Some(leader)).await;
        let Outcome::Failed(trouble) = outcome else { panic!("garbage was taken: {garbage}") };
        assert_eq!(trouble.message, "error retrieving cluster data");
        let entry = bench.memory.get("stolon/c/clusterdata").await.unwrap().unwrap();
        assert_eq!(entry.value, garbage.as_bytes());
    }
}

#[tokio::test]
async fn another_format_is_left_as_it_is() {
    let mut bench = Bench::new().await;
    let other = r#"{"formatVersion":2}"#;
    bench.put("clusterdata", other).await;
    assert_eq!(bench.lead().await, ["unsupported_format"]);
    let entry = bench.memory.get("stolon/c/clusterdata").await.unwrap().unwrap();
    assert_eq!(entry.value, other.as_bytes());
}

#[tokio::test]
async fn an_info_that_cannot_be_understood_hides_no_other() {
    let mut bench = Bench::new().await;
    bench.lead().await;
    bench.lead().await;
    bench.put("keepers/info/k7", "garbage").await;
    bench.put("proxies/info/p7", "{}").await;
    bench.publish("k0", 1).await;
    let labels = bench.lead().await;
    assert_eq!(labels.iter().filter(|label| **label == "unreadable_info").count(), 2);
    assert!(bench.data().await.keepers.contains_key(&"k0".into()));
}

#[tokio::test]
async fn a_store_that_fails_only_delays() {
    let mut bench = Bench::new().await;
    bench.lead().await;
    bench.lead().await;
    bench.publish("k0", 1).await;
    let before = bench.data().await;
    let leader = bench.leader();
    bench.memory.faults().fail_next(1);
    let outcome = bench.pass(Some(leader)).await;
    let Outcome::Failed(trouble) = outcome else { panic!("the store failed") };
    assert_eq!(trouble.message, "error retrieving cluster data");
    assert_eq!(bench.data().await, before);
    assert_eq!(bench.lead().await, ["find_initial_master", "initializing"]);
}

#[tokio::test]
async fn of_two_that_decide_on_the_same_reading_one_writes() {
    let mut bench = Bench::new().await;
    bench.lead().await;
    bench.lead().await;
    bench.publish("k0", 1).await;
    // Both read before either writes.
    bench.memory.faults().set_delay(std::time::Duration::from_millis(5));
    let mut other = bench.observer.clone();
    let known = other.clone();
    let pass = |seed| Pass {
        store: &bench.store,
        term: Some(1),
        leader: bench.election.leads(),
        initial_spec: None,
        seed,
    };
    let outcomes = tokio::join!(pass(1).run(&mut bench.observer), pass(2).run(&mut other));
    // Which of them is first depends on the clock of a busy machine.
    let (writer, overtaken) = match outcomes {
        (Outcome::Done(..), Outcome::Overtaken) => (&bench.observer, &other),
        (Outcome::Overtaken, Outcome::Done(..)) => (&other, &bench.observer),
        _ => panic!("one writes, and one is overtaken"),
    };
    assert_ne!(*writer, known);
    assert_ne!(writer, overtaken, "the one that was overtaken has seen nothing yet");
    assert_eq!(bench.data().await.dbs.len(), 1);
}
