//! The election of a leader.

use crate::world::{World, path, soon};
use stolon_model::cluster::{ClusterData, FORMAT_VERSION};
use stolon_model::uid::SentinelUid;
use stolon_store::{
    ClusterStore, Election, Expected, LeaderKey, LeaderSwap, Leadership, LeaseId, Listing,
};
use tokio_util::sync::CancellationToken;

/// A sentinel that does nothing but stand for election.
struct Sentinel {
    store: ClusterStore,
    election: Election,
    shutdown: CancellationToken,
}

impl Sentinel {
    async fn start(world: &World, uid: &str) -> Self {
        let store = world.cluster().await;
        let shutdown = CancellationToken::new();
        let uid = SentinelUid::new(uid);
        let election = Election::run(store.clone(), uid, shutdown.clone());
        Self { store, election, shutdown }
    }

    /// Starts one and waits until it stands in the queue, which decides the order.
    async fn queue(world: &World, uid: &str) -> Self {
        let sentinel = Self::start(world, uid).await;
        world
            .until("the candidate's key", async || {
                let values = queue(world).await.entries.into_iter().map(|entry| entry.value);
                values.into_iter().any(|value| value == uid.as_bytes()).then_some(())
            })
            .await;
        sentinel
    }

    async fn leads(&self, world: &World) -> (u64, LeaderKey) {
        let leadership = self.election.leadership();
        world
            .until("the leadership", async || match &*leadership.borrow() {
                Leadership::Leader { term, key, .. } => Some((*term, key.clone())),
                Leadership::Not => None,
            })
            .await
    }

    async fn resign(self) {
        self.shutdown.cancel();
        soon("the resignation", self.election.resigned()).await;
    }
}

async fn queue(world: &World) -> Listing {
    let prefix = "stolon/cluster/test/sentinel-leader/";
    world.cluster().await.store().list(prefix).await.unwrap()
}

async fn leader(world: &World) -> Option<SentinelUid> {
    world.cluster().await.leader().await.unwrap()
}

pub async fn a_lone_candidate_leads(world: World) {
    let sentinel = Sentinel::start(&world, "s1").await;
    let (term, key) = sentinel.leads(&world).await;
    assert_eq!(sentinel.election.leads(), Some(key.clone()));
    let candidates = queue(&world).await.entries;
    let [candidate] = candidates.as_slice() else { panic!("{candidates:?}") };
    let lease = candidate.lease.expect("bound to a lease");
    let hexadecimal = format!("{:x}", lease.0);
    assert_eq!(candidate.key, format!("stolon/cluster/test/sentinel-leader/{hexadecimal}"));
    assert_eq!((&candidate.key, candidate.created), (&key.key, key.created));
    assert_eq!(i64::try_from(term).unwrap(), key.created.0);
    assert_eq!(candidate.value, b"s1");
    assert_eq!(leader(&world).await, Some(SentinelUid::new("s1")));
}

pub async fn candidates_lead_in_the_order_they_came(world: World) {
    let mut sentinels = Vec::new();
    for uid in ["s1", "s2", "s3"] {
        sentinels.push((uid, Sentinel::queue(&world, uid).await));
    }
    let mut terms = Vec::new();
    while !sentinels.is_empty() {
        let (uid, first) = sentinels.remove(0);
        terms.push(first.leads(&world).await.0);
        assert_eq!(leader(&world).await, Some(SentinelUid::new(uid)));
        for (_, waiting) in &sentinels {
            assert_eq!(waiting.election.leads(), None);
        }
        first.resign().await;
    }
    assert!(terms.is_sorted_by(|earlier, later| earlier < later), "{terms:?}");
    assert_eq!(leader(&world).await, None);
}

pub async fn go_defect_leader_key_left_at_exit(world: World) {
    let sentinel = Sentinel::start(&world, "s1").await;
    let (_, key) = sentinel.leads(&world).await;
    let lease = queue(&world).await.entries[0].lease.unwrap();
    sentinel.resign().await;
    let store = world.store().await;
    assert_eq!(store.get(&key.key).await.unwrap(), None);
    assert!(store.keep_alive(lease).await.is_err(), "the lease is revoked");
}

