//! Everything a keeper can do to its instance.

use super::desired::Desired;
use super::memory::Progress;
use super::message::Message;
use crate::local::{DbLocalState, KeeperLocalState};
use crate::postgres::command::{Command, StopMode};
use crate::postgres::conf::{Config, FileChange, Target};
use crate::postgres::role::Statement;
use crate::uid::DbUid;
use std::time::Duration;

/// One thing to do, with everything that is needed to do it. Executing it makes no choice.
///
/// An action fails when any part of it fails or its time is over; what follows from a failure is for
/// [`Memory::record`](super::memory::Memory::record) to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replaces the file `keeperstate`.
    SaveKeeperState(KeeperLocalState),
    /// Replaces the file `dbstate`.
    SaveDbState(DbLocalState),
    /// Stops the server and waits for its end; nothing to do when none runs. Afterwards no server may run on PGDATA (verify
    /// with [`command::status`](crate::postgres::command::status)).
    Stop(Stop),
    /// Removes PGDATA and everything in it; nothing to do when it is not there. Refused, as a failure, while a server runs.
    DeletePgData,
    /// Runs `initdb`. When it fails, whatever it made of PGDATA is removed.
    InitDb {
        /// The command.
        command: Command,
    },
    /// Makes an empty PGDATA (mode 0700) and runs the command. When it fails, PGDATA is removed.
    Restore {
        /// The command.
        command: Command,
    },
    /// Has the master make a checkpoint. `pg_rewind` up to PostgreSQL 15 reads its timeline from the last one, and takes a master
    /// that was promoted since for one that is still on the old timeline. Done once: what pg_rewind makes is examined in any case.
    Checkpoint {
        /// The db that is to be rewound.
        db: DbUid,
        /// The command.
        command: Command,
        /// The cluster's master.
        source: DbUid,
    },
    /// Removes `postgresql.auto.conf` from PGDATA and runs `pg_rewind`.
    Rewind {
        /// The command.
        command: Command,
        /// The cluster's master, from which it rewinds.
        source: DbUid,
    },
    /// Waits until the followed db has confirmed the replication slot, which shows in newer cluster data
    /// ([`Action::is_obsolete`]). Succeeds in any case: without the slot the copy fails, and is tried again.
    AwaitSlot {
        /// The db that the slot is for.
        db: DbUid,
        /// The followed db.
        source: DbUid,
        /// The longest wait.
        timeout: Duration,
    },
    /// Runs `pg_basebackup` into PGDATA, which is not there.
    BaseBackup {
        /// The command.
        command: Command,
        /// The followed db, from which it copies.
        source: DbUid,
    },
    /// Makes the changes to files in order, then starts the server as a child and waits until it owns `postmaster.pid`. That
    /// does not mean that it answers.
    Start(Start),
    /// Waits until the server answers `select 1`.
    WaitReady {
        /// The longest wait; `None` is without limit.
        timeout: Option<Duration>,
    },
    /// Waits until recovery has ended.
    WaitRecovery {
        /// How its end shows.
        end: RecoveryEnd,
        /// The longest wait; `None` is without limit.
        timeout: Option<Duration>,
    },
    /// Reads the configured parameters from the server ([`PgVersion::has_file_settings`](crate::postgres::version::PgVersion)
    /// tells from where), passes them through
    /// [`without_own_timers`](crate::postgres::parameters::without_own_timers) with `user`, puts them into `state` as
    /// `init_pg_parameters` and replaces the file `dbstate` by it.
    SaveInitParameters {
        /// The state to complete and save.
        state: DbLocalState,
        /// The parameters of the db spec.
        user: crate::spec::PgParameters,
    },
    /// Executes the statements in one transaction on the local connection as the superuser, with the lines of
    /// [`of_role_change`](super::message::of_role_change) before and after each.
    SetUpRoles {
        /// SQL, in order.
        statements: Vec<Statement>,
        /// The name of the replication role, for the log.
        replication: String,
    },
    /// Promotes the standby and waits until it takes writes.
    Promote {
        /// The command.
        command: Command,
        /// The longest run of the command.
        timeout: Duration,
    },
    /// Makes the changes to files in order, then tells the server to read them.
    Reload(Reload),
    /// Drops a replication slot.
    DropSlot {
        /// The slot.
        name: String,
    },
    /// Creates a physical replication slot.
    CreateSlot {
        /// The slot.
        name: String,
        /// A failure ends the pass: the generation must not be reported without it.
        is_required: bool,
    },
    /// Does nothing, and succeeds: [`Memory::record`](super::memory::Memory::record) takes it in.
    Remember(Progress),
}

