//! What a process says of itself.

use crate::world::{World, path};
use stolon_model::info::SentinelInfo;
use stolon_model::uid::SentinelUid;
use stolon_store::publisher::SHORTEST_INFO_TTL;
use stolon_store::{Entry, InfoKey, Publisher, StoreError};

const KEY: &str = "stolon/cluster/test/sentinels/info/s1";

fn info(uid: &str) -> SentinelInfo {
    SentinelInfo { uid: SentinelUid::new(uid) }
}

async fn publisher(world: &World) -> Publisher {
    let key = InfoKey::Sentinel(SentinelUid::new("s1"));
    assert_eq!(path().info(&key), KEY);
    Publisher::new(world.cluster().await, &key, SHORTEST_INFO_TTL)
}

async fn published(world: &World) -> Option<Entry> {
    world.store().await.get(KEY).await.unwrap()
}

pub async fn publications_share_a_lease(world: World) {
    let publisher = publisher(&world).await;
    publisher.publish(&info("a")).await.unwrap();
    let first = published(&world).await.unwrap();
    let revision = publisher.publish(&info("b")).await.unwrap();
    let second = published(&world).await.unwrap();
    assert_eq!(first.value, b"{\"UID\":\"a\"}");
    assert_eq!((second.value, second.revision), (b"{\"UID\":\"b\"}".to_vec(), revision));
    assert!(first.lease.is_some());
    assert_eq!(first.lease, second.lease);
}

pub async fn a_lost_lease_is_replaced(world: World) {
    let publisher = publisher(&world).await;
    for value in ["a", "b"] {
        publisher.publish(&info(value)).await.unwrap();
        let lost = published(&world).await.unwrap();
        let clock = world.store().await.clock();
        let revoked = clock.now();
        world.store().await.revoke(lost.lease.unwrap()).await.unwrap();
        let restored = world.until("the key again", async || published(&world).await).await;
        assert!(clock.now().since(revoked).as_secs_f64() < 2.5, "restored late");
        assert_eq!(restored.value, lost.value);
        assert_ne!(restored.lease, lost.lease);
    }

    // Whoever publishes first after the loss takes the new lease.
    let lost = published(&world).await.unwrap().lease;
    world.store().await.revoke(lost.unwrap()).await.unwrap();
    publisher.publish(&info("c")).await.unwrap();
    let entry = published(&world).await.unwrap();
    assert_eq!(entry.value, b"{\"UID\":\"c\"}");
    assert_ne!(entry.lease, lost);
}

pub async fn a_revoked_publisher_leaves_nothing(world: World) {
    let publisher = publisher(&world).await;
    publisher.publish(&info("a")).await.unwrap();
    let lease = published(&world).await.unwrap().lease.unwrap();
    publisher.revoke().await;
    assert_eq!(published(&world).await, None);
    assert!(world.store().await.keep_alive(lease).await.is_err());
    let refused = publisher.publish(&info("b")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    assert_eq!(published(&world).await, None);
}
