//! `compare`: the data path beside other proxies, in interleaved rounds.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use stolon_bench::compare::peer::Kind;
use stolon_bench::compare::program::{Program, Scale};
use stolon_bench::compare::rounds::{self, Plan};
use stolon_bench::compare::table::{Table, markdown};
use stolon_bench::compare::{plots, results::Results};
use stolon_bench::files;
use stolon_bench::progress::{clock, eprint_progress};
use tokio::signal::unix::{SignalKind, signal};

/// Measure the data path of stolon-proxy beside HAProxy, nginx, PgBouncer and no proxy at all, in front of one PostgreSQL on
/// loopback. STOLON_BIN_DIR says where stolon-proxy is, if not beside this program; STOLON_PEER names a directory with another
/// stolon-proxy, which becomes a further peer. A peer that is not installed is left out with a sentence.
#[derive(Debug, Parser)]
struct Args {
    /// Only these programs
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Program>,
    /// Only these peers: direct, stolon, "stolon copy", "stolon splice", haproxy, "haproxy splice", nginx, pgbouncer, stolon-go
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    peers: Vec<Kind>,
    /// How much of everything
    #[arg(long, value_enum, default_value = "full")]
    scale: Size,
    /// Rounds of each case, instead of what the scale says
    #[arg(long)]
    rounds: Option<usize>,
    /// Further rounds of what is close (pgbench with 8 and 32 clients, answers of 1 MB, and a third as many of the lone
    /// ping-pong), between the peers that a goal is about, instead of what the scale says (none with --rounds)
    #[arg(long)]
    further_rounds: Option<usize>,
    /// Seconds of each timed load, instead of what the scale says
    #[arg(long)]
    seconds: Option<f64>,
    /// Worker threads of each peer (default: one for each core, at most 4, as stolon-proxy)
    #[arg(long)]
    threads: Option<usize>,
    /// Write latest.json, latest.md and the plots into this directory
    #[arg(long)]
    out: Option<PathBuf>,
}

/// More would say nothing more.
const MOST_ROUNDS: usize = 500;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Size {
    /// Everything, 5 rounds and 15 further ones of what is close
    Full,
    /// What matters most, 3 short rounds and 2 further ones of what is close
    Quick,
    /// One round that only shows that everything runs
    Smoke,
}

fn kind(text: &str) -> Result<Kind, String> {
    let found =
        Kind::ALL.into_iter().find(|kind| kind.label().replace(' ', "-") == text.replace(' ', "-"));
    found
        .ok_or_else(|| format!("no such peer; there are {}", Kind::ALL.map(Kind::label).join(", ")))
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = run(Args::parse()) => outcome,
        name = interrupted() => Err(anyhow::anyhow!("ended by {name}; everything that was started is stopped")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> &'static str {
    let wait = async |kind, name| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
            name
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        name = wait(SignalKind::interrupt(), "SIGINT") => name,
        name = wait(SignalKind::terminate(), "SIGTERM") => name,
        name = wait(SignalKind::hangup(), "SIGHUP") => name,
    }
}

async fn run(args: Args) -> Result<()> {
    let mut scale = match args.scale {
        Size::Full => Scale::FULL,
        Size::Quick => Scale::QUICK,
        Size::Smoke => Scale::SMOKE,
    };
    let further = if args.rounds.is_some() { 0 } else { scale.further_rounds };
    scale.rounds = args.rounds.unwrap_or(scale.rounds).clamp(1, MOST_ROUNDS);
    scale.further_rounds = args.further_rounds.unwrap_or(further).min(MOST_ROUNDS);
    if let Some(seconds) = args.seconds {
        scale.span = Duration::try_from_secs_f64(seconds.min(600.0)).context("--seconds")?;
        scale.message_span = scale.span;
    }
    let (sessions, shortage) = files::sessions_for(scale.sessions)?;
    if let Some(sentence) = &shortage {
        eprint_progress(sentence);
    }
    scale.sessions = sessions;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = |given: Vec<Program>| {
        if given.is_empty() { Program::value_variants().to_vec() } else { given }
    };
    let plan = Plan {
        programs: all(args.only),
        kinds: if args.peers.is_empty() { Kind::ALL.to_vec() } else { args.peers },
        scale,
        threads: args.threads.unwrap_or(cores.min(4)).clamp(1, 64),
        proxy: None,
    };
    if let Some(directory) = &args.out {
        // Before minutes of work that could not be written down.
        prepare(directory)?;
    }
    let mut results = rounds::run(&plan).await?;
    results.missing.extend(shortage);
    let mut out = std::io::stdout();
    for (title, table) in [
        ("what one core carries", Table::of_one_core(&results)),
        ("goals", Table::of_goals(&results)),
    ] {
        if !table.is_empty() {
            writeln!(out, "\n{title}\n{}", table.text())?;
        }
    }
    writeln!(out, "{}\ntook {} minutes", results.machine.describe(), clock(results.took))?;
    for sentence in &results.missing {
        writeln!(out, "not there: {sentence}")?;
    }
    if let Some(directory) = args.out {
        write(&results, &directory)?;
        writeln!(out, "written: {}", directory.join("latest.md").display())?;
    }
    Ok(())
}

fn prepare(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let path = directory.join("latest.json.new");
    fs::write(&path, "")
        .and_then(|()| fs::remove_file(&path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn write(results: &Results, directory: &Path) -> Result<()> {
    let drawn = plots::draw(results, directory)?;
    fs::write(directory.join("latest.json"), serde_json::to_string_pretty(&results.json())?)?;
    fs::write(directory.join("latest.md"), markdown(results, &drawn))?;
    Ok(())
}
