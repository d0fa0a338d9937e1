//! Clients that keep writing and reconnecting, and remember each acknowledged commit with its time.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_postgres::{Client, Config, NoTls};

/// The table that the writers fill: one row for each attempt that was committed.
pub const TABLE: &str = "stolon_outage";

/// No single operation may take longer; one that does is a client that hangs, which is counted.
const OPERATION_LIMIT: Duration = Duration::from_secs(40);
/// Between two attempts to connect, so that a refused connection does not become a busy loop.
const RECONNECT_PAUSE: Duration = Duration::from_millis(5);

/// One acknowledged commit.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    /// Which writer.
    pub writer: i32,
    /// Its number, unique within the writer.
    pub number: i64,
    /// When the acknowledgement arrived.
    pub at: Instant,
}

/// What all writers count together.
#[derive(Debug, Default)]
pub struct Counters {
    /// Statements or connections that ended in an error.
    pub errors: AtomicU64,
    /// Operations that reached [`OPERATION_LIMIT`].
    pub stuck: AtomicU64,
    stop: AtomicBool,
}

/// Several writers at work.
#[derive(Debug)]
pub struct Writers {
    /// Shared counts.
    pub counters: Arc<Counters>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    commits: mpsc::Receiver<Commit>,
}

/// Connects within [`OPERATION_LIMIT`] and drives the connection in a task that ends with it.
pub async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = tokio::time::timeout(OPERATION_LIMIT, config.connect(NoTls))
        .await
        .context("connecting took too long")??;
    // Ends when the client is dropped or the server closes; its error reaches the client's next call.
    tokio::spawn(async move { connection.await.ok() });
    Ok(client)
}

/// Makes the empty table.
pub async fn prepare(config: &Config) -> Result<()> {
    let client = connect(config).await.context("cannot connect to prepare the table")?;
    client
        .batch_execute(&format!(
            "drop table if exists {TABLE}; create table {TABLE} (writer int, number bigint, primary key (writer, number))"
        ))
        .await
        .context("cannot create the table")
}

impl Writers {
    /// Starts `count` writers.
    pub fn start(config: &Config, count: u16) -> Self {
        let counters = Arc::new(Counters::default());
        let (sender, commits) = mpsc::channel(65_536);
        let tasks = (0..i32::from(count))
            .map(|writer| {
                tokio::spawn(write(writer, config.clone(), counters.clone(), sender.clone()))
            })
            .collect();
        Self { counters, tasks, commits }
    }

    /// The next acknowledged commit, or `None` if there is none within `limit`.
    pub async fn next(&mut self, limit: Duration) -> Option<Commit> {
        tokio::time::timeout(limit, self.commits.recv()).await.ok().flatten()
    }

    /// Tells the writers to end after their current statement and returns the commits not yet taken.
    pub async fn stop(mut self) -> Vec<Commit> {
        self.counters.stop.store(true, Ordering::Relaxed);
        let mut rest = Vec::new();
        while let Some(commit) = self.next(OPERATION_LIMIT).await {
            rest.push(commit);
        }
        for task in self.tasks {
            task.abort();
        }
        rest
    }
}

async fn write(
    writer: i32,
    config: Config,
    counters: Arc<Counters>,
    commits: mpsc::Sender<Commit>,
) {
    let insert = format!("insert into {TABLE} values ($1, $2)");
    let mut number = 0;
    while !counters.stop.load(Ordering::Relaxed) {
        let Ok(client) = connect(&config).await else {
            counters.errors.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(RECONNECT_PAUSE).await;
            continue;
        };
        while !counters.stop.load(Ordering::Relaxed) {
            number += 1;
            let outcome =
                tokio::time::timeout(OPERATION_LIMIT, client.execute(&insert, &[&writer, &number]))
                    .await;
            match outcome {
                Ok(Ok(_)) => {
                    let commit = Commit { writer, number, at: Instant::now() };
                    if commits.send(commit).await.is_err() {
                        return;
                    }
                }
                Ok(Err(_)) => {
                    counters.errors.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Err(_) => {
                    counters.stuck.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
    }
}
