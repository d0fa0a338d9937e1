//! The benches in their shortest form: that they run, and that what does not depend on the machine holds. Never a time.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum as _;
use stolon_bench::compare::peer::Kind;
use stolon_bench::compare::program::{Program, Scale};
use stolon_bench::compare::rounds::{self, Plan};
use stolon_bench::compare::table::markdown;
use stolon_bench::compare::{plots, results::Results};
use stolon_tests::binaries;

async fn run(programs: &[Program], sessions: usize) -> Result<Results> {
    rounds::run(&Plan {
        programs: programs.to_vec(),
        // The others are not installed everywhere.
        kinds: vec![Kind::Direct, Kind::Ours, Kind::OursCopy, Kind::OursSplice],
        scale: Scale { sessions, ..Scale::SMOKE },
        threads: 1,
        proxy: Some(binaries::path("stolon-proxy")?),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_program_runs_and_is_shown() -> Result<()> {
    let results = run(Program::value_variants(), 50).await?;
    ensure!(results.missing.is_empty(), "{:?}", results.missing);
    for program in Program::value_variants() {
        for case in program.cases(&Scale { sessions: 50, ..Scale::SMOKE }) {
            let figures = results.of_case(*program, &case.name);
            let of_ours = figures.filter(|series| series.kind == Kind::Ours).count();
            ensure!(of_ours > 0, "nothing was measured: {}, {}", program.title(), case.name);
        }
    }
    let directory = tempfile::tempdir()?;
    let drawn = plots::draw(&results, directory.path())?;
    ensure!(drawn.len() == plots::COUNT, "only {drawn:?}");
    for (file, _) in &drawn {
        let svg = std::fs::read_to_string(directory.path().join(file))?;
        ensure!(svg.contains("stolon"), "{file} does not show us");
    }
    let text = markdown(&results, &drawn);
    for program in Program::value_variants() {
        ensure!(text.contains(program.title()), "latest.md does not show: {}", program.title());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_holds_two_descriptors_and_no_pipe() -> Result<()> {
    let results = run(&[Program::Idle], 500).await?;
    let figure = |metric: &str, unit: &str| {
        let series = results.find(Program::Idle, "500 connections", metric, unit, Kind::Ours);
        let spread = series.and_then(|series| series.spread());
        Ok::<_, anyhow::Error>(spread.with_context(|| format!("no {metric}"))?.median)
    };
    let (descriptors, pipes) = (figure("descriptors", "each")?, figure("pipe ends", "each")?);
    ensure!(pipes == 0.0, "an idle connection holds {pipes} ends of pipes");
    // The proxy's own connection to the store may come and go meanwhile.
    ensure!((descriptors - 2.0).abs() < 0.02, "an idle connection holds {descriptors} descriptors");
    Ok(())
}
