//! Runs of the whole system from many seeds. `SIM_SEED=n` runs one of them with its trace, `SIM_RUNS=n` so many, and
//! `SIM_FROM=n` begins at another seed. `SIM_GO_ON=1` names every seed that breaks a rule instead of ending at the first.

use std::time::Duration;
use stolon_sim::run::{Failure, run};

/// How many seeds are run unless told otherwise.
const RUNS: u64 = 20;
/// How many lines of a trace are shown.
const LINES: usize = 400;

fn number(name: &str) -> Result<Option<u64>, String> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("{name} must be a number, and is {text:?}"))
}

fn tell(seed: u64, failure: &Failure) -> String {
    format!(
        "{}\n\nseed {seed} breaks a rule: {}: {}\n{:?}\nSIM_SEED={seed} runs it again",
        failure.trace, failure.violation.rule, failure.violation.text, failure.settings
    )
}

#[test]
fn no_rule_is_broken() -> Result<(), String> {
    if let Some(seed) = number("SIM_SEED")? {
        let lines = number("SIM_LINES")?.map_or(LINES, |lines| lines as usize);
        match run(seed, lines) {
            Ok(report) => println!("{report:?}"),
            Err(failure) => panic!("{}", tell(seed, &failure)),
        }
        return Ok(());
    }
    let first = number("SIM_FROM")?.unwrap_or(1);
    let runs = number("SIM_RUNS")?.unwrap_or(RUNS);
    let goes_on = number("SIM_GO_ON")?.is_some();
    let (mut acknowledged, mut elections, mut rest, mut broken) = (0, 0, Duration::ZERO, 0);
    for seed in first..first + runs {
        match run(seed, 0) {
            Ok(report) => {
                acknowledged += report.counts.acknowledged;
                elections += report.counts.elections;
                rest = rest.max(report.rest_after);
            }
            Err(failure) if goes_on => {
                broken += 1;
                println!("seed {seed}: {}: {}", failure.violation.rule, failure.violation.text);
            }
            Err(_) => match run(seed, LINES) {
                Err(failure) => panic!("{}", tell(seed, &failure)),
                Ok(_) => panic!(
                    "seed {seed} breaks a rule only once: the simulation is not deterministic"
                ),
            },
        }
    }
    println!(
        "{runs} runs: {acknowledged} commits, {elections} elections, at rest after {rest:?} at most, {broken} broken"
    );
    assert!(acknowledged > 0, "nobody got anything done");
    assert_eq!(broken, 0);
    Ok(())
}
