//! One case to plan for: what is wanted, what is there, what is remembered. Makes the actions, complete with their contents.

use super::action::{Action, Purpose, Reload, Start, Stop};
use super::desired::DesiredDb;
use super::local::Local;
use super::memory::{Memory, Progress, Stage};
use crate::generation::Generation;
use crate::local::DbLocalState;
use crate::postgres::command::{self, StopMode};
use crate::postgres::conf::{Config, Target};
use crate::postgres::hba::Access;
use crate::postgres::parameters::{self, Sources, Timers};
use crate::postgres::recovery::Recovery;
use std::time::Duration;

/// A started server owns `postmaster.pid` within this time.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// pg_ctl itself gives up waiting after 60 s; this is a little longer.
const PG_CTL_WAIT_TIMEOUT: Duration = Duration::from_secs(65);
/// pg_ctl only sends a signal.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) desired: &'a DesiredDb,
    pub(super) local: &'a Local,
    pub(super) memory: &'a Memory,
}

impl Case<'_> {
    fn pgdata(&self) -> &str {
        &self.desired.keeper.pgdata
    }

    fn config(&self, timers: Timers, recovery: Recovery, access: Access) -> Config {
        let desired = self.desired;
        let parameters = parameters::wanted(&Sources {
            spec: &desired.spec,
            initial: self.local.db_state.init_pg_parameters.as_ref(),
            listen_address: &desired.keeper.listen_address,
            port: &desired.keeper.port,
            version: self.local.version(),
            timers,
        });
        Config { parameters, recovery, hba: desired.hba.lines(access), access }
    }

    /// The configuration to run with.
    pub(super) fn running_config(&self, recovery: Recovery, access: Access) -> Config {
        self.config(Timers::Written, recovery, access)
    }

    /// A start in the instance's role.
    pub(super) fn start(&self, recovery: Recovery, access: Access, purpose: Purpose) -> Action {
        let config = self.running_config(recovery, access);
        self.start_with(config, Target::Final, purpose)
    }

    /// A start while the instance is made: nobody but the keeper gets in.
    pub(super) fn start_temporarily(&self, recovery: Recovery) -> Action {
        let config = self.config(Timers::LeftOut, recovery, Access::Internal);
        self.start_with(config, Target::Temporary, Purpose::Plain)
    }

    fn start_with(&self, config: Config, target: Target, purpose: Purpose) -> Action {
        Action::Start(Start {
            command: command::postgres(self.pgdata(), target),
            files: config.files_for_start(self.local.version(), target),
            config,
            target,
            timeout: START_TIMEOUT,
            purpose,
        })
    }

    pub(super) fn reload(&self, config: Config) -> Action {
        Action::Reload(Reload {
            command: command::reload(self.pgdata()),
            files: config.files(self.local.version(), Target::Final),
            config,
            timeout: RELOAD_TIMEOUT,
        })
    }

    pub(super) fn stop(&self) -> Action {
        stop(self.pgdata(), self.memory, Purpose::Plain)
    }

    pub(super) fn stop_to_restart(&self) -> Action {
        stop(self.pgdata(), self.memory, Purpose::Restart)
    }

    pub(super) fn stop_if_running(&self) -> Option<Action> {
        self.local.server.is_running().then(|| self.stop())
    }

    pub(super) fn wait_ready(&self) -> Action {
        Action::WaitReady { timeout: Some(self.desired.ready_timeout) }
    }

    pub(super) fn promote(&self) -> Action {
        Action::Promote { command: command::promote(self.pgdata()), timeout: PG_CTL_WAIT_TIMEOUT }
    }

    /// The state of a db whose data are about to be made or taken over: its generation is none yet.
    pub(super) fn state_of_new_db(&self, initializing: bool) -> DbLocalState {
        DbLocalState {
            uid: self.desired.uid.clone(),
            generation: Generation::NONE,
            initializing,
            init_pg_parameters: None,
        }
    }

    pub(super) fn remember(&self, stage: Stage) -> Action {
        Action::Remember(Progress { db: self.desired.uid.clone(), stage })
    }
}

pub(super) fn stop(pgdata: &str, memory: &Memory, purpose: Purpose) -> Action {
    let mode = if memory.needs_immediate_stop() { StopMode::Immediate } else { StopMode::Fast };
    Action::Stop(Stop {
        command: command::stop(pgdata, mode),
        mode,
        timeout: PG_CTL_WAIT_TIMEOUT,
        purpose,
    })
}
