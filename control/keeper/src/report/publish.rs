//! Publishes the keeper's info.

use super::Wanted;
use super::claim::{Claim, UidInUse};
use crate::instance::Instance;
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use stolon_model::info::{KeeperInfo, PostgresState};
use stolon_model::lsn::Lsn;
use stolon_model::uid::{BootUuid, InfoUid, KeeperUid, short_uid};
use stolon_store::{ClusterStore, InfoKey, Publisher, StoreError};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

/// The least time between two publications.
const LEAST: Duration = Duration::from_millis(50);
/// After a failed one.
const RETRY: Duration = Duration::from_millis(500);

/// The publishing task.
#[derive(Debug)]
pub struct Reporter {
    /// The instance.
    pub instance: Arc<Instance>,
    /// Where to publish.
    pub store: ClusterStore,
    /// The keeper.
    pub uid: KeeperUid,
    /// This run of it.
    pub boot_uuid: BootUuid,
    /// `--can-be-master`.
    pub can_be_master: bool,
    /// `--can-be-synchronous-replica`.
    pub can_be_synchronous_replica: bool,
    /// The cadence.
    pub wanted: watch::Receiver<Wanted>,
    /// The collected state.
    pub state: watch::Receiver<Option<PostgresState>>,
    /// For the counters.
    pub metrics: Metrics,
    /// For the uids of infos.
    pub rng: fastrand::Rng,
    /// Told when another process lives under our uid; nothing is published then.
    pub refused: Option<oneshot::Sender<UidInUse>>,
}

impl Reporter {
    /// Publishes until `shutdown`, then ends the lease.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut keeper_state = self.instance.states.watch_keeper();
        let mut publisher: Option<(Duration, Publisher)> = None;
        let mut published: Option<KeeperInfo> = None;
        let mut was_good = true;
        let mut due = Instant::now();
        loop {
            let info = self.info().await;
            let now = Instant::now();
            let is_news = published.as_ref().is_none_or(|last| is_news(last, &info));
            let sleep_interval = self.wanted.borrow_and_update().sleep_interval;
            if !info.cluster_uid.is_empty() && (is_news || now >= due) {
                let ttl = sleep_interval.max(stolon_store::publisher::SHORTEST_INFO_TTL);
                let (_, publisher) = match publisher.take() {
                    Some(current) if current.0 == ttl => publisher.insert(current),
                    _ => publisher.insert((ttl, self.publisher(ttl))),
                };
                let claimed = tokio::select! {
                    claimed = self.claim(&info, sleep_interval) => claimed,
                    () = shutdown.cancelled() => break,
                };
                let outcome = match claimed {
                    Ok(true) => publisher.publish(&info).await,
                    Ok(false) => break,
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok(_) => {
                        self.metrics.publications.increment(1);
                        // Measured from the start of this publication: the sentinel gives us exactly one interval.
                        due = now + sleep_interval * 4 / 5;
                        published = Some(info);
                        if !was_good {
                            info!("keeper info updated again");
                        }
                        was_good = true;
                    }
                    Err(error) => {
                        self.metrics.store_errors.increment(1);
                        if was_good {
                            error!(%error, "failed to update keeper info");
                        } else {
                            debug!(%error, "failed to update keeper info");
                        }
                        was_good = false;
                        published = None;
                        due = Instant::now() + RETRY;
                        tokio::select! {
                            () = sleep_until(due) => continue,
                            () = shutdown.cancelled() => break,
                        }
                    }
                }
            } else if info.cluster_uid.is_empty() {
                due = now + sleep_interval;
            }
            // Changes that come together go out together.
            tokio::select! {
                () = tokio::time::sleep(LEAST) => {}
                () = shutdown.cancelled() => break,
            }
            tokio::select! {
                () = sleep_until(due) => {}
                Ok(()) = self.state.changed() => {}
                Ok(()) = keeper_state.changed() => {}
                Ok(()) = self.wanted.changed() => due = due.min(Instant::now()),
                () = shutdown.cancelled() => break,
            }
        }
        if let Some((_, publisher)) = publisher {
            publisher.revoke().await;
        }
    }

    fn publisher(&self, ttl: Duration) -> Publisher {
        Publisher::new(self.store.clone(), &InfoKey::Keeper(self.uid.clone()), ttl)
    }

    /// Claims the uid before the first publication. False means that it is another's.
    async fn claim(
        &mut self,
        info: &KeeperInfo,
        sleep_interval: Duration,
    ) -> Result<bool, StoreError> {
        if self.refused.is_none() {
            return Ok(true);
        }
        let db = self.instance.states.db().uid;
        let claim = Claim { store: &self.store, db, sleep_interval }.take(info).await?;
        match (claim, self.refused.take()) {
            (Err(in_use), Some(refused)) => {
                // When nobody listens any more the keeper is ending.
                let _ = refused.send(in_use);
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    async fn info(&mut self) -> KeeperInfo {
        KeeperInfo {
            info_uid: InfoUid::new(short_uid(&mut self.rng)),
            uid: self.uid.clone(),
            cluster_uid: self.instance.states.keeper().cluster_uid,
            boot_uuid: self.boot_uuid.clone(),
            postgres_binary_version: self
                .instance
                .binaries
                .version()
                .await
                .map(Into::into)
                .unwrap_or_default(),
            postgres_state: self.state.borrow_and_update().clone(),
            can_be_master: Some(self.can_be_master),
            can_be_synchronous_replica: Some(self.can_be_synchronous_replica),
        }
    }
}

/// Whether the difference cannot wait for the next period. Positions in the WAL change all the time.
fn is_news(last: &KeeperInfo, next: &KeeperInfo) -> bool {
    let without_positions = |info: &KeeperInfo| {
        let mut info = info.clone();
        info.info_uid = InfoUid::default();
        if let Some(state) = &mut info.postgres_state {
            state.xlog_pos = Lsn::default();
            state.older_wal_file.clear();
        }
        info
    };
    without_positions(last) != without_positions(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_no_news_and_health_is() {
        let info = KeeperInfo {
            info_uid: InfoUid::new("1"),
            postgres_state: Some(PostgresState { healthy: true, ..PostgresState::default() }),
            ..KeeperInfo::default()
        };
        let mut next = info.clone();
        next.info_uid = InfoUid::new("2");
        next.postgres_state.as_mut().unwrap().xlog_pos = Lsn(7);
        assert!(!is_news(&info, &next));
        next.postgres_state.as_mut().unwrap().healthy = false;
        assert!(is_news(&info, &next));
    }
}
