//! Leases.

use crate::world::{SHORT_TTL, World, soon};
use stolon_store::lease::{KeptLease, LeaseEvent};
use stolon_store::{Lease, StoreError};

pub async fn keys_end_with_their_lease(world: World) {
    let store = world.store().await;
    let lease = store.grant(SHORT_TTL).await.unwrap();
    assert!(lease.ttl >= SHORT_TTL);
    store.put("bound", b"x".to_vec(), Some(lease.id)).await.unwrap();
    store.put("free", b"x".to_vec(), None).await.unwrap();
    assert_eq!(store.get("bound").await.unwrap().unwrap().lease, Some(lease.id));

    world
        .until("the key to vanish", async || {
            store.get("bound").await.unwrap().is_none().then_some(())
        })
        .await;
    assert!(store.get("free").await.unwrap().is_some());
}

pub async fn a_revoked_lease_takes_its_keys(world: World) {
    let store = world.store().await;
    let lease = store.grant(SHORT_TTL * 100).await.unwrap();
    for key in ["a", "b"] {
        store.put(key, b"x".to_vec(), Some(lease.id)).await.unwrap();
    }
    store.revoke(lease.id).await.unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    assert_eq!(store.get("b").await.unwrap(), None);
    store.revoke(lease.id).await.expect("to revoke it twice is no error");
}

pub async fn a_gone_lease_says_so(world: World) {
    let store = world.store().await;
    let Lease { id, .. } = store.grant(SHORT_TTL).await.unwrap();
    store.revoke(id).await.unwrap();
    let gone = StoreError::LeaseGone(id);
    assert_eq!(store.keep_alive(id).await.unwrap_err(), gone);
    assert_eq!(store.put("k", b"x".to_vec(), Some(id)).await.unwrap_err(), gone);
    let swap = store.compare_and_swap("k", None.into(), b"x".to_vec(), Some(id)).await;
    assert_eq!(swap.unwrap_err(), gone);
    assert_eq!(store.get("k").await.unwrap(), None);
}

pub async fn a_lease_tells_what_is_left_of_it(world: World) {
    let store = world.store().await;
    let lease = store.grant(SHORT_TTL * 3).await.unwrap();
    let left = async || store.time_to_live(lease.id).await.unwrap();
    let before = world
        .until("some of it to pass", async || {
            left().await.filter(|left| *left + SHORT_TTL <= lease.ttl)
        })
        .await;
    store.keep_alive(lease.id).await.unwrap();
    assert!(left().await.is_some_and(|left| left > before && left <= lease.ttl));
    store.revoke(lease.id).await.unwrap();
    assert_eq!(left().await, None);
}

pub async fn a_put_without_lease_frees_the_key(world: World) {
    let store = world.store().await;
    let lease = store.grant(SHORT_TTL * 100).await.unwrap();
    store.put("k", b"bound".to_vec(), Some(lease.id)).await.unwrap();
    store.put("k", b"free".to_vec(), None).await.unwrap();
    store.revoke(lease.id).await.unwrap();
    assert_eq!(store.get("k").await.unwrap().unwrap().value, b"free");
}

pub async fn a_kept_lease_outlives_its_ttl(world: World) {
    let store = world.store().await;
    let mut lease = KeptLease::grant(store.clone(), SHORT_TTL).await.unwrap();
    store.put("k", b"x".to_vec(), Some(lease.id())).await.unwrap();
    let clock = store.clock();
    let begun = clock.now();
    world
        .until("three times its time to live", async || {
            assert!(store.get("k").await.unwrap().is_some());
            (clock.now().since(begun) > SHORT_TTL * 3).then_some(())
        })
        .await;
    assert!(lease.valid_until().unwrap() > clock.now());
    assert_eq!(soon("a renewal", lease.event()).await, LeaseEvent::Renewed);

    lease.revoke().await.unwrap();
    assert_eq!(store.get("k").await.unwrap(), None);
}

pub async fn a_kept_lease_tells_its_end(world: World) {
    let store = world.store().await;
    let mut lease = KeptLease::grant(store.clone(), SHORT_TTL).await.unwrap();
    store.revoke(lease.id()).await.unwrap();
    let ended = async { while lease.event().await != LeaseEvent::Ended {} };
    let ticking = async {
        loop {
            world.tick().await;
        }
    };
    soon("its end", async {
        tokio::select! { () = ended => {}, () = ticking => {} }
    })
    .await;
    assert_eq!(lease.valid_until(), None);
}
