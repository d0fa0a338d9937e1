//! The loop: wake, read the cluster data, look, plan, execute, and again until nothing is left to do.

mod pass;

use crate::follow::Follower;
use crate::instance::Instance;
use crate::message::Journal;
use crate::metrics::Metrics;
use crate::pace::{Outcome, Pace};
use crate::postgres::postmaster::Child;
use crate::report::Wanted;
use std::sync::Arc;
use stolon_daemon::Readiness;
use stolon_model::cluster::Role;
use stolon_model::plan::{Desired, Memory};
use stolon_model::uid::ClusterUid;
use stolon_store::WakeStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The loop and what it remembers.
#[derive(Debug)]
pub struct Keeper {
    instance: Arc<Instance>,
    follower: Follower,
    wake: WakeStream,
    child: watch::Receiver<Child>,
    wanted: watch::Sender<Wanted>,
    acted: Arc<Notify>,
    metrics: Metrics,
    readiness: Readiness,
    shutdown: CancellationToken,
    memory: Memory,
    journal: Journal,
    pace: Pace,
    counted: Counted,
    /// Whether this process has seen cluster data yet, or seen that there are none.
    is_settled_in: bool,
    /// Whether a wake came in the middle of a pass and has not been followed by a reading since.
    is_stale: bool,
}

/// What the loop works with.
#[derive(Debug)]
pub struct Parts {
    /// The instance.
    pub instance: Arc<Instance>,
    /// Reads the cluster data.
    pub follower: Follower,
    /// Wakes when they may have changed.
    pub wake: WakeStream,
    /// Where to say what matters for reporting.
    pub wanted: watch::Sender<Wanted>,
    /// Notified when something was done to the instance.
    pub acted: Arc<Notify>,
    /// The metrics.
    pub metrics: Metrics,
    /// What `/readyz` says.
    pub readiness: Readiness,
    /// Ends the loop.
    pub shutdown: CancellationToken,
}

/// What has been added to counters already.
#[derive(Debug, Default)]
struct Counted {
    deaths: u64,
    watch_restarts: u64,
}

/// The data directory holds data of another cluster than the one in the store.
#[derive(Debug, thiserror::Error)]
#[error(
    "data dir \"{data_dir}\" belongs to cluster {saved}, but the cluster in the store is {found}; give the data dir of this \
     cluster or an empty one to join it, or init the cluster with initMode existing to take these data over"
)]
pub struct WrongCluster {
    data_dir: String,
    saved: ClusterUid,
    found: ClusterUid,
}

impl Keeper {
    /// A loop that has not begun.
    pub fn new(parts: Parts) -> Self {
        let Parts { instance, follower, wake, wanted, acted, metrics, readiness, shutdown } = parts;
        Self {
            child: instance.postmaster.child(),
            instance,
            follower,
            wake,
            wanted,
            acted,
            metrics,
            readiness,
            shutdown,
            memory: Memory::default(),
            journal: Journal::default(),
            pace: Pace::new(Instant::now()),
            counted: Counted::default(),
            is_settled_in: false,
            is_stale: false,
        }
    }

    /// Runs until the keeper is told to end.
    pub async fn run(mut self) -> Result<(), WrongCluster> {
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                () = self.wake.woken() => {}
                Ok(()) = self.child.changed() => {
                    self.take_in_child();
                    if Instant::now() < self.pace.due() {
                        continue;
                    }
                }
                () = sleep_until(self.pace.due()), if !self.is_stale => {}
                () = std::future::ready(()), if self.is_stale => {}
            }
            self.count_watch_restarts();
            self.take_in_child();
            let outcome = self.pass().await?;
            if self.shutdown.is_cancelled() {
                return Ok(());
            }
            self.pace.pass_ended(Instant::now(), outcome, self.follower.interval());
            if let Outcome::Settled(_) = outcome {
                self.metrics.pass_succeeded();
            }
            match outcome {
                Outcome::Settled(_) => self.readiness.ready(),
                Outcome::Waiting => self
                    .readiness
                    .not_ready("waiting for the cluster data to assign a db that can run here"),
                Outcome::Failed | Outcome::FailedMaking => {
                    self.readiness.not_ready("the last action on PostgreSQL failed")
                }
                Outcome::StoreUnreadable => {
                    self.readiness.not_ready("the cluster data cannot be read")
                }
            }
        }
    }

    fn take_in_child(&mut self) {
        let deaths = self.child.borrow_and_update().deaths;
        if deaths > self.counted.deaths {
            self.metrics.postgres_deaths.increment(deaths - self.counted.deaths);
            self.counted.deaths = deaths;
            self.pace.server_died(Instant::now(), self.follower.interval());
        }
    }

    fn count_watch_restarts(&mut self) {
        let restarts = self.wake.restarts();
        self.metrics.watch_restarts.increment(restarts.saturating_sub(self.counted.watch_restarts));
        self.counted.watch_restarts = restarts;
    }

    /// Reads the cluster data and tells the reporting tasks what they want. `None` means that the store cannot be read.
    async fn read(&mut self) -> Result<Option<Desired>, WrongCluster> {
        let Some(desired) = self.follower.read().await else { return Ok(None) };
        self.refuse_other_cluster(&desired)?;
        let db = desired.db();
        let role = db.and_then(|db| db.spec.role).unwrap_or(Role::Undefined);
        let synchronous = db
            .filter(|db| role == Role::Master && db.spec.synchronous_replication)
            .and_then(|db| db.spec.synchronous_standbys.as_ref());
        self.metrics.target_role(role);
        let wanted = Wanted {
            sleep_interval: self.follower.interval(),
            parameters: db.map(|db| db.spec.pg_parameters.clone()).unwrap_or_default(),
            synchronous_standbys: synchronous.into_iter().flatten().cloned().collect(),
            role,
        };
        self.wanted.send_if_modified(|current| {
            let is_new = *current != wanted;
            *current = wanted;
            is_new
        });
        Ok(Some(desired))
    }

    /// A running keeper follows its cluster through a new `init`; one that is started with data of another cluster does not.
    fn refuse_other_cluster(&mut self, desired: &Desired) -> Result<(), WrongCluster> {
        if let Desired::Unusable { .. } = desired {
            return Ok(());
        }
        let is_first = !std::mem::replace(&mut self.is_settled_in, true);
        let has_data = !self.instance.states.db().uid.is_empty();
        let saved = self.instance.states.keeper().cluster_uid;
        match desired.foreign_to(&saved) {
            Some(found) if is_first && has_data => Err(WrongCluster {
                data_dir: self.instance.data_dir.path().display().to_string(),
                found: found.clone(),
                saved,
            }),
            _ => Ok(()),
        }
    }
}
