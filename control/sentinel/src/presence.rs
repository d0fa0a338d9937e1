//! The sentinel as others see it: its info in the store, for as long as the cluster data is usable.

use crate::observe::failed;
use std::time::Duration;
use stolon_model::decide::Reason;
use stolon_model::info::SentinelInfo;
use stolon_model::uid::SentinelUid;
use stolon_store::{ClusterStore, InfoKey, Publisher};

/// Keeps the info. The publisher restores it by itself when its lease is lost, so it is put once.
#[derive(Debug)]
pub struct Presence {
    store: ClusterStore,
    uid: SentinelUid,
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    publisher: Publisher,
    ttl: Duration,
    is_published: bool,
}

impl Presence {
    /// Not shown yet.
    pub fn new(store: ClusterStore, uid: SentinelUid) -> Self {
        Self { store, uid, shown: None }
    }

    /// Shows the sentinel, for twice the time between passes after its last sign of life.
    pub async fn show(&mut self, sleep_interval: Duration) -> Result<(), Reason> {
        let ttl = sleep_interval.saturating_mul(2);
        if self.shown.as_ref().is_some_and(|shown| shown.ttl != ttl) {
            self.hide().await;
        }
        let shown = self.shown.get_or_insert_with(|| {
            let key = InfoKey::Sentinel(self.uid.clone());
            let publisher = Publisher::new(self.store.clone(), &key, ttl);
            Shown { publisher, ttl, is_published: false }
        });
        if !shown.is_published {
            let info = SentinelInfo { uid: self.uid.clone() };
            if let Err(error) = shown.publisher.publish(&info).await {
                return Err(failed("cannot update sentinel info", &error));
            }
            shown.is_published = true;
        }
        Ok(())
    }

    /// Takes the info away. Bounded by the publisher.
    pub async fn hide(&mut self) {
        if let Some(shown) = self.shown.take() {
            shown.publisher.revoke().await;
        }
    }
}
