//! Making the data of a db that PGDATA does not hold yet.

use super::case::Case;
use super::desired::DesiredRole;
use super::memory::Stage;
use super::message::Message;
use super::{Next, Plan, Reason};
use crate::cluster::DbInitMode;
use crate::generation::Generation;
use crate::plan::action::{Action, RecoveryEnd};
use crate::postgres::command;
use crate::postgres::recovery::{Recovery, RecoveryMode};
use crate::postgres::role;
use crate::postgres::version::PgVersion;

impl Case<'_> {
    /// Whether `dbstate` says that the data are worth nothing and nothing is under way in this process.
    pub(super) fn is_unfinished(&self) -> bool {
        let state = &self.local.db_state;
        let is_under_way =
            state.uid == self.desired.uid && self.memory.stage_of(&self.desired.uid).is_some();
        state.initializing && !is_under_way
    }

    /// Removes what an initialisation that did not end has left.
    pub(super) fn clean_up(&self) -> Plan {
        let mut actions: Vec<Action> = self.stop_if_running().into_iter().collect();
        actions.push(Action::DeletePgData);
        actions.push(Action::SaveDbState(crate::local::DbLocalState::default()));
        Plan::new(Next::Do(actions)).say(Message::error("db failed to initialize or resync"))
    }

    /// Whether the data of an existing instance were taken over by a process that died before it had read their parameters.
    /// Nothing has been generated over them yet, so it can be done again.
    pub(super) fn is_half_taken_over(&self) -> bool {
        let state = &self.local.db_state;
        self.desired.spec.init_mode == Some(DbInitMode::Existing)
            && self.desired.spec.include_previous_config
            && state.uid == self.desired.uid
            && state.generation == Generation::NONE
            && state.init_pg_parameters.is_none()
    }

    /// The way to the data of a db that `dbstate` does not name.
    pub(super) fn init(&self) -> Plan {
        let plan = match self.desired.spec.init_mode {
            None | Some(DbInitMode::None) => {
                return Plan::new(Next::Wait(Reason::DataLost)).say(
                    Message::error(
                        "different local dbUID but init mode is none, this shouldn't happen. Something bad happened to the keeper data. Check that keeper data is on a persistent volume and that the keeper state files weren't removed",
                    )
                    .with("db", &self.local.db_state.uid)
                    .with("cdDB", &self.desired.uid),
                );
            }
            Some(DbInitMode::New) => self.init_new(),
            Some(DbInitMode::Existing) => self.take_over(),
            Some(DbInitMode::Pitr) => self.init_from_backup(),
            Some(DbInitMode::Resync) => self.resync(),
        };
        plan.say_first(
            Message::info("current db UID different than cluster data db UID")
                .with("db", &self.local.db_state.uid)
                .with("cdDB", &self.desired.uid),
        )
    }

    /// From here on PGDATA is worth nothing until the pass ends well: the state says so before the data are touched. The server is
    /// stopped even before, because a master that was replaced must not go on where nothing can be saved, as on a full disk.
    pub(super) fn begin_anew(&self) -> Vec<Action> {
        let mut actions = Vec::from_iter(self.stop_if_running());
        actions.push(Action::SaveDbState(self.state_of_new_db(true)));
        actions
    }

    fn init_new(&self) -> Plan {
        let keeper = &self.desired.keeper;
        let config = self.desired.spec.new_config.clone().unwrap_or_default();
        let mut actions = self.begin_anew();
        actions.push(Action::DeletePgData);
        actions.push(Action::InitDb {
            command: command::initdb(&keeper.pgdata, &keeper.superuser, &config),
        });
        actions.push(self.start_temporarily(Recovery::none()));
        actions.push(self.wait_ready());
        actions.extend(self.save_init_parameters(true));
        actions.push(Action::SetUpRoles {
            statements: role::setup(&keeper.superuser, &keeper.replication),
            replication: keeper.replication.name.clone(),
        });
        actions.push(self.stop());
        actions.push(self.remember(Stage::Made));
        Plan::new(Next::Do(actions)).say(Message::info("initializing the database cluster"))
    }

    /// Takes over what is there. Never marked as initialising: a failure must not delete the user's data.
    pub(super) fn take_over(&self) -> Plan {
        if self.local.data.is_none() {
            return Plan::new(Next::Wait(Reason::NothingToTakeOver)).say(
                Message::error("no initialized database cluster to take over")
                    .with("db", &self.desired.uid),
            );
        }
        let mut actions = vec![Action::SaveDbState(self.state_of_new_db(false))];
        actions.extend(self.stop_if_running());
        actions.push(self.start_temporarily(Recovery::none()));
        actions.push(self.wait_ready());
        actions.extend(self.save_init_parameters(false));
        actions.push(self.stop());
        Plan::new(Next::Do(actions))
    }

    fn init_from_backup(&self) -> Plan {
        let Some(pitr) = &self.desired.spec.pitr_config else {
            return Plan::new(Next::Wait(Reason::NoBackup)).say(
                Message::error("no pitrConfig for a db with init mode pitr")
                    .with("db", &self.desired.uid),
            );
        };
        let archive = pitr.archive_recovery_settings.as_ref();
        let recovery = match &self.desired.role {
            DesiredRole::ExternalFollower(follow) => {
                Recovery::standby(follow.standby_settings.as_ref(), archive)
            }
            _ => Recovery::to_target(archive, pitr.recovery_target_settings.as_ref()),
        };
        let timeout = self.desired.sync_timeout;
        let mode = recovery.mode;
        let mut actions = self.begin_anew();
        actions.push(Action::DeletePgData);
        actions.push(Action::Restore {
            command: command::restore(&self.desired.keeper.pgdata, &pitr.data_restore_command),
        });
        actions.push(self.start_temporarily(recovery));
        if mode == RecoveryMode::Recovery {
            let is_old = self.local.version().is_some_and(PgVersion::has_recovery_conf);
            let end = if is_old { RecoveryEnd::DonePresent } else { RecoveryEnd::SignalGone };
            actions.push(Action::WaitRecovery { end, timeout });
        }
        actions.push(Action::WaitReady { timeout });
        actions.extend(self.save_init_parameters(true));
        actions.push(self.stop());
        actions.push(self.remember(Stage::Made));
        Plan::new(Next::Do(actions)).say(Message::info("restoring the database cluster"))
    }

    fn save_init_parameters(&self, initializing: bool) -> Option<Action> {
        self.desired.spec.include_previous_config.then(|| Action::SaveInitParameters {
            state: self.state_of_new_db(initializing),
            user: self.desired.spec.pg_parameters.clone(),
        })
    }
}
