//! `failover`: measures the system's promises on real processes and prints them as a table.

use anyhow::{Context, Result};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write;
use std::process::ExitCode;
use stolon_bench::failover::drops;
use stolon_bench::failover::figure::Figure;
use stolon_bench::failover::idle::{self, Subject};
use stolon_bench::failover::outage::{self, Victim};
use stolon_tests::cluster::Cluster;

/// Measure drops, outages and idle cost on real processes with real etcd and PostgreSQL on loopback.
/// STOLON_BIN_DIR says where the binaries are. Exits 1 when a promise was missed.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds of each outage
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rounds of the drop of sessions
    #[arg(long, default_value_t = 100)]
    drop_rounds: usize,
    /// Sessions that are dropped
    #[arg(long, default_value_t = 1000)]
    sessions: usize,
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
    raise_file_limit(args.sessions)?;
    let mut figures = vec![drops::measure(args.sessions, args.drop_rounds).await.context("drops")?];

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
    drops::eprint_progress("idle cost: 20 s");
    figures.extend(idle::measure(&subjects).await.context("idle cost")?);
    let name = "SIGKILL of PostgreSQL to the first commit, default spec";
    figures.push(outage::measure(&mut cluster, Victim::Postgres, name, 3.0, args.rounds).await?);
    drop(cluster);

    let mut cluster = Cluster::new().await?;
    cluster.serve(SHORT_SPEC, 3).await?;
    let name = "SIGKILL of the master's node, failInterval 3s";
    figures.push(outage::measure(&mut cluster, Victim::Node, name, 6.0, args.rounds).await?);
    drop(cluster);

    let mut out = std::io::stdout();
    for figure in &figures {
        writeln!(out, "{figure}")?;
    }
    Ok(if figures.iter().all(Figure::is_kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Each session costs this process two descriptors: the client's and the master's.
fn raise_file_limit(sessions: usize) -> Result<()> {
    let needed = u64::try_from(sessions)? * 2 + 200;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
        if limit.maximum.is_some_and(|maximum| maximum < needed) {
            anyhow::bail!(
                "{sessions} sessions need {needed} file descriptors; raise the limit (ulimit -n) or pass fewer --sessions"
            );
        }
    }
    Ok(())
}
