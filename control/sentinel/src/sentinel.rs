//! The loop: pass after pass until the process is told to stop, and the leadership in between.

use crate::journal::Journal;
use crate::metrics;
use crate::pass::{Outcome, Pass};
use crate::presence::Presence;
use crate::wake::{Next, Wake};
use stolon_daemon::Context;
use stolon_model::decide::{Observer, Reason};
use stolon_model::spec::ClusterSpec;
use stolon_model::uid::SentinelUid;
use stolon_store::{ClusterStore, Election};
use tokio::time::Instant;
use tracing::info;

/// One run of a sentinel.
pub struct Sentinel {
    store: ClusterStore,
    election: Election,
    presence: Presence,
    initial_spec: Option<ClusterSpec>,
    rng: fastrand::Rng,
    context: Context,
    journal: Journal,
    observer: Observer,
    term: Option<u64>,
    elected: u32,
    is_ready: bool,
    /// When the last pass came to its end.
    looked: Option<Instant>,
}

impl Sentinel {
    /// Stands for election at once.
    pub fn new(
        store: ClusterStore,
        uid: SentinelUid,
        initial_spec: Option<ClusterSpec>,
        rng: fastrand::Rng,
        context: Context,
    ) -> Self {
        let election = Election::run(store.clone(), uid.clone(), context.shutdown.clone());
        Self {
            presence: Presence::new(store.clone(), uid),
            store,
            election,
            initial_spec,
            rng,
            context,
            journal: Journal::default(),
            observer: Observer::default(),
            term: None,
            elected: 0,
            is_ready: false,
            looked: None,
        }
    }

    /// Runs until shutdown, then takes its keys out of the store so that another one leads at once.
    pub async fn run(mut self) {
        let shutdown = self.context.shutdown.clone();
        let changes = self.store.wake_on_cluster(shutdown.clone());
        let mut wake = Wake::new(changes, self.election.leadership(), shutdown.clone());
        loop {
            wake.begin();
            let began = Instant::now();
            let Some(next) = shutdown.run_until_cancelled(self.pass(&mut wake)).await else {
                break;
            };
            metrics::pass(began.elapsed());
            if !wake.next(next, self.term.is_some()).await {
                break;
            }
        }
        self.stop().await;
    }

    async fn stop(mut self) {
        tokio::join!(self.presence.hide(), self.election.resigned());
    }

    /// One pass. An answer that is lost on the way is no harm: the next pass reads everything anew.
    async fn pass(&mut self, wake: &mut Wake) -> Next {
        // A leadership that is not certain right now is none.
        let leader = self.election.leads();
        let term = leader.as_ref().and(self.election.leadership().borrow().term());
        self.follow_leadership(term);
        // What nobody could hear is no silence: after an outage of the store keepers and proxies must get the chance to
        // speak before they are judged.
        if self.looked.is_some_and(|looked| looked.elapsed() > wake.sleep_interval * 2) {
            self.observer = Observer::default();
        }
        let pass = Pass {
            store: &self.store,
            leader: leader.filter(|_| term.is_some()),
            term,
            initial_spec: self.initial_spec.as_ref(),
            seed: self.rng.u64(..),
        };
        let (decided, reasons) = match pass.run(&mut self.observer).await {
            Outcome::Done(decided, reasons) => (decided, reasons),
            Outcome::Overtaken => return Next::AtOnce,
            Outcome::Deposed => return Next::AfterPause,
            Outcome::Failed(trouble) => return self.fail(trouble),
        };
        self.looked = Some(Instant::now());
        self.journal.tell(reasons);
        wake.wake_at = decided.wake_at;
        if let Some(interval) = decided.sleep_interval {
            wake.sleep_interval = interval;
        }
        let shown = match decided.is_usable {
            true => self.presence.show(wake.sleep_interval).await,
            false => {
                self.presence.hide().await;
                Ok(())
            }
        };
        if let Err(trouble) = shown {
            return self.fail(trouble);
        }
        self.journal.recover();
        if !self.is_ready {
            self.is_ready = true;
            self.context.ready();
        }
        Next::Later
    }

    fn fail(&mut self, trouble: Reason) -> Next {
        self.is_ready = false;
        self.context.readiness.not_ready(trouble.message.clone());
        self.journal.fail(trouble);
        Next::AfterPause
    }

    fn follow_leadership(&mut self, term: Option<u64>) {
        if term == self.term {
            return;
        }
        if self.term.is_some() {
            info!("sentinel leadership lost");
        }
        if term.is_some() {
            info!("sentinel leadership acquired");
            self.elected = self.elected.saturating_add(1);
        }
        self.term = term;
        metrics::leadership(term.is_some(), self.elected);
    }
}