/// How to stop the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// `pg_ctl stop`.
    pub command: Command,
    /// How hard.
    pub mode: StopMode,
    /// The longest run of the command.
    pub timeout: Duration,
    /// Why, which is what the log says.
    pub purpose: Purpose,
}

/// How to start the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// `postgres`.
    pub command: Command,
    /// Changes to files before it.
    pub files: Vec<FileChange>,
    /// The configuration that these files express.
    pub config: Config,
    /// [`Target::Temporary`] while the instance is made.
    pub target: Target,
    /// The longest wait for `postmaster.pid`; the server must then be gone, or the wait has failed with it running.
    pub timeout: Duration,
    /// Why, which is what the log says.
    pub purpose: Purpose,
}

/// How to reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// `pg_ctl reload`.
    pub command: Command,
    /// Changes to files before it.
    pub files: Vec<FileChange>,
    /// The configuration that these files express.
    pub config: Config,
    /// The longest run of the command.
    pub timeout: Duration,
}

/// Whether a stop or a start stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It does.
    Plain,
    /// It is half of a restart.
    Restart,
}

/// How the end of recovery shows in PGDATA. Looked for once a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryEnd {
    /// `recovery.signal` is gone (12 and later).
    SignalGone,
    /// `recovery.done` is there (before 12).
    DonePresent,
}

impl Action {
    /// Whether it may run for long and must be cut short (its process killed, the action failed) as soon as
    /// [`Action::is_obsolete`] holds or the keeper is told to stop.
    pub fn is_interruptible(&self) -> bool {
        matches!(
            self,
            Self::InitDb { .. }
                | Self::Restore { .. }
                | Self::Checkpoint { .. }
                | Self::Rewind { .. }
                | Self::AwaitSlot { .. }
                | Self::BaseBackup { .. }
                | Self::WaitReady { .. }
                | Self::WaitRecovery { .. }
        )
    }

    /// Whether what was begun for `db` is no longer wanted by newer cluster data. Cluster data that are absent, unusable or
    /// do not know this keeper say nothing about it.
    pub fn is_obsolete(&self, db: &DbUid, desired: &Desired) -> bool {
        if !self.is_interruptible() {
            return false;
        }
        match desired {
            Desired::NothingKnown | Desired::Unusable { .. } | Desired::KeeperUnknown { .. } => {
                false
            }
            Desired::NoDb { .. } | Desired::BootUuidMismatch { .. } => true,
            Desired::Db(wanted) => wanted.uid != *db || !self.source_is_wanted(wanted),
        }
    }

    fn source_is_wanted(&self, wanted: &super::desired::DesiredDb) -> bool {
        match self {
            Self::BaseBackup { source, .. } => {
                wanted.followed().is_some_and(|followed| followed.uid == *source)
            }
            Self::AwaitSlot { source, .. } => wanted.followed().is_some_and(|followed| {
                followed.uid == *source && !followed.serves.contains(&wanted.uid)
            }),
            Self::Checkpoint { source, .. } | Self::Rewind { source, .. } => {
                wanted.master.as_ref().is_some_and(|master| master.uid == *source)
            }
            _ => true,
        }
    }

