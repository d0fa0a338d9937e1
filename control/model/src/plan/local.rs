//! What a keeper finds when it looks at its instance.

use crate::cluster::TimelineHistory;
use crate::local::{DbLocalState, KeeperLocalState};
use crate::lsn::{Lsn, TimelineId};
use crate::postgres::timeline::Branch;
use crate::postgres::version::PgVersion;
use crate::uid::DbUid;
use std::collections::BTreeSet;

/// One look at the data directory and at the server. Taken anew before each call of [`plan`](super::plan).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// The file `keeperstate`.
    pub keeper_state: KeeperLocalState,
    /// The file `dbstate`.
    pub db_state: DbLocalState,
    /// The version that `postgres -V` prints; `None` if that failed.
    pub binary_version: Option<PgVersion>,
    /// PGDATA; `None` unless everything that [`PgVersion::data_files`] names exists. Whatever else stands at its path, even a
    /// half-made directory, counts as none.
    pub data: Option<DataDirectory>,
    /// The server process.
    pub server: Server,
}

/// An initialised PGDATA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataDirectory {
    /// From `PG_VERSION`; `None` if it cannot be read.
    pub version: Option<PgVersion>,
    /// `standby.signal` exists (data version 12 and later), or `recovery.conf` (before): the instance follows. This file alone
    /// tells the role.
    pub is_standby: bool,
    /// The first 8 bytes of `global/pg_control`, little endian, in decimal; empty if they cannot be read.
    pub system_id: String,
    /// The newest timeline that these data have been on: that of the last checkpoint in `global/pg_control`, or of the newest
    /// history file in the WAL directory, if that is newer. Zero if neither can be read.
    pub timeline: TimelineId,
}

/// The server process on PGDATA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Server {
    /// There is none.
    #[default]
    Stopped,
    /// It runs and does not answer queries (it starts, recovers, hangs, or some query of [`Reading`] failed).
    Silent,
    /// It runs and answered every query.
    Answering(Reading),
}

impl Server {
    /// Whether there is a process.
    pub fn is_running(&self) -> bool {
        *self != Self::Stopped
    }

    /// Its answers, if it gave them.
    pub fn reading(&self) -> Option<&Reading> {
        match self {
            Self::Answering(reading) => Some(reading),
            Self::Stopped | Self::Silent => None,
        }
    }
}

/// What a server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Names of the physical and logical slots that are not temporary.
    pub slots: BTreeSet<String>,
    /// Some row of `pg_settings` has `pending_restart` (before 9.5: always false).
    pub is_restart_pending: bool,
    /// Dbs whose WAL sender has `sync_state` exactly `sync`, and which have everything written before it had.
    pub in_sync: BTreeSet<DbUid>,
    /// Where it stands; `None` if the replication connection was refused.
    pub position: Option<Position>,
}

/// Where a server stands in the WAL: `IDENTIFY_SYSTEM` and, past the first timeline, `TIMELINE_HISTORY`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Its timeline.
    pub timeline: TimelineId,
    /// Its position; on a standby the flush position.
    pub xlog_pos: Lsn,
    /// Its history, in whole or from some entry on.
    pub history: Vec<TimelineHistory>,
}

impl Position {
    /// The same, to compare with another instance.
    pub fn branch(&self) -> Branch<'_> {
        Branch { timeline: self.timeline, xlog_pos: self.xlog_pos, history: &self.history }
    }
}

impl Local {
    /// The version that decides about files and parameters: that of the programs, else that of the data.
    pub fn version(&self) -> Option<PgVersion> {
        self.binary_version.or_else(|| self.data.as_ref()?.version)
    }
}
