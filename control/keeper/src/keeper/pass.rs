//! One pass of the loop.

use super::{Keeper, WrongCluster};
use crate::execute::{self, execute};
use crate::instance::Asking;
use crate::message;
use crate::pace::Outcome;
use anyhow::Context as _;
use stolon_model::cluster::Role;
use stolon_model::plan::action::{Action, Purpose};
use stolon_model::plan::{Desired, Flow, Local, MAX_ROUNDS, Next, plan};
use stolon_model::uid::DbUid;
use tokio::time::Instant;
use tracing::warn;

/// How a list of actions ended.
enum Done {
    /// Look and plan again.
    LookAgain,
    /// The pass is over.
    Over,
}

/// What was done was ended early, because newer cluster data do not want it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("newer cluster data do not want it")]
struct Superseded;

impl Keeper {
    /// Goes on until nothing is left to do, or nothing can be done now.
    pub(super) async fn pass(&mut self) -> Result<Outcome, WrongCluster> {
        // Before the reading: a store that refuses must not be asked again without a pause.
        self.is_stale = false;
        let Some(mut desired) = self.read().await? else { return Ok(Outcome::StoreUnreadable) };
        self.memory.begin_pass();
        let pgdata = self.instance.pgdata().display().to_string();
        for _ in 0..MAX_ROUNDS {
            if std::mem::take(&mut self.is_stale)
                && let Some(newer) = self.read().await?
            {
                desired = newer;
            }
            let Some(local) = self.look(&mut desired).await? else { return Ok(Outcome::Failed) };
            let plan = plan(&desired, &local, &self.memory, &pgdata);
            self.journal.log(plan.messages);
            match plan.next {
                Next::Done { access, .. } => return Ok(Outcome::Settled(access)),
                Next::Wait(_) => return Ok(Outcome::Waiting),
                Next::Do(actions) => match self.execute_all(actions, &mut desired).await? {
                    Done::LookAgain => {}
                    Done::Over => return Ok(self.failure()),
                },
            }
            if self.shutdown.is_cancelled() {
                return Ok(Outcome::Waiting);
            }
        }
        warn!("the instance does not converge; trying again");
        Ok(Outcome::Failed)
    }

    fn failure(&self) -> Outcome {
        if self.instance.states.db().initializing { Outcome::FailedMaking } else { Outcome::Failed }
    }

    /// Looks at the instance. One that hangs takes its time to say nothing; it is not asked when it is to be stopped, and no
    /// longer when newer cluster data want that.
    async fn look(&mut self, desired: &mut Desired) -> Result<Option<Local>, WrongCluster> {
        let instance = self.instance.clone();
        let shutdown = self.shutdown.clone();
        let local = loop {
            let asking = if desired.db().is_some() { Asking::Everything } else { Asking::Nothing };
            tokio::select! {
                local = instance.look(asking) => break local,
                newer = self.until_unassigned() => *desired = newer?,
                () = shutdown.cancelled() => return Ok(None),
            }
        };
        match local {
            Ok(local) => {
                self.note(&local);
                Ok(Some(local))
            }
            Err(error) => {
                warn!(%error, "cannot look at the instance");
                Ok(None)
            }
        }
    }

    /// Reads the cluster data at each wake, until they want no server to run.
    async fn until_unassigned(&mut self) -> Result<Desired, WrongCluster> {
        loop {
            self.woken_on_the_way().await;
            if let Some(newer @ (Desired::NoDb { .. } | Desired::BootUuidMismatch { .. })) =
                self.read().await?
            {
                return Ok(newer);
            }
        }
    }

    /// A wake in the middle of a pass. What is read then may not matter now, so it is read again before the next round.
    async fn woken_on_the_way(&mut self) {
        self.wake.woken().await;
        self.is_stale = true;
    }

    fn note(&self, local: &Local) {
        let role = match &local.data {
            None => Role::Undefined,
            Some(data) if data.is_standby => Role::Standby,
            Some(_) => Role::Master,
        };
        self.metrics.local_role(role);
        if let Some(reading) = local.server.reading() {
            self.metrics.needs_restart(reading.is_restart_pending);
        }
    }

    async fn execute_all(
        &mut self,
        actions: Vec<Action>,
        desired: &mut Desired,
    ) -> Result<Done, WrongCluster> {
        for action in actions {
            for line in action.before() {
                message::log(&line);
            }
            let outcome = self.execute_one(&action, desired).await?;
            if self.shutdown.is_cancelled() {
                return Ok(Done::Over);
            }
            match &outcome {
                Ok(()) => action.after().iter().for_each(message::log),
                Err(error) if error.is::<Superseded>() => message::log(&Action::superseded()),
                Err(error) => message::log(&action.failed(&format!("{error:#}"))),
            }
            match self.memory.record(&action, outcome.is_ok()) {
                Flow::Continue => {}
                Flow::LookAgain => return Ok(Done::LookAgain),
                Flow::EndPass => return Ok(Done::Over),
            }
        }
        Ok(Done::LookAgain)
    }

    /// Executes one action; one that runs for long is cut short when newer cluster data no longer want it.
    async fn execute_one(
        &mut self,
        action: &Action,
        desired: &mut Desired,
    ) -> Result<anyhow::Result<()>, WrongCluster> {
        let began = Instant::now();
        if matches!(action, Action::Reload(_)) {
            self.metrics.needs_reload(true);
        }
        let cancel = self.shutdown.child_token();
        let instance = self.instance.clone();
        let shutdown = self.shutdown.clone();
        let db = desired.db().map(|db| db.uid.clone()).unwrap_or_default();
        let outcome = {
            let work = execute(&instance, action, &cancel);
            tokio::pin!(work);
            tokio::select! {
                outcome = &mut work => outcome,
                newer = self.until_obsolete(action, &db) => {
                    *desired = newer?;
                    cancel.cancel();
                    work.await.context(Superseded)
                }
                // The server is stopped right after, so neither its start nor its stop is waited for.
                () = shutdown.cancelled(), if matches!(action, Action::Start(_) | Action::Stop(_)) => {
                    Err(anyhow::anyhow!("the keeper is ending"))
                }
            }
        };
        match (action, &outcome) {
            (Action::Reload(_), Ok(())) => self.metrics.needs_reload(false),
            (Action::Start(start), Ok(())) => {
                self.pace.server_started(Instant::now());
                self.metrics.needs_reload(false);
                if start.purpose == Purpose::Restart {
                    self.metrics.needs_restart(false);
                }
            }
            _ => {}
        }
        self.metrics.action(execute::name(action), outcome.is_ok(), began.elapsed());
        self.acted.notify_one();
        Ok(outcome)
    }

    /// Reads the cluster data at each wake, until they no longer want `action` for `db`.
    async fn until_obsolete(
        &mut self,
        action: &Action,
        db: &DbUid,
    ) -> Result<Desired, WrongCluster> {
        if !action.is_interruptible() {
            // The wakes stay for later.
            return std::future::pending().await;
        }
        loop {
            self.woken_on_the_way().await;
            if let Some(newer) = self.read().await?
                && action.is_obsolete(db, &newer)
            {
                return Ok(newer);
            }
        }
    }
}
