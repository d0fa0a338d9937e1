//! What a keeper does next with its instance: `look() -> Local`, `plan() -> Plan`, execute, and again.
//!
//! A pass of the keeper is a loop. Every choice is made here; the shell executes without choosing:
//!
//! ```text
//! memory.begin_pass();
//! for round in 0..MAX_ROUNDS {
//!     desired = Desired::read(cluster data, ...);        // may be read anew in each round
//!     local = look();                                    // always anew
//!     let Plan { messages, next } = plan(&desired, &local, &memory);
//!     log the messages that differ from those of the previous plan;
//!     match next {
//!         Do(actions) => for action in actions {
//!             log action.before(); outcome = execute(action); log action.after() or action.failed(error);
//!             match memory.record(&action, outcome.is_ok()) { Continue => {}, LookAgain => break, EndPass => end the pass }
//!         }
//!         Done { .. } | Wait(_) => end the pass
//!     }
//! }
//! ```
//!
//! A list of actions reaches to the next point where the outcome has to be looked at. Whenever the process dies between two
//! actions, the files tell the next process enough: `dbstate` is marked `Initializing` before PGDATA is touched, and the
//! generation is saved when nothing else is left to do.
//!
//! The table, first row that fits:
//!
//! | Desired | Local | Next |
//! |---|---|---|
//! | nothing known, unusable | | wait; nothing is touched |
//! | anything with a cluster | other cluster in `keeperstate` | save `keeperstate` |
//! | keeper unknown | | wait; nothing is touched |
//! | no db, other boot UUID | server runs | stop |
//! | no db, other boot UUID | | wait |
//! | db | `Initializing`, not under way in this process | stop, delete PGDATA, reset `dbstate` |
//! | db | other db, init mode none | wait: the data were lost or replaced |
//! | db | other db, new | stop, save `Initializing`, delete, initdb, temporary start, parameters, roles, stop |
//! | db | other db, existing | save (not `Initializing`), stop, temporary start, parameters, stop |
//! | db | other db, pitr | stop, save `Initializing`, delete, restore, temporary start, recovery, parameters, stop |
//! | db | other db, resync, rewind can do | stop, save `Initializing`, rewind |
//! | db | other db, resync, slot not confirmed, not yet waited for | wait for it |
//! | db | other db, resync | stop, save `Initializing`, delete, base backup |
//! | db, resync | rewound, stopped | start as standby, wait until ready |
//! | db, resync | rewound, runs, same branch | the data are made |
//! | db, resync | rewind failed, not ready, other branch | stop, delete, base backup |
//! | db, existing | taken over, its parameters not read | as other db, existing |
//! | db | runs with the temporary configuration | stop |
//! | master | no data | wait |
//! | master | stopped | start (users kept out if replication is synchronous), wait until ready |
//! | master | runs, silent | wait until ready |
//! | master | configuration differs | reload |
//! | master | is a standby | promote |
//! | standby | followed db unknown, no data, or is a master | wait |
//! | standby | stopped | start |
//! | standby | recovery settings differ and need a restart | stop, start |
//! | standby | configuration differs | reload |
//! | db | slots differ | drop, create |
//! | db | restart pending, automaticPgRestart | stop, start |
//! | db | other generation in `dbstate` | save `dbstate` |
//! | db | | done |

pub mod action;
mod case;
pub mod desired;
mod init;
pub mod local;
pub mod memory;
pub mod message;
pub mod peer;
mod resync;
mod role;

pub use action::Action;
pub use desired::{Desired, DesiredDb, DesiredRole, KeeperOptions};
pub use local::{DataDirectory, Local, Position, Reading, Server};
pub use memory::{Flow, Memory};
pub use message::Message;

use crate::generation::Generation;
use crate::local::KeeperLocalState;
use crate::postgres::hba::Access;
use crate::uid::DbUid;
use action::Purpose;
use case::Case;
use memory::Stage;

/// No pass needs more rounds; one that does is stuck between two states, ends, and is tried again later.
pub const MAX_ROUNDS: usize = 32;

