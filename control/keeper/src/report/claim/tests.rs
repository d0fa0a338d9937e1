use super::*;
use std::sync::Arc;
use stolon_model::info::PostgresState;
use stolon_store::memory::MemoryStore;
use stolon_store::{ClusterPath, Publisher};

fn info(boot_uuid: &str, db: &str) -> KeeperInfo {
    KeeperInfo {
        uid: "k1".into(),
        boot_uuid: BootUuid::new(boot_uuid),
        postgres_state: Some(PostgresState { uid: DbUid::new(db), ..PostgresState::default() }),
        ..KeeperInfo::default()
    }
}

fn key() -> InfoKey {
    InfoKey::Keeper("k1".into())
}

fn store(memory: &MemoryStore) -> ClusterStore {
    ClusterStore::new(Arc::new(memory.client()), ClusterPath::new("stolon/cluster", "test"))
}

const STEP: Duration = Duration::from_millis(50);

/// Lets the store's clock go on, much faster than the wall's, for as long as it is waited for.
async fn time_passes(memory: &MemoryStore) {
    loop {
        tokio::time::sleep(Duration::from_millis(1)).await;
        memory.advance(STEP);
    }
}

fn now(memory: &MemoryStore) -> Mono {
    store(memory).store().clock().now()
}

/// A claim of the boot UUID `new` with data of the db `d2`, in a cluster whose `sleepInterval` is 5 s.
async fn claim(memory: &MemoryStore) -> Result<(), UidInUse> {
    let store = store(memory);
    let claim =
        Claim { store: &store, db: DbUid::new("d2"), sleep_interval: Duration::from_secs(5) };
    let info = info("new", "d2");
    tokio::select! {
        claimed = claim.take(&info) => claimed.unwrap(),
        () = time_passes(memory) => unreachable!("time does not end"),
    }
}

async fn boot_uuid(memory: &MemoryStore) -> String {
    let entry = store(memory).info(&key()).await.unwrap().unwrap();
    json::decode::<KeeperInfo>(&entry.value).unwrap().boot_uuid.to_string()
}

/// An info of `boot_uuid`, of the db `d1`, whose lease nobody renews.
async fn abandoned(memory: &MemoryStore, db: &str) {
    let store = store(memory);
    let lease = store.store().grant(SHORTEST_INFO_TTL).await.unwrap();
    let written = store.swap_info(&key(), None.into(), &info("old", db), lease.id).await.unwrap();
    assert!(matches!(written, Swap::Done(_)));
}

#[tokio::test]
async fn a_free_uid_is_claimed_at_once() {
    let memory = MemoryStore::new();
    let begun = now(&memory);
    claim(&memory).await.unwrap();
    assert_eq!(boot_uuid(&memory).await, "new");
    assert!(now(&memory).since(begun) < PAUSE);

    // So it is when the record tells of our own data.
    let memory = MemoryStore::new();
    abandoned(&memory, "d2").await;
    let begun = now(&memory);
    claim(&memory).await.unwrap();
    assert_eq!(boot_uuid(&memory).await, "new");
    assert!(now(&memory).since(begun) < PAUSE);
}

#[tokio::test]
async fn a_living_keeper_of_ours_is_seen_within_two_seconds() {
    let memory = MemoryStore::new();
    let publisher = Publisher::new(store(&memory), &key(), SHORTEST_INFO_TTL);
    publisher.publish(&info("old", "d1")).await.unwrap();
    let begun = now(&memory);
    let error = claim(&memory).await.unwrap_err().to_string();
    let took = now(&memory).since(begun);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(
        error,
        "keeper uid \"k1\" is in use by another running keeper (boot UUID old); give this one another --uid, or stop that \
         one first"
    );
    assert_eq!(boot_uuid(&memory).await, "old");
}

#[tokio::test]
async fn a_living_keeper_of_stolon_is_seen_when_it_writes() {
    let memory = MemoryStore::new();
    abandoned(&memory, "d1").await;
    let other = memory.clone();
    tokio::spawn(async move {
        let store = store(&other);
        let clock = store.store().clock();
        clock.sleep_until(clock.now().plus(Duration::from_secs(5))).await;
        let lease = store.store().grant(SHORTEST_INFO_TTL).await.unwrap();
        let read = store.info(&key()).await.unwrap().map(|entry| entry.revision);
        let _ = store.swap_info(&key(), read.into(), &info("old", "d1"), lease.id).await.unwrap();
    });
    assert!(claim(&memory).await.is_err());
    assert_eq!(boot_uuid(&memory).await, "old");
}

#[tokio::test]
async fn a_dead_keepers_uid_is_claimed_when_it_would_have_been_renewed() {
    let memory = MemoryStore::new();
    abandoned(&memory, "d1").await;
    let begun = now(&memory);
    claim(&memory).await.unwrap();
    assert_eq!(boot_uuid(&memory).await, "new");
    let took = now(&memory).since(begun);
    assert!(took < Duration::from_secs(8), "{took:?}");

    // One that has been dead for that long is not waited for.
    let memory = MemoryStore::new();
    abandoned(&memory, "d1").await;
    memory.advance(Duration::from_secs(9));
    let begun = now(&memory);
    claim(&memory).await.unwrap();
    assert!(now(&memory).since(begun) < PAUSE);
}

#[tokio::test]
async fn of_two_that_claim_at_once_one_gets_it() {
    let memory = MemoryStore::new();
    // Ends when it is refused.
    let contend = async |boot_uuid: &str| {
        let store = store(&memory);
        let claim =
            Claim { store: &store, db: DbUid::default(), sleep_interval: Duration::from_secs(5) };
        let info = info(boot_uuid, "");
        if claim.take(&info).await.unwrap().is_ok() {
            let publisher = Publisher::new(store.clone(), &key(), SHORTEST_INFO_TTL);
            publisher.publish(&info).await.unwrap();
            std::future::pending::<()>().await;
        }
    };
    let winner = tokio::select! {
        () = contend("a") => "b",
        () = contend("b") => "a",
        () = time_passes(&memory) => unreachable!("time does not end"),
    };
    assert_eq!(boot_uuid(&memory).await, winner);
}
