//! Collects the state of the instance.

use super::Wanted;
use super::write_probe::{WriteProbe, write_page};
use crate::instance::{Instance, system_data};
use crate::metrics::Metrics;
use crate::postgres::pgdata;
use crate::postgres::sql::Session;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use stolon_model::info::PostgresState;
use stolon_model::local::DbLocalState;
use stolon_model::postgres::{parameters, timeline};
use stolon_model::uid::DbUid;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// While the instance is about to answer: a start, a promotion.
const UNTIL_HEALTHY: Duration = Duration::from_millis(100);
/// While standbys that are to be synchronous are not.
const UNTIL_IN_SYNC: Duration = Duration::from_millis(250);
/// How long after the last change the instance is looked at that closely.
const CLOSE_LOOK: Duration = Duration::from_secs(60);

/// The collecting task.
#[derive(Debug)]
pub struct Collector {
    /// The instance.
    pub instance: Arc<Instance>,
    /// Advertised address.
    pub listen_address: String,
    /// Advertised port.
    pub port: String,
    /// What the cluster data want.
    pub wanted: watch::Receiver<Wanted>,
    /// Woken when something has been done to the instance.
    pub acted: Arc<Notify>,
    /// Where the state goes.
    pub state: watch::Sender<Option<PostgresState>>,
    /// For the metric of health.
    pub metrics: Metrics,
    /// Whether the data can be written.
    pub write_probe: WriteProbe,
}

/// Why the instance is not healthy, in one sentence.
type Obstacle = String;

impl Collector {
    /// Collects until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut child = self.instance.postmaster.child();
        let mut db_state = self.instance.states.watch_db();
        let mut last_change = Instant::now();
        let mut was_healthy = false;
        loop {
            let db = db_state.borrow_and_update().clone();
            let wanted = self.wanted.borrow_and_update().clone();
            let collected = shutdown.run_until_cancelled(self.collect(&db, &wanted)).await;
            let Some((state, obstacle)) = collected else { return };
            match (&obstacle, std::mem::replace(&mut was_healthy, state.healthy)) {
                (Some(obstacle), true) => {
                    warn!(error = obstacle, "the instance is not healthy");
                }
                (Some(obstacle), false) => {
                    debug!(error = obstacle, "the instance is not healthy");
                }
                (None, false) => info!("the instance is healthy"),
                (None, true) => {}
            }
            self.metrics.healthy(state.healthy);
            if state.healthy {
                self.metrics.wal_position(state.xlog_pos);
            }
            let is_settled = self.pause(&state, &wanted);
            let pause = match is_settled {
                Some(close) if last_change.elapsed() < CLOSE_LOOK => close,
                _ => wanted.sleep_interval / 2,
            };
            self.state.send_if_modified(|current| {
                let is_new = current.as_ref() != Some(&state);
                *current = Some(state);
                is_new
            });
            let is_changed = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                () = self.acted.notified() => true,
                Ok(()) = child.changed() => true,
                Ok(()) = db_state.changed() => true,
                Ok(()) = self.wanted.changed() => true,
                () = shutdown.cancelled() => return,
            };
            if is_changed {
                last_change = Instant::now();
            }
        }
    }

    /// The pause until a closer look, if the state is about to change.
    fn pause(&self, state: &PostgresState, wanted: &Wanted) -> Option<Duration> {
        let child = *self.instance.postmaster.child().borrow();
        if child.pid.is_some() && !state.healthy {
            return Some(UNTIL_HEALTHY);
        }
        let in_sync: BTreeSet<DbUid> =
            state.synchronous_standbys.iter().flatten().cloned().collect();
        (!wanted.synchronous_standbys.is_subset(&in_sync)).then_some(UNTIL_IN_SYNC)
    }

    async fn collect(
        &mut self,
        db: &DbLocalState,
        wanted: &Wanted,
    ) -> (PostgresState, Option<Obstacle>) {
        let mut state = PostgresState {
            uid: db.uid.clone(),
            generation: db.generation,
            listen_address: self.listen_address.clone(),
            port: self.port.clone(),
            ..PostgresState::default()
        };
        let obstacle = if db.initializing {
            // The instance may run, but it is not yet what this db is to be.
            Some("the data are being made".to_owned())
        } else {
            self.fill(&mut state, wanted).await.err()
        };
        state.healthy = obstacle.is_none();
        (state, obstacle)
    }

    /// Fills in what the instance says, in the reference's order, and tries to write; at the first failure what was filled stays.
    async fn fill(&mut self, state: &mut PostgresState, wanted: &Wanted) -> Result<(), Obstacle> {
        let text = |error: &dyn std::error::Error| stolon_daemon::log::chain(error).to_string();
        let pgdata = self.instance.pgdata();
        let data = pgdata::look(&pgdata).map_err(|error| text(&error))?;
        let data = data.ok_or("the instance is not initialized")?;
        // On the same port another keeper's instance might answer.
        let running = self.instance.postmaster.running().map_err(|error| text(&error))?;
        running.ok_or("the server does not run")?;
        let session = Session::open(&self.instance.server).await.map_err(|error| text(&error))?;
        let configured = session.configured_parameters().await.map_err(|error| text(&error))?;
        state.pg_parameters = parameters::reported(configured, &wanted.parameters);
        let in_sync = self.instance.in_sync(&session).await.map_err(|error| text(&error))?;
        state.synchronous_standbys = Some(in_sync.into_iter().collect());
        drop(session);
        let (system, history) =
            system_data(&self.instance.server).await.map_err(|error| text(&error))?;
        state.system_id = system.system_id;
        state.timeline_id = system.timeline;
        state.xlog_pos = system.xlog_pos;
        state.timelines_history = timeline::published(history);
        match pgdata::oldest_wal_file(&pgdata, data.version) {
            Ok(name) => state.older_wal_file = name,
            Err(error) => warn!(%error, "failed to get older wal file"),
        }
        // Last, because everything else may be known of an instance that cannot write.
        let written = self.write_probe.check(move || write_page(&pgdata)).await;
        written.map_err(|error| format!("PGDATA cannot be written to: {error}"))
    }
}