/// What to do next, and what to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    /// Lines for the log that explain it.
    pub messages: Vec<Message>,
    /// What to do.
    pub next: Next,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Execute these in order, then look and plan again. Never empty.
    Do(Vec<Action>),
    /// Nothing is left to do: this generation is applied and saved.
    Done {
        /// The db.
        db: DbUid,
        /// Its generation.
        generation: Generation,
        /// Who is let in; while that is [`Access::Internal`], users wait at the door for the synchronous standbys, so the
        /// next look should come soon.
        access: Access,
    },
    /// Nothing can be done until something outside of this keeper changes.
    Wait(Reason),
}

/// What a keeper waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Cluster data.
    NoClusterData,
    /// Cluster data that can be acted upon.
    UnusableClusterData,
    /// Being added by the sentinel.
    KeeperUnknown,
    /// A db.
    NoDb,
    /// The sentinel to see this run of the process.
    BootUuidMismatch,
    /// An operator: the data of the db are not here.
    DataLost,
    /// An operator: there is nothing to take over.
    NothingToTakeOver,
    /// A spec that says what to restore.
    NoBackup,
    /// The followed db in the cluster data.
    NoFollowed,
    /// The followed db's keeper to say where it listens.
    FollowedHasNoAddress,
    /// Another db: this one has no data.
    NotInitialised,
    /// Another db: this one was a master.
    IsMaster,
    /// A role.
    RoleUndefined,
}

impl Plan {
    fn new(next: Next) -> Self {
        Self { messages: Vec::new(), next }
    }

    fn say(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    fn say_all(mut self, messages: impl IntoIterator<Item = Message>) -> Self {
        self.messages.extend(messages);
        self
    }

    fn say_first(mut self, message: Message) -> Self {
        self.messages.insert(0, message);
        self
    }
}

/// What to do next, given what is wanted, what is there, and what this process remembers. `pgdata` is the path of PGDATA.
pub fn plan(desired: &Desired, local: &Local, memory: &Memory, pgdata: &str) -> Plan {
    if let Some(cluster) = desired.cluster()
        && local.keeper_state.cluster_uid != *cluster
    {
        let state = KeeperLocalState { cluster_uid: cluster.clone(), ..local.keeper_state.clone() };
        return Plan::new(Next::Do(vec![Action::SaveKeeperState(state)]));
    }
    match desired {
        Desired::NothingKnown => Plan::new(Next::Wait(Reason::NoClusterData))
            .say(Message::info("no cluster data available, waiting for it to appear")),
        Desired::Unusable { reason } => Plan::new(Next::Wait(Reason::UnusableClusterData))
            .say(Message::error("cluster data cannot be used").with("reason", reason)),
        Desired::KeeperUnknown { .. } => Plan::new(Next::Wait(Reason::KeeperUnknown))
            .say(Message::info("our keeper data is not available, waiting for it to appear")),
        Desired::NoDb { .. } => stay_stopped(local, memory, pgdata, Reason::NoDb)
            .say(Message::info("no db assigned")),
        Desired::BootUuidMismatch { recorded, own, .. } => {
            stay_stopped(local, memory, pgdata, Reason::BootUuidMismatch).say(
                Message::info(
                    "our db boot UID is different than the cluster data one, waiting for it to be updated",
                )
                .with("bootUUID", own)
                .with("clusterBootUUID", recorded),
            )
        }
        Desired::Db(db) => plan_db(Case { desired: db, local, memory }),
    }
}

fn stay_stopped(local: &Local, memory: &Memory, pgdata: &str, reason: Reason) -> Plan {
    if local.server.is_running() {
        Plan::new(Next::Do(vec![case::stop(pgdata, memory, Purpose::Plain)]))
    } else {
        Plan::new(Next::Wait(reason))
    }
}

fn plan_db(case: Case<'_>) -> Plan {
    if case.is_unfinished() {
        return case.clean_up();
    }
    let db = &case.desired.uid;
    if case.local.db_state.uid != *db {
        return case.init();
    }
    match case.memory.stage_of(db) {
        Some(stage @ (Stage::Rewound | Stage::RewoundStarted | Stage::NeedsCopy)) => {
            return case.go_on_resyncing(stage);
        }
        Some(Stage::Made) | None => {}
    }
    if case.is_half_taken_over() {
        return case.take_over();
    }
    case.converge()
}