    /// Lines for the log before it is executed.
    pub fn before(&self) -> Vec<Message> {
        match self {
            Self::Stop(stop) if stop.purpose == Purpose::Restart => {
                vec![Message::info("restarting database")]
            }
            Self::Stop(_) => vec![Message::info("stopping database")],
            Self::Start(start) => start.before(),
            Self::Restore { .. } => vec![Message::info("executing DataRestoreCommand")],
            Self::Checkpoint { source, .. } => {
                let text =
                    "waiting for a checkpoint of the master, for pg_rewind to see its timeline";
                vec![Message::info(text).with("masterDB", source)]
            }
            Self::Rewind { .. } => vec![Message::info("running pg_rewind")],
            Self::AwaitSlot { source, .. } => {
                let text = "waiting for the followed db to make our replication slot";
                vec![Message::info(text).with("followedDB", source)]
            }
            Self::BaseBackup { .. } => vec![Message::info("running pg_basebackup")],
            Self::WaitRecovery { .. } => {
                vec![Message::info("waiting for recovery to be completed")]
            }
            Self::SetUpRoles { .. } => vec![Message::info("setting roles")],
            Self::Promote { .. } => vec![Message::info("promoting database")],
            Self::Reload(_) => vec![Message::info("reloading database configuration")],
            Self::DropSlot { name } => {
                vec![Message::info("dropping replication slot").with("slot", name)]
            }
            Self::CreateSlot { name, .. } => {
                vec![Message::info("creating replication slot").with("slot", name)]
            }
            Self::SaveKeeperState(_)
            | Self::SaveDbState(_)
            | Self::DeletePgData
            | Self::InitDb { .. }
            | Self::WaitReady { .. }
            | Self::SaveInitParameters { .. }
            | Self::Remember(_) => Vec::new(),
        }
    }

    /// Lines for the log after it succeeded.
    pub fn after(&self) -> Vec<Message> {
        match self {
            Self::Rewind { .. } | Self::BaseBackup { .. } => vec![Message::info("sync succeeded")],
            Self::WaitRecovery { .. } => vec![Message::info("recovery completed")],
            _ => Vec::new(),
        }
    }

    /// The line for the log when it was ended early, because newer cluster data do not want it. That is no failure, and what
    /// watches the log for failures must not see one.
    pub fn superseded() -> Message {
        Message::info("ending what newer cluster data no longer want")
    }

    /// The line for the log when it failed; `error` is the whole chain of the cause, without passwords.
    pub fn failed(&self, error: &str) -> Message {
        let text = match self {
            Self::SaveKeeperState(_) => "failed to save keeper local state",
            Self::SaveDbState(_) => "failed to save db local state",
            Self::Stop(stop) if stop.purpose == Purpose::Restart => {
                "failed to restart postgres instance"
            }
            Self::Stop(_) => "failed to stop pg instance",
            Self::DeletePgData => "failed to remove the postgres data dir",
            Self::InitDb { .. } => "failed to initialize postgres database cluster",
            Self::Restore { .. } => "failed to restore postgres database cluster",
            Self::Checkpoint { .. } => "failed to make the master checkpoint",
            Self::Rewind { .. } => "error syncing with pg_rewind",
            Self::AwaitSlot { .. } => "failed to wait for the replication slot",
            Self::BaseBackup { .. } => "failed to resync from followed instance",
            Self::Start(start) if start.purpose == Purpose::Restart => {
                "failed to restart postgres instance"
            }
            Self::Start(start) if start.target == Target::Temporary => "failed to start instance",
            Self::Start(_) => "failed to start postgres",
            Self::WaitReady { .. } => "timeout waiting for instance to be ready",
            Self::WaitRecovery { .. } => "error waiting for the recovery to be completed",
            Self::SaveInitParameters { .. } => "failed to get postgres parameters",
            Self::SetUpRoles { .. } => "failed to setup roles",
            Self::Promote { .. } => "failed to promote instance",
            Self::Reload(_) => "failed to reload postgres instance",
            Self::DropSlot { .. } => "failed to drop replication slot",
            Self::CreateSlot { .. } => "failed to create replication slot",
            Self::Remember(_) => "failed to remember",
        };
        let message = match self {
            Self::DropSlot { name } | Self::CreateSlot { name, .. } => {
                Message::error(text).with("slot", name)
            }
            _ => Message::error(text),
        };
        message.with("error", error)
    }
}

impl Start {
    fn before(&self) -> Vec<Message> {
        let signal = self.files.iter().find_map(|file| match file {
            FileChange::Write { name: "standby.signal", .. } => Some("writing standby signal file"),
            FileChange::Write { name: "recovery.signal", .. } => {
                Some("writing recovery signal file")
            }
            _ => None,
        });
        let start = (self.purpose == Purpose::Plain).then_some("starting database");
        start.into_iter().chain(signal).map(Message::info).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_cannot_be_dropped_is_named() {
        let failed = Action::DropSlot { name: "stolon_db1".into() }.failed("it is active");
        let wanted = Message::error("failed to drop replication slot");
        assert_eq!(failed, wanted.with("slot", "stolon_db1").with("error", "it is active"));
    }
}
