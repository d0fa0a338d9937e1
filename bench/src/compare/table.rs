//! Results as text: for the terminal, and as Markdown.

use super::capacity;
use super::goals::judge;
use super::peer::Kind;
use super::program::{Better, Program};
use super::results::{Results, Series};
use crate::progress::clock;
use clap::ValueEnum;
use std::fmt::Write;

/// Rows under a head.
#[derive(Clone, Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The figures of one case: a row for each peer.
    pub fn of_case(results: &Results, program: Program, case: &str) -> Self {
        let mut metrics: Vec<(&str, &str, Better)> = Vec::new();
        for series in results.of_case(program, case) {
            if !metrics
                .iter()
                .any(|(metric, unit, _)| (*metric, *unit) == (series.metric, series.unit))
            {
                metrics.push((series.metric, series.unit, series.better));
            }
        }
        let mut head = vec!["peer".to_owned()];
        for (metric, unit, better) in &metrics {
            let arrow = match better {
                Better::Higher => "↑",
                Better::Lower => "↓",
            };
            head.push(format!("{metric} {arrow}, {unit}"));
            head.extend(["min–max", "vs haproxy"].map(str::to_owned));
            if results.find(program, case, metric, unit, Kind::Direct).is_some() {
                head.push("vs direct".to_owned());
            }
        }
        let mut rows = Vec::new();
        for kind in Kind::ALL {
            let mut row = vec![kind.label().to_owned()];
            for (metric, unit, _) in &metrics {
                let find = |kind| results.find(program, case, metric, unit, kind);
                let series = find(kind);
                row.push(cell(series.and_then(Series::spread).map(|spread| number(spread.median))));
                row.push(cell(
                    series
                        .and_then(Series::spread)
                        .map(|spread| format!("{}–{}", number(spread.min), number(spread.max))),
                ));
                let against = |base| Some(format!("{:.2}", series?.ratio(find(base)?)?.median));
                row.push(cell(against(Kind::HaProxy)));
                if find(Kind::Direct).is_some() {
                    row.push(cell(against(Kind::Direct)));
                }
            }
            if results.of_case(program, case).any(|series| series.kind == kind) {
                rows.push(row);
            }
        }
        Self { head, rows }
    }

    /// The goals beside what was reached.
    pub fn of_goals(results: &Results) -> Self {
        let rows = judge(results).into_iter().map(|judged| {
            vec![
                judged.name.to_owned(),
                number(judged.reached),
                cell(
                    judged.interval.map(|(low, high)| format!("{}–{}", number(low), number(high))),
                ),
                judged.must,
                judged.extreme,
                judged.verdict.to_owned(),
            ]
        });
        Self {
            head: ["goal", "reached", "95 %", "must", "extreme", "verdict"]
                .map(str::to_owned)
                .to_vec(),
            rows: rows.collect(),
        }
    }

    /// The few figures that say most: for a README.
    pub fn summary(results: &Results) -> Self {
        const FIGURES: [(Program, &str, &str, &str); 8] = [
            (Program::Pgbench, "8 clients", "TPS", "1/s"),
            (Program::Pgbench, "8 clients", "CPU", "µs each"),
            (Program::Pgbench, "32 clients", "CPU", "µs each"),
            (Program::Connect, "8 clients", "CPU", "µs each"),
            (Program::CopyOut, "", "rate", "GB/s"),
            (Program::CopyOut, "", "CPU", "s/GB"),
            (Program::Pingpong, "", "p50", "µs"),
            (Program::Idle, "", "memory", "KB each"),
        ];
        let kinds = compared(results);
        let head = std::iter::once("figure").chain(kinds.iter().map(|kind| kind.label()));
        let rows = FIGURES.iter().filter_map(|(program, case, metric, unit)| {
            let case = results.cases(*program).into_iter().find(|c| c.name.starts_with(case))?.name;
            let mut row = vec![format!("{}, {case}: {metric}, {unit}", program.title())];
            row.extend(kinds.iter().map(|kind| {
                let series = results.find(*program, &case, metric, unit, *kind);
                cell(series.and_then(Series::spread).map(|spread| number(spread.median)))
            }));
            Some(row)
        });
        Self { rows: rows.collect(), head: head.map(str::to_owned).collect() }
    }

    /// What one core carries.
    pub fn of_one_core(results: &Results) -> Self {
        let kinds: Vec<_> =
            compared(results).into_iter().filter(|kind| *kind != Kind::Direct).collect();
        let head = std::iter::once("in a second of CPU").chain(kinds.iter().map(|k| k.label()));
        let rows = capacity::of_one_core(results, &kinds).into_iter().map(|(work, carried)| {
            let carried = carried.into_iter().map(|carried| cell(carried.map(number)));
            std::iter::once(work.to_owned()).chain(carried).collect()
        });
        Self { rows: rows.collect(), head: head.map(str::to_owned).collect() }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// In columns.
    pub fn text(&self) -> String {
        let width = |column: usize| {
            let cells = std::iter::once(&self.head).chain(&self.rows);
            cells.filter_map(|row| row.get(column)).map(|text| text.chars().count()).max()
        };
        let mut text = String::new();
        for row in std::iter::once(&self.head).chain(&self.rows) {
            for (column, cell) in row.iter().enumerate() {
                let width = width(column).unwrap_or_default();
                // Writing to a String cannot fail.
                let _ = if column == 0 {
                    write!(text, "  {cell:<width$}")
                } else {
                    write!(text, "  {cell:>width$}")
                };
            }
            text.push('\n');
        }
        text
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|---|", self.head.join(" | "));
        text.push_str(&"---:|".repeat(self.head.len().saturating_sub(1)));
        text.push('\n');
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// `latest.md`.
pub fn markdown(results: &Results, plots: &[(&str, String)]) -> String {
    let mut text = format!(
        "# The data path beside others\n\nWritten by `make bench` in {} minutes. {}\n\n\
         {} rounds of each case, peers in turn within a round; medians, with minimum and maximum, and ratios taken within a \
         round. Where a goal is decided between peers that are closer to each other than rounds are, {} further rounds of those \
         two or three (a third as many of the ping-pong), which their medians, minima and maxima include; \"95 %\" among the goals is where the median lies with that \
         certainty, of which five rounds can say nothing. \"CPU\" is user and system time of all of a proxy's processes. Each \
         proxy has {} worker threads (HAProxy `nbthread`, nginx `worker_processes`, `--threads`, `GOMAXPROCS`); PgBouncer always has one. One PostgreSQL without \
         fsync, everything on loopback.\n",
        clock(results.took),
        results.machine.describe(),
        results.scale.rounds,
        results.scale.further_rounds,
        results.threads
    );
    if !results.missing.is_empty() {
        text.push_str("\nNot there:\n\n");
        for sentence in &results.missing {
            let _ = writeln!(text, "* {sentence}");
        }
    }
    let section = |text: &mut String, title: &str, table: &Table| {
        if !table.is_empty() {
            let _ = write!(text, "\n## {title}\n\n{}", table.markdown());
        }
    };
    section(&mut text, "In short", &Table::summary(results));
    for (file, title) in plots {
        let _ = write!(text, "\n![{title}]({file})\n");
    }
    section(&mut text, "What one core carries", &Table::of_one_core(results));
    section(&mut text, "Goals", &Table::of_goals(results));
    for program in Program::value_variants() {
        let cases = results.cases(*program);
        if !cases.is_empty() {
            let _ = write!(text, "\n## {}\n", program.title());
        }
        for case in cases {
            let table = Table::of_case(results, *program, &case.name);
            let _ = write!(text, "\n### {}\n\n{}", case.name, table.markdown());
        }
    }
    text
}

/// Who is in the tables that compare: the ways of working of ours are in those of the cases only.
fn compared(results: &Results) -> Vec<Kind> {
    let is_there = |kind: &Kind| results.series.iter().any(|series| series.kind == *kind);
    let kinds = Kind::ALL.into_iter().filter(is_there);
    kinds.filter(|kind| !matches!(kind, Kind::OursCopy | Kind::OursSplice)).collect()
}

fn cell(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// With as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
