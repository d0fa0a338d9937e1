//! Short sessions with the own instance as superuser over the unix socket. Every connect and every statement is bounded.

use super::local::LocalServer;
use std::collections::BTreeSet;
use std::time::Duration;
use stolon_model::lsn::Lsn;
use stolon_model::postgres::confirmation::SyncReading;
use stolon_model::postgres::version::PgVersion;
use stolon_model::postgres::{SOCKET_DIRECTORY, sync};
use stolon_model::spec::PgParameters;
use tokio::task::AbortHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};

/// The instance could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// No session.
    #[error("cannot connect to the local instance: {0}")]
    Connect(#[source] tokio_postgres::Error),
    /// A statement failed.
    #[error("{what}: {message}")]
    Statement {
        /// What was being done.
        what: &'static str,
        /// The server's own words.
        message: String,
    },
    /// No answer in time.
    #[error("the local instance did not answer within {0:?}")]
    TimedOut(Duration),
}

/// A session; it ends when dropped.
#[derive(Debug)]
pub struct Session {
    client: Client,
    connection: AbortHandle,
    timeout: Duration,
    version: Option<PgVersion>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    /// Opens a session.
    pub async fn open(server: &LocalServer) -> Result<Self, SqlError> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(SOCKET_DIRECTORY)
            .port(server.port)
            .user(&server.superuser.name)
            .dbname("postgres")
            .application_name("stolon-keeper")
            .connect_timeout(server.timeout)
            // A commit of the keeper must not wait for synchronous standbys, which may be what it is about to repair. And what
            // it asks every few seconds is nobody's log's business.
            .options(format!(
                "-c statement_timeout={} -c synchronous_commit=local -c log_statement=none",
                server.timeout.as_millis()
            ));
        if let Some(password) = server.superuser.password() {
            config.password(password.expose());
        }
        let connect = config.connect(NoTls);
        let (client, connection) = tokio::time::timeout(server.timeout, connect)
            .await
            .map_err(|_| SqlError::TimedOut(server.timeout))?
            .map_err(SqlError::Connect)?;
        let version = connection.parameter("server_version").and_then(PgVersion::parse_parameter);
        let connection = tokio::spawn(async move {
            // Its end shows in the statements that fail.
            let _ = connection.await;
        });
        Ok(Self { client, connection: connection.abort_handle(), timeout: server.timeout, version })
    }

    /// Whether statements are answered.
    pub async fn ping(&self) -> Result<(), SqlError> {
        self.rows("cannot run a statement", "select 1").await.map(drop)
    }

    /// The parameters that stand in the configuration files.
    pub async fn configured_parameters(&self) -> Result<PgParameters, SqlError> {
        let rows = self
            .rows(
                "cannot read the configured parameters",
                "select name, setting from pg_file_settings \
                 where name is not null and setting is not null order by seqno",
            )
            .await?;
        Ok(rows.iter().filter_map(|row| Some((text(row, 0)?, text(row, 1)?))).collect())
    }

    /// The cluster's standbys that are in state `sync`; `quorum` and `potential` do not count.
    pub async fn sync_standbys(&self) -> Result<SyncReading, SqlError> {
        let (flushed, written) = if self.version.is_none_or(PgVersion::speaks_of_wal) {
            ("flush_lsn", "pg_current_wal_flush_lsn")
        } else {
            ("flush_location", "pg_current_xlog_flush_location")
        };
        // The last column is computed for each row that the view has given.
        let statement = format!(
            "select pg_conf_load_time(), application_name, coalesce({flushed}, '0/0'), {written}() \
             from pg_stat_replication where sync_state = 'sync'"
        );
        let rows = self.rows("cannot read the synchronous standbys", &statement).await?;
        let mut reading = SyncReading::default();
        for row in &rows {
            let (Some(loaded), Some(name)) = (text(row, 0), text(row, 1)) else { continue };
            let (Some(flushed), Some(written)) = (lsn(row, 2), lsn(row, 3)) else { continue };
            reading.loaded = loaded;
            reading.written = reading.written.max(written);
            if let Some(db) = sync::db_of(&name) {
                // While a broken connection is still there, the standby can have a new one already.
                let known = reading.flushed.entry(db).or_default();
                *known = flushed.max(*known);
            }
        }
        Ok(reading)
    }

    /// Whether a changed parameter waits for a restart.
    pub async fn is_restart_pending(&self) -> Result<bool, SqlError> {
        let rows = self
            .rows(
                "cannot read the pending restarts",
                "select 1 from pg_settings where pending_restart limit 1",
            )
            .await?;
        Ok(!rows.is_empty())
    }

    /// When the configuration was last loaded, as text to compare.
    pub async fn configuration_loaded(&self) -> Result<String, SqlError> {
        let what = "cannot read when the configuration was loaded";
        let rows = self.rows(what, "select pg_conf_load_time()").await?;
        Ok(rows.first().and_then(|row| text(row, 0)).unwrap_or_default())
    }

    /// The current value of a parameter; `None` if there is no such parameter.
    pub async fn parameter(&self, name: &str) -> Result<Option<String>, SqlError> {
        let statement = "select setting from pg_settings where name = $1";
        let parameters: &[&(dyn ToSql + Sync)] = &[&name];
        let query = self.client.query_opt(statement, parameters);
        let row = self.bounded("cannot read a parameter", query).await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Names of the permanent replication slots.
    pub async fn replication_slots(&self) -> Result<BTreeSet<String>, SqlError> {
        let rows = self
            .rows(
                "cannot read the replication slots",
                // By way of JSON, because 9.6 has no temporary slots and no such column.
                "select slot_name from pg_replication_slots as slot \
                 where to_jsonb(slot) ->> 'temporary' is distinct from 'true'",
            )
            .await?;
        Ok(rows.iter().filter_map(|row| text(row, 0)).collect())
    }

    /// Makes a physical replication slot.
    pub async fn create_replication_slot(&self, name: &str) -> Result<(), SqlError> {
        self.execute(
            "cannot create a replication slot",
            "select pg_create_physical_replication_slot($1)",
            &[&name],
        )
        .await
    }

    /// Drops a replication slot; fails while it is in use.
    pub async fn drop_replication_slot(&self, name: &str) -> Result<(), SqlError> {
        self.execute(
            "cannot drop a replication slot",
            "select pg_drop_replication_slot($1)",
            &[&name],
        )
        .await
    }

    /// Runs statements that return nothing, in one message and so in one transaction unless they open one.
    pub async fn batch(&self, what: &'static str, statements: &str) -> Result<(), SqlError> {
        self.bounded(what, self.client.batch_execute(statements)).await
    }

    async fn execute(
        &self,
        what: &'static str,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(), SqlError> {
        self.bounded(what, self.client.query(statement, parameters)).await.map(drop)
    }

    async fn rows(
        &self,
        what: &'static str,
        statement: &str,
    ) -> Result<Vec<SimpleQueryRow>, SqlError> {
        let messages = self.bounded(what, self.client.simple_query(statement)).await?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .collect())
    }

    async fn bounded<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, SqlError> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result.map_err(|error| SqlError::Statement {
                what,
                // The bare error says only "db error".
                message: error
                    .as_db_error()
                    .map_or_else(|| error.to_string(), |error| error.message().to_owned()),
            }),
            Err(_) => Err(SqlError::TimedOut(self.timeout)),
        }
    }
}

fn text(row: &SimpleQueryRow, column: usize) -> Option<String> {
    row.try_get(column).ok().flatten().map(str::to_owned)
}

fn lsn(row: &SimpleQueryRow, column: usize) -> Option<Lsn> {
    text(row, column)?.parse().ok()
}
