//! Making a standby's data from the db it follows: by pg_rewind where that can do, else by a full copy.

use super::action::{Action, Purpose};
use super::case::Case;
use super::local::Server;
use super::memory::Stage;
use super::message::Message;
use super::peer::Peer;
use super::{Next, Plan, Reason};
use crate::plan::desired::DesiredRole;
use crate::postgres::command;
use crate::postgres::hba::Access;
use crate::postgres::name_of;
use crate::postgres::timeline::{Branch, on_different_branch};
use crate::postgres::version::PgVersion;
use crate::postgres::wal;
use std::time::Duration;

/// How long the followed db may take to confirm our replication slot. A keeper of Stolon takes a sleepInterval and a half.
const SLOT: Duration = Duration::from_secs(10);

impl Case<'_> {
    /// The first step.
    pub(super) fn resync(&self) -> Plan {
        let source = match self.source() {
            Ok(source) => source,
            Err(plan) => return plan,
        };
        let rewind_source = self.rewind_source();
        let wait = match rewind_source {
            Some(master) => self.await_checkpoint(master),
            None => self.await_slot(source),
        };
        if let Some(plan) = wait {
            return plan;
        }
        let mut actions = self.begin_anew();
        let plan = match rewind_source {
            Some(master) => {
                // Until it has succeeded, what is left is a copy.
                actions.push(self.remember(Stage::NeedsCopy));
                actions.push(self.rewind(master));
                actions.push(self.remember(Stage::Rewound));
                Plan::new(Next::Do(actions)).say(
                    Message::info("syncing using pg_rewind")
                        .with("masterDB", &master.uid)
                        .with("keeper", &master.keeper),
                )
            }
            None => {
                actions.extend(self.copy(source));
                Plan::new(Next::Do(actions)).say(copying(source))
            }
        };
        plan.say_first(Message::info("resyncing the database cluster"))
    }

    /// The steps after the first.
    pub(super) fn go_on_resyncing(&self, stage: Stage) -> Plan {
        let source = match self.source() {
            Ok(source) => source,
            Err(plan) => return plan,
        };
        match stage {
            Stage::Rewound if self.local.data.is_some() => Plan::new(Next::Do(vec![
                self.start(
                    self.desired.recovery(self.local.version()),
                    Access::Open,
                    Purpose::Plain,
                ),
                self.wait_ready(),
            ])),
            Stage::RewoundStarted => self.examine_rewound(source),
            // Made never comes here; it needs no resync.
            Stage::Rewound | Stage::NeedsCopy | Stage::Made => {
                let silent = self.local.server == Server::Silent;
                self.copy_anew(source).say_all(silent.then(|| {
                    Message::error(
                        "pg_rewinded standby is not accepting connection. it's probably waiting for unavailable wals. Forcing a full resync",
                    )
                }))
            }
        }
    }

    /// pg_rewind takes two instances on one timeline for in sync, so what it made has to be compared. It also leaves an
    /// instance that only lags as it is: one whose next WAL is gone answers queries and follows nobody, for ever.
    fn examine_rewound(&self, source: &Peer) -> Plan {
        let own = match &self.local.server {
            Server::Stopped => None,
            Server::Silent => return Plan::new(Next::Do(vec![self.wait_ready()])),
            Server::Answering(reading) => reading.position.as_ref(),
        };
        match own {
            Some(own)
                if !on_different_branch(Branch::from(&source.status), own.branch())
                    && wal::still_holds(&source.status.older_wal_file, own.xlog_pos) =>
            {
                Plan::new(Next::Do(vec![self.remember(Stage::Made)]))
            }
            _ => self.copy_anew(source),
        }
    }

    /// A copy begun before the followed db has made our slot would fail.
    fn await_slot(&self, source: &Peer) -> Option<Plan> {
        let db = &self.desired.uid;
        if source.serves.contains(db) || self.memory.has_awaited_slot(db) {
            return None;
        }
        let (db, source) = (db.clone(), source.uid.clone());
        Some(Plan::new(Next::Do(vec![Action::AwaitSlot { db, source, timeout: SLOT }])))
    }

    fn copy_anew(&self, source: &Peer) -> Plan {
        if let Some(plan) = self.await_slot(source) {
            return plan;
        }
        let mut actions: Vec<Action> = self.stop_if_running().into_iter().collect();
        actions.extend(self.copy(source));
        Plan::new(Next::Do(actions)).say(copying(source))
    }

    fn copy(&self, source: &Peer) -> [Action; 3] {
        let desired = self.desired;
        let conninfo = source.basebackup_conninfo(&desired.uid, &desired.keeper);
        [
            Action::DeletePgData,
            Action::BaseBackup {
                command: command::basebackup(
                    &desired.keeper.pgdata,
                    &conninfo,
                    &name_of(&desired.uid),
                    self.local.version(),
                ),
                source: source.uid.clone(),
            },
            self.remember(Stage::Made),
        ]
    }

    /// A rewind begun before the master has made a checkpoint on its timeline may do nothing.
    fn await_checkpoint(&self, master: &Peer) -> Option<Plan> {
        let db = &self.desired.uid;
        if self.local.version().is_some_and(PgVersion::rewind_sees_promotion)
            || self.memory.has_awaited_checkpoint(db)
        {
            return None;
        }
        let command = command::checkpoint(&master.rewind_conninfo(db, &self.desired.keeper));
        let (db, source) = (db.clone(), master.uid.clone());
        Some(Plan::new(Next::Do(vec![Action::Checkpoint { db, command, source }])))
    }

    fn rewind(&self, master: &Peer) -> Action {
        let desired = self.desired;
        let conninfo = master.rewind_conninfo(&desired.uid, &desired.keeper);
        Action::Rewind {
            command: command::rewind(&desired.keeper.pgdata, &conninfo),
            source: master.uid.clone(),
        }
    }

    /// The db to copy from.
    pub(super) fn source(&self) -> Result<&Peer, Plan> {
        match &self.desired.role {
            DesiredRole::Follower(peer) if peer.has_address() => Ok(peer),
            DesiredRole::Follower(peer) => Err(Plan::new(Next::Wait(Reason::FollowedHasNoAddress))
                .say(
                    Message::error("no address known for followed db")
                        .with("followedDB", &peer.uid),
                )),
            DesiredRole::FollowerOfNone(uid) => Err(Plan::new(Next::Wait(Reason::NoFollowed)).say(
                Message::error("no db data available for followed db").with("followedDB", uid),
            )),
            DesiredRole::Master | DesiredRole::ExternalFollower(_) | DesiredRole::Undefined => {
                Err(Plan::new(Next::Wait(Reason::NoFollowed)).say(
                    Message::error("no db data available for followed db").with("followedDB", ""),
                ))
            }
        }
    }

    /// The master, if pg_rewind can make this data directory follow it.
    fn rewind_source(&self) -> Option<&Peer> {
        let followed = self.desired.followed()?;
        let master = self.desired.master.as_ref().filter(|master| master.has_address())?;
        let data = self.local.data.as_ref()?;
        let superuser = &self.desired.keeper.superuser;
        let is_same_system =
            !data.system_id.is_empty() && data.system_id == followed.status.system_id;
        // Two dbs that were elected one after the other can both have promoted themselves to the same timeline. pg_rewind takes
        // them for in sync, and so does a comparison of their histories; what follows the fork would stay different for ever.
        let is_rival = !data.is_standby && data.timeline >= master.status.timeline_id;
        let has_login = !superuser.name.is_empty() && superuser.password().is_some();
        (self.desired.spec.use_pgrewind && is_same_system && !is_rival && has_login)
            .then_some(master)
    }
}

fn copying(source: &Peer) -> Message {
    Message::info("syncing from followed db")
        .with("followedDB", &source.uid)
        .with("keeper", &source.keeper)
}
