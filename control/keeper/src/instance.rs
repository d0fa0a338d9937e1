//! The one PostgreSQL instance of this keeper: what is needed to look at it and to act on it, and the look itself.

use crate::data_dir::DataDir;
use crate::data_dir::states::States;
use crate::postgres::binaries::Binaries;
use crate::postgres::local::LocalServer;
use crate::postgres::pgdata;
use crate::postgres::postmaster::Postmaster;
use crate::postgres::replication::{ReplicationConnection, ReplicationError, SystemData};
use crate::postgres::sql::{Session, SqlError};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use stolon_model::cluster::TimelineHistory;
use stolon_model::lsn::TimelineId;
use stolon_model::plan::Local;
use stolon_model::plan::local::{Position, Reading, Server};
use stolon_model::postgres::confirmation::Confirmation;
use stolon_model::postgres::timeline;
use stolon_model::uid::DbUid;
use tracing::debug;

/// The instance.
#[derive(Debug)]
pub struct Instance {
    /// Where its data are.
    pub data_dir: DataDir,
    /// What the keeper remembers of them across restarts.
    pub states: States,
    /// PostgreSQL's programs.
    pub binaries: Binaries,
    /// Its server process.
    pub postmaster: Postmaster,
    /// How to reach it.
    pub server: LocalServer,
    /// Which of its synchronous standbys have everything.
    pub confirmation: Mutex<Confirmation>,
}

/// Whether a look asks the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// All it can tell.
    Everything,
    /// It does not matter what the server says: it is to be stopped.
    Nothing,
}

impl Instance {
    /// PGDATA.
    pub fn pgdata(&self) -> PathBuf {
        self.data_dir.pgdata()
    }

    /// Looks at the files and the server.
    pub async fn look(&self, asking: Asking) -> io::Result<Local> {
        let db_state = self.states.db();
        let data = pgdata::look(&self.pgdata())?;
        let server = match (self.postmaster.running()?, asking) {
            (None, _) => Server::Stopped,
            (Some(_), Asking::Nothing) => Server::Silent,
            // Where it stands in the WAL matters only for data that are being made, and costs a connection.
            (Some(_), Asking::Everything) => match self.read(db_state.initializing).await {
                Ok(reading) => Server::Answering(reading),
                Err(error) => {
                    debug!(%error, "the server does not answer");
                    Server::Silent
                }
            },
        };
        Ok(Local {
            keeper_state: self.states.keeper(),
            db_state,
            binary_version: self.binaries.version().await,
            data,
            server,
        })
    }

    async fn read(&self, with_position: bool) -> Result<Reading, SqlError> {
        let session = Session::open(&self.server).await?;
        Ok(Reading {
            slots: session.replication_slots().await?,
            is_restart_pending: session.is_restart_pending().await?,
            in_sync: self.in_sync(&session).await?,
            position: if with_position { self.position().await.ok() } else { None },
        })
    }

    /// The dbs whose standbys are in state `sync` and have every commit that was acknowledged.
    pub async fn in_sync(&self, session: &Session) -> Result<BTreeSet<DbUid>, SqlError> {
        let reading = session.sync_standbys().await?;
        let mut confirmation = self.confirmation.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(confirmation.take_in(&reading))
    }

    async fn position(&self) -> Result<Position, ReplicationError> {
        let (system, history) = system_data(&self.server).await?;
        Ok(Position { timeline: system.timeline, xlog_pos: system.xlog_pos, history })
    }
}

/// Who the instance is, where it stands, and by which way it came there. The first timeline has no history.
pub async fn system_data(
    server: &LocalServer,
) -> Result<(SystemData, Vec<TimelineHistory>), ReplicationError> {
    let mut connection = ReplicationConnection::open(server).await?;
    let system = connection.identify_system().await?;
    let history = if system.timeline > TimelineId(1) {
        timeline::parse_history(&connection.timeline_history(system.timeline).await?)
    } else {
        Vec::new()
    };
    Ok((system, history))
}
