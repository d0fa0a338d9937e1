//! Writers that append unique numbers and remember every one that was acknowledged.

use crate::client::{Client, DEADLINE};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A writer's pause after an error, so that a closed port is not knocked at in a circle.
const PAUSE: Duration = Duration::from_millis(20);

/// Creates the table. Each row tells which instance took it: port, timeline and system identifier.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS appended (
    id bigint PRIMARY KEY, port int NOT NULL, timeline text NOT NULL, system text NOT NULL)";

/// One acknowledged row.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// When.
    pub at: Instant,
    /// The timeline it was written on.
    pub timeline: String,
}

/// What writers share.
#[derive(Debug, Default)]
struct Shared {
    next: AtomicI64,
    acknowledged: Mutex<BTreeMap<i64, Acknowledged>>,
    errors: AtomicUsize,
    stuck: Mutex<Vec<String>>,
}

/// Running writers; they end when this is dropped.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    writers: JoinSet<()>,
}

/// What the writers saw.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every acknowledged number.
    pub acknowledged: BTreeMap<i64, Acknowledged>,
    /// Operations that failed; their rows may or may not exist.
    pub errors: usize,
    /// Operations that neither succeeded nor failed within their deadline.
    pub stuck: Vec<String>,
}

impl Load {
    /// Creates the table through `port` and starts `writers` that write through it.
    pub async fn start(port: u16, writers: usize) -> Result<Self> {
        Self::start_with(port, writers, DEADLINE).await
    }

    /// The same with what a commit may take before it counts as stuck.
    pub async fn start_with(port: u16, writers: usize, deadline: Duration) -> Result<Self> {
        Client::connect(port)
            .await?
            .run(TABLE)
            .await
            .context("cannot create the table of the load")?;
        let mut load = Self { shared: Arc::default(), writers: JoinSet::new() };
        for _ in 0..writers {
            load.writers.spawn(write(port, deadline, Arc::clone(&load.shared)));
        }
        Ok(load)
    }

    /// How many rows were acknowledged so far.
    pub fn count(&self) -> usize {
        self.shared.lock().len()
    }

    /// Waits until `more` further rows are acknowledged.
    pub async fn progress(&self, more: usize, within: Duration) -> Result<()> {
        let start = self.count();
        crate::eventually(&format!("{more} further rows are acknowledged"), within, async || {
            let now = self.count() - start;
            ensure!(
                now >= more,
                "{now} were, after {} errors",
                self.shared.errors.load(Ordering::Relaxed)
            );
            Ok(())
        })
        .await
    }

    /// Ends the writers and says what they saw.
    pub async fn stop(mut self) -> Report {
        self.writers.shutdown().await;
        Report {
            acknowledged: self.shared.lock().clone(),
            errors: self.shared.errors.load(Ordering::Relaxed),
            stuck: self.shared.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<i64, Acknowledged>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report {
    /// No acknowledged row is missing at `port`, no operation got stuck, and no instance of an older timeline
    /// acknowledged a row after a newer one had.
    pub async fn check(&self, port: u16) -> Result<()> {
        ensure!(
            self.stuck.is_empty(),
            "{} operations got stuck: {:?}",
            self.stuck.len(),
            self.stuck
        );
        ensure!(!self.acknowledged.is_empty(), "nothing was acknowledged");
        let rows = Client::connect(port).await?.rows("SELECT id FROM appended").await?;
        let kept: BTreeSet<i64> =
            rows.into_iter().flatten().filter_map(|id| id.parse().ok()).collect();
        let lost: Vec<_> = self.acknowledged.keys().filter(|id| !kept.contains(id)).collect();
        ensure!(
            lost.is_empty(),
            "{} of {} acknowledged rows are lost: {lost:?}",
            lost.len(),
            self.acknowledged.len()
        );
        self.check_order()
    }

    fn check_order(&self) -> Result<()> {
        let mut spans: BTreeMap<&str, (Instant, Instant)> = BTreeMap::new();
        for row in self.acknowledged.values() {
            let span = spans.entry(&row.timeline).or_insert((row.at, row.at));
            *span = (span.0.min(row.at), span.1.max(row.at));
        }
        for ((old, (_, last)), (new, (first, _))) in spans.iter().zip(spans.iter().skip(1)) {
            ensure!(last <= first, "timeline {old} acknowledged a row after timeline {new} did");
        }
        Ok(())
    }

    /// The longest time between two acknowledged rows.
    pub fn longest_gap(&self) -> Duration {
        let mut times: Vec<Instant> = self.acknowledged.values().map(|row| row.at).collect();
        times.sort();
        times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(one, next)| *next - *one)
            .max()
            .unwrap_or_default()
    }
}

async fn write(port: u16, deadline: Duration, shared: Arc<Shared>) {
    loop {
        let failed = match Client::connect(port).await {
            Ok(mut client) => {
                client.deadline = deadline;
                append(&client, &shared).await
            }
            Err(error) => error,
        };
        let text = format!("{failed:#}");
        if text.contains("stuck for") || text.contains("hangs for") {
            shared.stuck.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
        shared.errors.fetch_add(1, Ordering::Relaxed);
        sleep(PAUSE).await;
    }
}

/// Appends over one session until it fails.
async fn append(client: &Client, shared: &Shared) -> anyhow::Error {
    loop {
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        let insert = format!(
            "INSERT INTO appended SELECT {id}, inet_server_port(), left(pg_walfile_name(pg_current_wal_lsn()), 8), \
             system_identifier FROM pg_control_system() RETURNING timeline"
        );
        match client.value(&insert).await {
            Ok(timeline) => {
                shared.lock().insert(id, Acknowledged { at: Instant::now(), timeline });
            }
            Err(error) => return error,
        }
    }
}
