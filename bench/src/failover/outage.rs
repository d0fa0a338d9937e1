//! From a SIGKILL to the first commit through the proxy.

use super::figure::Figure;
use crate::progress::eprint_progress;
use crate::report::Report;
use crate::writer::{Writers, prepare};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use stolon_tests::client::{PASSWORD, SUPERUSER};
use stolon_tests::cluster::Cluster;
use tokio_postgres::Config;

/// Clients that write during the fault.
const WRITERS: u16 = 4;
/// Commits before the fault.
const WARM_UP: Duration = Duration::from_secs(2);
/// Commits after it.
const AFTER: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(90);

/// What is killed.
#[derive(Clone, Copy, Debug)]
pub enum Victim {
    /// The master's PostgreSQL; its keeper lives.
    Postgres,
    /// The master's keeper and PostgreSQL at once.
    Node,
}

/// Measures `rounds` outages in seconds on a cluster of three keepers.
pub async fn measure(
    cluster: &mut Cluster,
    victim: Victim,
    name: &str,
    promised: f64,
    rounds: usize,
) -> Result<Figure> {
    let mut values = Vec::new();
    for round in 1..=rounds {
        let report = one(cluster, victim).await?;
        ensure!(report.stuck == 0, "{} clients hung", report.stuck);
        let Some(outage) = report.since_fault else {
            anyhow::bail!("no commit came after the fault")
        };
        values.push(outage.as_secs_f64());
        eprint_progress(&format!(
            "{name}: round {round} of {rounds}: {:.2} s, {} of {} acknowledged commits lost",
            outage.as_secs_f64(),
            report.lost,
            report.acknowledged
        ));
    }
    Ok(Figure { name: name.to_owned(), unit: "s", promised, rounds: values })
}

async fn one(cluster: &mut Cluster, victim: Victim) -> Result<Report> {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(cluster.proxy()?.port())
        .user(SUPERUSER)
        .password(PASSWORD)
        .dbname("postgres");
    prepare(&config).await?;
    let mut writers = Writers::start(&config, WRITERS);
    let counters = writers.counters.clone();
    let mut commits = Vec::new();
    let began = Instant::now();
    while began.elapsed() < WARM_UP {
        commits.extend(writers.next(Duration::from_millis(50)).await);
    }

    let master = cluster.master_uid()?;
    let fault = Instant::now();
    match victim {
        Victim::Postgres => cluster.keeper(&master)?.kill_postgres()?,
        Victim::Node => cluster.keeper_mut(&master)?.kill_node()?,
    }
    // Acknowledgements that were on their way when the kill returned do not count as recovery.
    let gone = Instant::now();
    let mut resumed: Option<Instant> = None;
    while resumed.is_none_or(|at| at.elapsed() < AFTER) {
        ensure!(fault.elapsed() < LIMIT, "no commit within {} s of the fault", LIMIT.as_secs());
        let Some(commit) = writers.next(Duration::from_millis(50)).await else { continue };
        if commit.at > gone + Duration::from_millis(50) {
            resumed.get_or_insert(commit.at);
        }
        commits.push(commit);
    }
    commits.extend(writers.stop().await);
    let report = Report::make(&config, commits, &counters, Some(fault)).await?;
    if let Victim::Node = victim {
        cluster.restart_keeper(&master)?;
    }
    cluster.healthy(3, LIMIT).await?;
    Ok(report)
}
