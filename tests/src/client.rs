//! A user of the database: SQL over one session, each operation with a deadline.

use anyhow::{Context, Result};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

/// The superuser of the clusters under test.
pub const SUPERUSER: &str = "admin";

/// Its password; the replication user has another one.
pub const PASSWORD: &str = "correct horse 'battery' staple";

/// What an operation may take before it counts as stuck.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// An open session.
#[derive(Debug)]
pub struct Client {
    /// What a statement may take before it counts as stuck.
    pub deadline: Duration,
    client: tokio_postgres::Client,
    connection: JoinHandle<()>,
}

impl Client {
    /// Connects to 127.0.0.1 as superuser.
    pub async fn connect(port: u16) -> Result<Self> {
        Self::connect_within(port, DEADLINE).await
    }

    /// Connects, or gives up after `within`.
    pub async fn connect_within(port: u16, within: Duration) -> Result<Self> {
        Self::connect_at("127.0.0.1", port, within).await
    }

    /// Connects to another address, or gives up after `within`.
    pub async fn connect_at(address: &str, port: u16, within: Duration) -> Result<Self> {
        let mut config = Config::new();
        config.host(address).port(port).user(SUPERUSER).password(PASSWORD).dbname("postgres");
        let connect = config.connect(NoTls);
        let (client, connection) = tokio::time::timeout(within, connect)
            .await
            .with_context(|| format!("connecting to port {port} hangs for {within:?}"))?
            .map_err(|error| describe(&error).context(format!("cannot connect to port {port}")))?;
        let connection = tokio::spawn(async move {
            // Its error reaches whoever uses the client.
            let _ = connection.await;
        });
        Ok(Self { deadline: DEADLINE, client, connection })
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.rows(sql).await.map(|_| ())
    }

    /// The rows of a query as text; null is the empty string.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let messages = tokio::time::timeout(self.deadline, self.client.simple_query(sql))
            .await
            .with_context(|| format!("stuck for {:?}: {sql}", self.deadline))?
            .map_err(|error| describe(&error).context(sql.to_owned()))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|column| row.get(column).unwrap_or_default().to_owned())
                    .collect(),
            ),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The one value of a query.
    pub async fn value(&self, sql: &str) -> Result<String> {
        let rows = self.rows(sql).await?;
        rows.into_iter().flatten().next().with_context(|| format!("no row: {sql}"))
    }

    /// Whether the other side has ended the session.
    pub fn is_closed(&self) -> bool {
        self.connection.is_finished()
    }

    /// Waits until the other side ends the session.
    pub async fn closed(&mut self, within: Duration) -> Result<()> {
        tokio::time::timeout(within, &mut self.connection)
            .await
            .with_context(|| format!("the session still lives after {within:?}"))?
            .context("the session's task failed")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The library's own text says only "db error"; what matters is the server's sentence and code.
fn describe(error: &tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(db) => anyhow::anyhow!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            anyhow::anyhow!(text)
        }
    }
}
