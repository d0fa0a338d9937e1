//! `failover`: measures the system's promises on real processes and prints them as a table.

use anyhow::{Context, Result};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use stolon_bench::failover::drops;
use stolon_bench::failover::figure::Figure;
use stolon_bench::failover::idle::{self, Subject};
use stolon_bench::failover::outage::{self, Victim};
use stolon_bench::files;
use stolon_bench::progress::eprint_progress;
use stolon_tests::cluster::Cluster;

/// Measure drops, outages and idle cost on real processes with real etcd and PostgreSQL on loopback.
/// STOLON_BIN_DIR says where the binaries are. Exits 1 when a promise was missed.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds of each outage
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rounds of the swap of the target; a quarter of them beyond 1,000 sessions
    #[arg(long, default_value_t = 100)]
    drop_rounds: usize,
    /// Sessions under which the target is swapped
    #[arg(long, value_delimiter = ',', default_value = "1,100,1000,5000")]
    sessions: Vec<usize>,
    /// Only the swaps of the target
    #[arg(long)]
    only_swaps: bool,
}

const DEFAULT_SPEC: &str = r#"{"initMode": "new"}"#;
const SHORT_SPEC: &str = r#"{"initMode": "new", "sleepInterval": "1s", "failInterval": "3s"}"#;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(code) => code,
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<ExitCode> {
    let mut figures = Vec::new();
    for wanted in &args.sessions {
        let (sessions, shortage) = files::sessions_for(*wanted)?;
        if let Some(sentence) = shortage {
            eprint_progress(&sentence);
        }
        if sessions == 0 {
            continue;
        }
        // What is promised of 1,000 sessions; each further one takes the kernel some 30 µs.
        let (rounds, promised) = match sessions {
            0..=1000 => (args.drop_rounds, 100.0),
            _ => (args.drop_rounds.div_ceil(4), 250.0),
        };
        figures.extend(drops::measure(sessions, rounds, promised).await.context("swaps")?);
    }
    if !args.only_swaps {
        measure_clusters(&args, &mut figures).await?;
    }
    let mut out = std::io::stdout();
    for figure in &figures {
        writeln!(out, "{figure}")?;
    }
    Ok(if figures.iter().all(Figure::is_kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure_clusters(args: &Args, figures: &mut Vec<Figure>) -> Result<()> {
    let mut cluster = Cluster::new().await?;
    cluster.serve(DEFAULT_SPEC, 3).await?;
    let mut subjects = Vec::new();
    for (number, sentinel) in cluster.sentinels.iter().enumerate() {
        subjects.push(Subject {
            name: format!("sentinel {}", number + 1),
            pid: sentinel.process.pid(),
        });
    }
    for keeper in &mut cluster.keepers {
        let name = keeper.uid.clone();
        subjects.push(Subject { name, pid: keeper.running()?.pid() });
    }
    eprint_progress("idle cost: 20 s");
    figures.extend(idle::measure(&subjects).await.context("idle cost")?);
    let name = "SIGKILL of PostgreSQL to the first commit, default spec";
    figures.push(outage::measure(&mut cluster, Victim::Postgres, name, 3.0, args.rounds).await?);
    drop(cluster);

    let mut cluster = Cluster::new().await?;
    cluster.serve(SHORT_SPEC, 3).await?;
    let name = "SIGKILL of the master's node, failInterval 3s";
    figures.push(outage::measure(&mut cluster, Victim::Node, name, 6.0, args.rounds).await?);
    drop(cluster);
    Ok(())
}
