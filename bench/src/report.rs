//! What a run of writers saw: the outage, and what was lost.

use crate::writer::{Commit, Counters, TABLE, connect};
use anyhow::{Context, Result};
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_postgres::Config;

/// What a run of writers saw.
#[derive(Debug)]
pub struct Report {
    /// The longest time in which no writer was told of a commit.
    pub outage: Duration,
    /// From `since` to the first commit that was acknowledged after the outage began.
    pub since_fault: Option<Duration>,
    /// Commits that clients were told of.
    pub acknowledged: usize,
    /// Acknowledged commits that the table does not hold.
    pub lost: usize,
    /// Rows whose commit no client was told of: their outcome was unknown to the client, which is allowed.
    pub unknown: usize,
    /// Errors that clients saw.
    pub errors: u64,
    /// Operations that hung.
    pub stuck: u64,
}

impl Report {
    /// Compares the commits with the table. `fault` is when the fault was made, if known.
    pub async fn make(
        config: &Config,
        mut commits: Vec<Commit>,
        counters: &Counters,
        fault: Option<Instant>,
    ) -> Result<Self> {
        commits.sort_by_key(|commit| commit.at);
        let (outage, resumed) = longest_gap(&commits);
        let client = connect(config).await.context("cannot connect to read the table")?;
        let rows = client.query(&format!("select writer, number from {TABLE}"), &[]).await?;
        let stored: HashSet<(i32, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let acknowledged: HashSet<(i32, i64)> =
            commits.iter().map(|c| (c.writer, c.number)).collect();
        Ok(Self {
            outage,
            since_fault: fault
                .zip(resumed)
                .map(|(fault, resumed)| resumed.saturating_duration_since(fault)),
            acknowledged: acknowledged.len(),
            lost: acknowledged.difference(&stored).count(),
            unknown: stored.difference(&acknowledged).count(),
            errors: counters.errors.load(Ordering::Relaxed),
            stuck: counters.stuck.load(Ordering::Relaxed),
        })
    }
}

/// The longest time between two neighbouring commits, and when it ended.
fn longest_gap(commits: &[Commit]) -> (Duration, Option<Instant>) {
    commits
        .windows(2)
        .map(|pair| (pair[1].at.saturating_duration_since(pair[0].at), Some(pair[1].at)))
        .max_by_key(|(gap, _)| *gap)
        .unwrap_or((Duration::ZERO, None))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "outage:                {:.2} s without a commit", self.outage.as_secs_f64())?;
        writeln!(f, "commits acknowledged:  {}", self.acknowledged)?;
        writeln!(f, "commits lost:          {}", self.lost)?;
        writeln!(f, "commits unconfirmed:   {} (stored, the client could not know)", self.unknown)?;
        write!(f, "errors seen:           {}, clients that hung: {}", self.errors, self.stuck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_is_between_neighbours() {
        let start = Instant::now();
        let at = |ms| Commit { writer: 0, number: 0, at: start + Duration::from_millis(ms) };
        let (gap, end) = longest_gap(&[at(0), at(10), at(510), at(520)]);
        assert_eq!(gap, Duration::from_millis(500));
        assert_eq!(end, Some(start + Duration::from_millis(510)));
        assert_eq!(longest_gap(&[at(0)]).0, Duration::ZERO);
    }
}
