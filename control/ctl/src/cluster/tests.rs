//! Changes of the spec while others write.

use super::*;
use std::sync::Arc;
use stolon_model::time::GoTime;
use stolon_store::ClusterPath;
use stolon_store::memory::MemoryStore;

fn path() -> ClusterPath {
    ClusterPath::new("stolon/cluster", "test")
}

async fn initialized() -> MemoryStore {
    let memory = MemoryStore::new();
    let spec = ClusterSpec { init_mode: Some("new".into()), ..ClusterSpec::default() };
    let data = ClusterData::initial("c0ffee00".into(), spec, GoTime::default());
    cluster(&memory).put_cluster_data(&data).await.unwrap();
    memory
}

fn cluster(memory: &MemoryStore) -> ClusterStore {
    ClusterStore::new(Arc::new(memory.client()), path())
}

/// Somebody else writes the cluster data once more, on a thread of their own.
fn interfere(memory: &MemoryStore) {
    rewrite(memory, |_| {});
}

/// Somebody else makes a db the master's.
fn elect(memory: &MemoryStore) {
    rewrite(memory, |data| {
        data.cluster.as_mut().unwrap().status.master = "db0".into();
    });
}

fn rewrite(memory: &MemoryStore, change: impl FnOnce(&mut ClusterData) + Send + 'static) {
    let other = cluster(memory);
    let write = async move {
        let mut data = other.cluster_data().await.unwrap().value.unwrap();
        change(&mut data);
        other.put_cluster_data(&data).await.unwrap();
    };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime().block_on(write)).join().unwrap();
}

/// Changes the spec while others come between the reading and the writing `times` times.
async fn change_against(times: usize) -> (anyhow::Result<()>, usize, Option<u16>) {
    let memory = initialized().await;
    let mut attempts = 0;
    let store = cluster(&memory);
    let changed = change_spec(&store, |spec| {
        attempts += 1;
        if attempts <= times {
            interfere(&memory);
        }
        Ok(Some(ClusterSpec { max_standbys: Some(7), ..spec.clone() }))
    })
    .await;
    let stored = read(&store).await.unwrap().spec().unwrap().max_standbys;
    (changed, attempts, stored)
}

#[tokio::test]
async fn a_change_is_tried_ten_times() {
    for times in [0, 1, 2, 9] {
        let (changed, attempts, stored) = change_against(times).await;
        changed.unwrap();
        assert_eq!((attempts, stored), (times + 1, Some(7)));
    }
    let (changed, attempts, stored) = change_against(10).await;
    let error = changed.unwrap_err().to_string();
    assert_eq!(error, "failed to update cluster data after 10 retries");
    assert_eq!((attempts, stored), (10, None));
}

#[tokio::test]
async fn a_change_of_keepers_is_tried_ten_times_with_all_checks() {
    let memory = initialized().await;
    let store = cluster(&memory);
    let mut attempts = 0;
    let failed = change_keepers(&store, |data| {
        attempts += 1;
        data.keepers.clear();
        interfere(&memory);
        Ok(())
    })
    .await;
    assert_eq!(
        failed.unwrap_err().to_string(),
        "cannot update cluster data: Unable to complete atomic operation, key modified"
    );
    assert_eq!(attempts, 10);

    // The others took away what the change needs.
    let other = memory.clone();
    let failed = change_keepers(&store, |data| {
        if data.cluster.as_ref().is_some_and(|cluster| cluster.status.master.is_empty()) {
            elect(&other);
            return Ok(());
        }
        anyhow::bail!("it is the master's")
    })
    .await;
    assert_eq!(failed.unwrap_err().to_string(), "it is the master's");
}

#[tokio::test]
async fn no_change_writes_nothing() {
    let memory = initialized().await;
    let store = cluster(&memory);
    let before = store.cluster_data().await.unwrap();
    change_spec(&store, |_| Ok(None)).await.unwrap();
    assert_eq!(store.cluster_data().await.unwrap(), before);
}

#[tokio::test]
async fn a_lost_answer_is_an_error() {
    let memory = initialized().await;
    let client = memory.client();
    let store = ClusterStore::new(Arc::new(client.clone()), path());
    let checked = read(&store).await.unwrap();
    client.faults().lose_answers(1);
    let error = checked.write(&store).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot update cluster data: the store did not "), "{error}");
}
