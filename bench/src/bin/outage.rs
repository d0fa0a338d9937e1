//! `outage`: writes through a proxy until an outage has come and gone, and says how long it was and what was lost.
//!
//! The password is taken from `PGPASSWORD`, so that it stands in no process list.

use anyhow::{Context, Result, bail};
use clap::Parser;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stolon_bench::report::Report;
use stolon_bench::writer::{Writers, prepare};
use stolon_model::time::GoDuration;
use tokio_postgres::Config;

/// Write through a proxy until an outage has come and gone; print its length, commits acknowledged and commits lost.
/// The password is taken from PGPASSWORD. Exits 1 when a commit was lost, a client hung, or no outage came.
#[derive(Debug, Parser)]
struct Args {
    /// Host of the proxy
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the proxy
    #[arg(long, default_value_t = 25432)]
    port: u16,
    /// PostgreSQL user
    #[arg(long, default_value = "postgres")]
    user: String,
    /// Database
    #[arg(long, default_value = "postgres")]
    dbname: String,
    /// Clients that write at the same time
    #[arg(long, default_value_t = 4)]
    writers: u16,
    /// Write for this long before saying "ready"
    #[arg(long, default_value = "3s")]
    before: GoDuration,
    /// Write for this long after the outage
    #[arg(long, default_value = "3s")]
    after: GoDuration,
    /// Create this file when ready for the fault
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Give up when no outage came and went within this time
    #[arg(long, default_value = "60s")]
    limit: GoDuration,
}

/// A pause between commits that is longer than any healthy one here, and hence the outage.
const OUTAGE: Duration = Duration::from_millis(200);

#[tokio::main(flavor = "current_thread")]
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
    let mut config = Config::new();
    config
        .host(&args.host)
        .port(args.port)
        .user(&args.user)
        .dbname(&args.dbname)
        .application_name("outage");
    if let Some(password) = std::env::var_os("PGPASSWORD") {
        config.password(password.as_encoded_bytes());
    }
    prepare(&config).await?;

    let mut writers = Writers::start(&config, args.writers);
    let mut commits = Vec::new();
    let began = Instant::now();
    while began.elapsed() < args.before.to_std() || commits.is_empty() {
        commits.extend(writers.next(Duration::from_millis(100)).await);
        if began.elapsed() > args.limit.to_std() {
            bail!("no commit went through within {}", args.limit);
        }
    }
    if let Some(path) = &args.ready_file {
        std::fs::write(path, b"").with_context(|| format!("cannot create {}", path.display()))?;
    }

    let ready = Instant::now();
    let mut resumed: Option<Instant> = None;
    while resumed.is_none_or(|at| at.elapsed() < args.after.to_std()) {
        if resumed.is_none() && ready.elapsed() > args.limit.to_std() {
            break;
        }
        let Some(commit) = writers.next(Duration::from_millis(100)).await else { continue };
        if let Some(last) = commits.last()
            && commit.at.saturating_duration_since(last.at) > OUTAGE
        {
            resumed = Some(commit.at);
        }
        commits.push(commit);
    }
    let counters = writers.counters.clone();
    commits.extend(writers.stop().await);
    let report = Report::make(&config, commits, &counters, None).await?;
    writeln!(std::io::stdout(), "{report}")?;
    if resumed.is_none() {
        bail!("no outage came and went within {}", args.limit);
    }
    Ok(if report.lost == 0 && report.stuck == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
