//! Where a scenario takes place.

use crate::etcd_server::EtcdCluster;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use stolon_store::memory::MemoryStore;
use stolon_store::{ClusterPath, ClusterStore, Store};
use tokio::time::Instant;

/// How long a state may take to come, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

/// The shortest lease that etcd grants with its default election timeout.
pub const SHORT_TTL: Duration = Duration::from_secs(2);

pub enum World {
    Memory(MemoryStore),
    Etcd(EtcdCluster),
}

impl World {
    pub fn memory() -> Self {
        Self::Memory(MemoryStore::new())
    }

    pub async fn etcd() -> Self {
        Self::Etcd(EtcdCluster::start(1).await)
    }

    /// A new client of the store.
    pub async fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::new(store.client()),
            Self::Etcd(cluster) => cluster.store().await,
        }
    }

    /// A new client of the one cluster in the store.
    pub async fn cluster(&self) -> ClusterStore {
        ClusterStore::new(self.store().await, path())
    }

    /// Waits until `look` sees something. Time passes meanwhile, in memory faster than outside.
    pub async fn until<T, F, R>(&self, what: &str, mut look: F) -> T
    where
        F: FnMut() -> R,
        R: Future<Output = Option<T>>,
    {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            assert!(Instant::now() < deadline, "not seen in {PATIENCE:?}: {what}");
            self.tick().await;
        }
    }

    /// Lets a little time pass.
    pub async fn tick(&self) {
        match self {
            Self::Memory(store) => {
                store.advance(Duration::from_millis(100));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Self::Etcd(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

pub fn path() -> ClusterPath {
    ClusterPath::new("stolon/cluster", "test")
}

/// Ends a wait that should not be one.
pub async fn soon<R: Future>(what: &str, wait: R) -> R::Output {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(output) => output,
        Err(_) => panic!("not in {PATIENCE:?}: {what}"),
    }
}
