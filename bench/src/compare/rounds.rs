//! Runs the programs round by round, peers in turn within a round.

use super::database::Database;
use super::ground::Ground;
use super::machine::Machine;
use super::peer::{Kind, Master, Peer};
use super::program::{Bench, Case, Program, Scale};
use super::raw::RawServer;
use super::results::Results;
use super::table::Table;
use crate::progress::{clock, eprint_progress};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// The scale of pgbench's tables: a million rows, in memory.
const PGBENCH_SCALE: u32 = 10;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The programs.
    pub programs: Vec<Program>,
    /// The peers, where a program is about them.
    pub kinds: Vec<Kind>,
    /// How much.
    pub scale: Scale,
    /// Worker threads of each peer.
    pub threads: usize,
    /// Our binary; none: `STOLON_BIN_DIR`, or beside this program.
    pub proxy: Option<PathBuf>,
}

struct Peers {
    running: BTreeMap<(Kind, u16), Peer>,
    absent: BTreeMap<Kind, String>,
}

/// Runs everything, and prints each case as it is done. A peer that cannot run is left out with a sentence.
pub async fn run(plan: &Plan) -> Result<Results> {
    let began = Instant::now();
    let ground = Ground::new(plan.threads, plan.proxy.clone()).await?;
    let mut results = Results::new(Machine::look(&ground), plan.scale, plan.threads);
    let raw = RawServer::start(0)?;
    let database = database(plan, &ground, &mut results).await;
    let mut peers = Peers { running: BTreeMap::new(), absent: BTreeMap::new() };
    let count: usize = plan.programs.iter().map(|program| program.cases(&plan.scale).len()).sum();
    let mut number = 0;
    for program in &plan.programs {
        let master = match (program.needs_database(), &database) {
            (false, _) => Master::Raw(raw.port),
            (true, Some(database)) => Master::Postgres(database.port),
            (true, None) => {
                number += program.cases(&plan.scale).len();
                continue;
            }
        };
        let bench = Bench {
            ground: &ground,
            database: database.as_ref(),
            raw: Master::Raw(raw.port),
            scale: plan.scale,
        };
        for case in program.cases(&plan.scale) {
            number += 1;
            let asked = Instant::now();
            eprint_progress(&format!("case {number} of {count}: {} {}", program.name(), case.name));
            measure(*program, &case, plan, &bench, master, &mut peers, &mut results).await;
            let mut out = std::io::stdout();
            let took = clock(asked.elapsed());
            writeln!(out, "\n{}: {} (took {took})", program.title(), case.name)?;
            write!(out, "{}", Table::of_case(&results, *program, &case.name).text())?;
        }
    }
    results.took = began.elapsed();
    Ok(results)
}

async fn database(plan: &Plan, ground: &Ground, results: &mut Results) -> Option<Database> {
    if !plan.programs.iter().any(|program| program.needs_database()) {
        return None;
    }
    eprint_progress("making a database");
    let made = async {
        let mut database = Database::start(ground).await?;
        let needs = |programs: &[Program]| plan.programs.iter().any(|p| programs.contains(p));
        if needs(&[Program::Pgbench, Program::Tpcb, Program::Connect]) {
            database.fill_pgbench(PGBENCH_SCALE)?;
        }
        if needs(&[Program::CopyOut, Program::CopyIn]) {
            database.fill_rows(plan.scale.copy_bytes)?;
        }
        anyhow::Ok(database)
    };
    match made.await.context("what needs PostgreSQL is left out") {
        Ok(database) => Some(database),
        Err(error) => {
            note(results, format!("{error:#}"));
            None
        }
    }
}

async fn measure(
    program: Program,
    case: &Case,
    plan: &Plan,
    bench: &Bench<'_>,
    master: Master,
    peers: &mut Peers,
    results: &mut Results,
) {
    let is_wanted = |kind: &Kind| {
        plan.kinds.contains(kind) && (*kind != Kind::Other || bench.ground.other.is_some())
    };
    let all: Vec<Kind> = program.kinds().iter().copied().filter(is_wanted).collect();
    let close: Vec<Kind> = program.close_race(case).iter().copied().filter(is_wanted).collect();
    let further = if close.is_empty() { 0 } else { program.further_rounds(&plan.scale) };
    let rounds = plan.scale.rounds + further;
    let mut failed: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for round in 1..=rounds {
        let mut wanted = all.clone();
        if round > plan.scale.rounds {
            wanted.retain(|kind| close.contains(kind) && !peers.absent.contains_key(kind));
            if !wanted.contains(&Kind::Ours) || wanted.len() < 2 {
                break;
            }
        }
        for turn in 0..wanted.len() {
            // Who comes first in a round changes, so that nobody always follows the same neighbour into the caches.
            let Some(kind) = wanted.get((turn + round - 1) % wanted.len()).copied() else {
                continue;
            };
            if peers.absent.contains_key(&kind) {
                continue;
            }
            eprint_progress(&format!(
                "{} {}: round {round} of {}, {}",
                program.name(),
                case.name,
                rounds,
                kind.label()
            ));
            let place = (kind, master.port());
            let kept = if program.needs_new_peer() { None } else { peers.running.remove(&place) };
            let mut peer = match kept {
                Some(peer) => peer,
                None => match Peer::start(kind, master, bench.ground).await {
                    Ok(peer) => peer,
                    Err(error) => {
                        note(results, format!("{} is left out: {error:#}", kind.label()));
                        peers.absent.insert(kind, format!("{error:#}"));
                        continue;
                    }
                },
            };
            match program.run(bench, &mut peer, case).await {
                Ok(readings) => {
                    results.take(program, case, kind, round, readings);
                    if !program.needs_new_peer() {
                        peers.running.insert(place, peer);
                    }
                }
                // What is left of it may not be well; the next round starts it anew.
                Err(error) => {
                    let who = format!("{}, {} {}", kind.label(), program.name(), case.name);
                    let sentence = format!("{who}: {error:#}");
                    eprint_progress(&sentence);
                    failed.entry(sentence).or_default().push(round);
                }
            }
        }
    }
    for (sentence, failed) in failed {
        results.missing.push(match failed.as_slice() {
            [round] => format!("{sentence} (in round {round})"),
            several => format!("{sentence} (in {} of {rounds} rounds)", several.len()),
        });
    }
}

fn note(results: &mut Results, sentence: String) {
    eprint_progress(&sentence);
    results.missing.push(sentence);
}
