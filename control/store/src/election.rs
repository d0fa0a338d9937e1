//! The election of the leader among the sentinels (reference, chapter 2.6): candidates queue by the create revision of
//! their keys, and the oldest leads. Wire compatible with etcd's own recipe.
//!
//! It does not fence: a write that only the leader may make goes through
//! [`crate::ClusterStore::swap_cluster_data_as_leader`].

mod candidate;
mod leadership;

use crate::cluster::ClusterStore;
use crate::error::StoreError;
use crate::lease::LeaseEvent;
use crate::store::{LeaderKey, WatchTarget};
use crate::wake::WakeStream;
use backon::{BackoffBuilder, ExponentialBuilder};
use candidate::{Candidate, Place};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use stolon_model::uid::SentinelUid;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use leadership::Leadership;

/// The time to live of a candidate (reference, chapter 2.6).
pub const CANDIDATE_TTL: Duration = Duration::from_secs(20);

/// The pauses between campaigns that failed.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pause before a candidate that could not read the queue reads it again.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// One sentinel's part in the election: a task that is a candidate until the shutdown token is cancelled, and resigns then.
#[derive(Debug)]
pub struct Election {
    store: ClusterStore,
    leadership: watch::Receiver<Leadership>,
    task: JoinHandle<()>,
}

impl Election {
    /// Stands for election as `uid` until `shutdown`.
    pub fn run(store: ClusterStore, uid: SentinelUid, shutdown: CancellationToken) -> Self {
        Self::run_with_ttl(store, uid, CANDIDATE_TTL, shutdown)
    }

    /// The same with another time to live, for tests of what happens at its end.
    pub fn run_with_ttl(
        store: ClusterStore,
        uid: SentinelUid,
        ttl: Duration,
        shutdown: CancellationToken,
    ) -> Self {
        let (sender, leadership) = watch::channel(Leadership::Not);
        let campaigns = Campaigns { store: store.clone(), uid, ttl, shutdown, leadership: sender };
        Self { store, leadership, task: tokio::spawn(campaigns.run()) }
    }

    /// Tells of every leadership gained and lost. Renewals are not told.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// The key by which this sentinel leads at this very moment by its own clock. A process that was frozen past its lease
    /// gets `None`, even before the election task had a chance to run.
    pub fn leads(&self) -> Option<LeaderKey> {
        let now = self.store.store().clock().now();
        self.leadership.borrow().leads_at(now).cloned()
    }

    /// Waits until the candidate has resigned after shutdown: its key is deleted and its lease revoked, as far as the store
    /// could be reached. Takes at most a few seconds.
    pub async fn resigned(mut self) {
        // An error means that the task panicked; it holds nothing then that the lease would not free.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Election {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Campaigns {
    store: ClusterStore,
    uid: SentinelUid,
    ttl: Duration,
    shutdown: CancellationToken,
    leadership: watch::Sender<Leadership>,
}

/// How a campaign ended.
enum End {
    Shutdown,
    Lost,
    Failed(StoreError),
}

/// What happens to a candidate.
enum Event {
    Shutdown,
    Lease(LeaseEvent),
    Woken,
    Looked(Result<Place, StoreError>),
}

impl Campaigns {
    async fn run(self) {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(SHORTEST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times();
        let mut pause = pauses.build();
        loop {
            info!("Trying to acquire sentinels leadership");
            let end = self.campaign().await;
            self.leadership.send_if_modified(|leadership| {
                std::mem::replace(leadership, Leadership::Not) != Leadership::Not
            });
            let wait = match end {
                End::Shutdown => return,
                End::Lost => {
                    pause = pauses.build();
                    SHORTEST_PAUSE
                }
                End::Failed(failure) => {
                    error!(error = %failure, "election loop error");
                    pause.next().unwrap_or(LONGEST_PAUSE)
                }
            };
            if self.shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    async fn campaign(&self) -> End {
        let entering = Candidate::enter(&self.store, &self.uid, self.ttl, &self.shutdown);
        let mut candidate = match entering.await {
            Ok(Some(candidate)) => candidate,
            Ok(None) => return End::Shutdown,
            Err(error) => return End::Failed(error),
        };
        let end = self.queue(&mut candidate).await;
        // Told before resigning, which takes time.
        self.leadership.send_if_modified(|leadership| {
            std::mem::replace(leadership, Leadership::Not) != Leadership::Not
        });
        candidate.withdraw().await;
        end
    }

    /// Waits for its turn and leads until the leadership ends. Reads the whole queue at every wake: whatever was missed, a
    /// candidate never waits for one that is gone, and sees at once when its own key is.
    async fn queue(&self, candidate: &mut Candidate) -> End {
        let clock = self.store.store().clock();
        let mut wakes = WakeStream::start(
            self.store.store().clone(),
            WatchTarget::Prefix(self.store.path().candidates()),
            self.shutdown.clone(),
        );
        // The first look is not left to the first wake, so that an election needs no watch to get on.
        let mut looking = Some(self.look(candidate, Duration::ZERO));
        loop {
            let event = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => Event::Shutdown,
                event = candidate.lease.event() => Event::Lease(event),
                place = async {
                    match looking.as_mut() {
                        Some(look) => look.await,
                        None => std::future::pending().await,
                    }
                } => Event::Looked(place),
                () = wakes.woken(), if looking.is_none() => Event::Woken,
            };
            match event {
                Event::Shutdown => return End::Shutdown,
                Event::Lease(LeaseEvent::Ended) => return End::Lost,
                Event::Woken => looking = Some(self.look(candidate, Duration::ZERO)),
                Event::Lease(LeaseEvent::Renewed) => self.renew(candidate),
                Event::Looked(Ok(Place::Gone)) => return End::Lost,
                Event::Looked(Ok(Place::Behind)) => looking = None,
                Event::Looked(Ok(Place::First)) => {
                    looking = None;
                    let Some(until) = candidate.lease.valid_until() else { return End::Lost };
                    if clock.now() >= until {
                        return End::Lost;
                    }
                    self.leadership.send_if_modified(|leadership| {
                        if *leadership != Leadership::Not {
                            return false;
                        }
                        *leadership = Leadership::gained(candidate.key.clone(), until);
                        true
                    });
                }
                // The candidate keeps its place while its lease lives: nothing is lost by looking again.
                Event::Looked(Err(_)) => looking = Some(self.look(candidate, LOOK_PAUSE)),
            }
        }
    }

    fn renew(&self, candidate: &Candidate) {
        if let Some(until) = candidate.lease.valid_until() {
            self.leadership.send_if_modified(|leadership| {
                leadership.prolong(until);
                false
            });
        }
    }

    fn look(
        &self,
        candidate: &Candidate,
        pause: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Place, StoreError>> + Send>> {
        let (store, key) = (self.store.clone(), candidate.key.clone());
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            Ok(Place::in_queue(&key, &store.candidates().await?))
        })
    }
}
