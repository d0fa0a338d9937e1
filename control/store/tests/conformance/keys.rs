//! Keys and revisions.

use crate::world::World;
use stolon_store::{Expected, LeaderKey, LeaderSwap, Swap};

fn done(swap: Swap) -> stolon_store::Revision {
    match swap {
        Swap::Done(revision) => revision,
        Swap::Conflict => panic!("a conflict"),
    }
}

pub async fn a_missing_key_is_none(world: World) {
    let store = world.store().await;
    assert_eq!(store.get("missing").await.unwrap(), None);
    assert!(!store.delete("missing").await.unwrap());
}

pub async fn a_put_key_reads_back(world: World) {
    let (store, other) = (world.store().await, world.store().await);
    let value = vec![0, 159, 146, 150, b'"', b'\n'];
    let first = store.put("a/key", value.clone(), None).await.unwrap();
    let entry = other.get("a/key").await.unwrap().unwrap();
    assert_eq!((entry.key.as_str(), &entry.value), ("a/key", &value));
    assert_eq!((entry.revision, entry.created, entry.lease), (first, first, None));

    let second = store.put("a/key", b"new".to_vec(), None).await.unwrap();
    assert!(second > first);
    let entry = other.get("a/key").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision, entry.created), (b"new".to_vec(), second, first));
    assert!(other.delete("a/key").await.unwrap());
    assert_eq!(store.get("a/key").await.unwrap(), None);
}

pub async fn swaps_compare_the_revision(world: World) {
    let store = world.store().await;
    let swap = |expected, value: &str| store.compare_and_swap("k", expected, value.into(), None);

    let nothing_there = Expected::Revision(stolon_store::Revision(1));
    assert_eq!(swap(nothing_there, "x").await.unwrap(), Swap::Conflict);
    let first = done(swap(Expected::Absent, "a").await.unwrap());
    assert_eq!(swap(Expected::Absent, "b").await.unwrap(), Swap::Conflict);
    let second = done(swap(Expected::Revision(first), "b").await.unwrap());
    assert_eq!(swap(Expected::Revision(first), "c").await.unwrap(), Swap::Conflict);

    let entry = store.get("k").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), (b"b".to_vec(), second));
}

pub async fn of_many_swaps_one_wins(world: World) {
    let store = world.store().await;
    let mut revision = store.put("k", b"start".to_vec(), None).await.unwrap();
    for round in 0..5 {
        let mut swaps = tokio::task::JoinSet::new();
        for n in 0..8 {
            let (store, expected) = (world.store().await, Expected::Revision(revision));
            let value = format!("{round}/{n}").into_bytes();
            swaps.spawn(async move {
                let swap = store.compare_and_swap("k", expected, value.clone(), None).await;
                (value, swap.unwrap())
            });
        }
        let outcomes = swaps.join_all().await;
        let won: Vec<_> =
            outcomes.iter().filter(|(_, swap)| matches!(swap, Swap::Done(_))).collect();
        assert_eq!(won.len(), 1);
        let entry = store.get("k").await.unwrap().unwrap();
        assert_eq!((&entry.value, Swap::Done(entry.revision)), (&won[0].0, won[0].1));
        revision = entry.revision;
    }
}

pub async fn a_key_made_again_is_another_one(world: World) {
    let store = world.store().await;
    let first = store.put("k", b"a".to_vec(), None).await.unwrap();
    store.delete("k").await.unwrap();
    let second = store.put("k", b"a".to_vec(), None).await.unwrap();
    let entry = store.get("k").await.unwrap().unwrap();
    assert_eq!(entry.created, second);
    let swap = store.compare_and_swap("k", Expected::Revision(first), b"b".to_vec(), None);
    assert_eq!(swap.await.unwrap(), Swap::Conflict);
}

pub async fn a_listing_has_the_prefix_only(world: World) {
    let store = world.store().await;
    for key in ["p/info/b", "p/info/a", "p/infox", "p/inf", "q"] {
        store.put(key, key.into(), None).await.unwrap();
    }
    let listing = store.list("p/info").await.unwrap();
    let keys: Vec<&str> = listing.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["p/info/a", "p/info/b", "p/infox"]);
    assert!(listing.entries.iter().all(|entry| entry.value == entry.key.as_bytes()));

    let last = store.put("q", b"later".to_vec(), None).await.unwrap();
    let empty = store.list("nothing").await.unwrap();
    assert_eq!((empty.entries, empty.revision), (Vec::new(), last));
}

pub async fn a_swap_as_leader_needs_the_leader_key(world: World) {
    let store = world.store().await;
    let created = store.put("leader", b"me".to_vec(), None).await.unwrap();
    let leader = LeaderKey { key: "leader".to_owned(), created };
    let swap = |expected, value: &str| {
        store.compare_and_swap_as_leader(&leader, "k", expected, value.into())
    };

    let LeaderSwap::Done(first) = swap(Expected::Absent, "a").await.unwrap() else {
        panic!("the leader writes")
    };
    assert_eq!(swap(Expected::Absent, "b").await.unwrap(), LeaderSwap::Conflict);
    store.put("leader", b"still me".to_vec(), None).await.unwrap();
    let LeaderSwap::Done(second) = swap(Expected::Revision(first), "b").await.unwrap() else {
        panic!("the leader key was not made anew")
    };
    store.delete("leader").await.unwrap();
    assert_eq!(swap(Expected::Revision(second), "c").await.unwrap(), LeaderSwap::NotLeader);
    store.put("leader", b"another".to_vec(), None).await.unwrap();
    assert_eq!(swap(Expected::Revision(second), "c").await.unwrap(), LeaderSwap::NotLeader);
    assert_eq!(store.get("k").await.unwrap().unwrap().value, b"b");
}