pub async fn a_revoked_leader_is_elected_again(world: World) {
    let sentinel = Sentinel::start(&world, "s1").await;
    let (first, key) = sentinel.leads(&world).await;
    let mut leadership = sentinel.election.leadership();
    leadership.mark_unchanged();
    let lease = queue(&world).await.entries[0].lease.unwrap();
    world.store().await.revoke(lease).await.unwrap();
    soon("the loss", leadership.changed()).await.unwrap();
    world
        .until("another term", async || leadership.borrow().term().filter(|term| *term > first))
        .await;
    assert_ne!(sentinel.election.leads(), Some(key));
    assert_eq!(queue(&world).await.entries.len(), 1);
}

pub async fn a_deleted_leader_key_ends_the_leadership(world: World) {
    let (first, second) =
        (Sentinel::queue(&world, "s1").await, Sentinel::queue(&world, "s2").await);
    let (_, key) = first.leads(&world).await;
    let mut leadership = first.election.leadership();
    leadership.mark_unchanged();
    assert!(world.store().await.delete(&key.key).await.unwrap());
    soon("the loss", leadership.changed()).await.unwrap();
    second.leads(&world).await;
    world
        .until("the first one at the end of the queue", async || {
            (queue(&world).await.entries.len() == 2).then_some(())
        })
        .await;
    assert_eq!(leader(&world).await, Some(SentinelUid::new("s2")));
    assert_eq!(first.election.leads(), None);
}

pub async fn a_waiting_candidate_may_leave(world: World) {
    let (first, second, third) = (
        Sentinel::queue(&world, "s1").await,
        Sentinel::queue(&world, "s2").await,
        Sentinel::queue(&world, "s3").await,
    );
    first.leads(&world).await;
    second.resign().await;
    assert_eq!(queue(&world).await.entries.len(), 2);
    assert_eq!(leader(&world).await, Some(SentinelUid::new("s1")));
    first.resign().await;
    third.leads(&world).await;
}

pub async fn a_zombie_writes_nothing(world: World) {
    let (first, second) =
        (Sentinel::queue(&world, "s1").await, Sentinel::queue(&world, "s2").await);
    let (_, key) = first.leads(&world).await;
    let data = ClusterData { format_version: FORMAT_VERSION, ..ClusterData::default() };
    let swap = first.store.swap_cluster_data_as_leader(&data, Expected::Absent, &key);
    let LeaderSwap::Done(revision) = swap.await.unwrap() else { panic!("the leader writes") };

    let lease = LeaseId(i64::from_str_radix(key.key.rsplit('/').next().unwrap(), 16).unwrap());
    world.store().await.revoke(lease).await.unwrap();
    second.leads(&world).await;
    let expected = Expected::Revision(revision);
    let swap = first.store.swap_cluster_data_as_leader(&data, expected, &key).await;
    assert_eq!(swap.unwrap(), LeaderSwap::NotLeader);
    assert_eq!(first.store.cluster_data().await.unwrap().revision, Some(revision));
}

/// A Go sentinel that came first stands in the way until its key is gone, whatever the name of the key.
pub async fn the_oldest_key_leads_whoever_put_it(world: World) {
    let store = world.store().await;
    let foreign = format!("{}zzzz", path().candidates());
    store.put(&foreign, b"go".to_vec(), None).await.unwrap();
    let sentinel = Sentinel::queue(&world, "s1").await;
    assert_eq!(leader(&world).await, Some(SentinelUid::new("go")));
    assert_eq!(sentinel.election.leads(), None);
    // Its value written again keeps its place.
    store.put(&foreign, b"go2".to_vec(), None).await.unwrap();
    assert_eq!(leader(&world).await, Some(SentinelUid::new("go2")));
    store.delete(&foreign).await.unwrap();
    sentinel.leads(&world).await;
    assert_eq!(leader(&world).await, Some(SentinelUid::new("s1")));
}
