//! What one core carries: what a proxy could do in a second of CPU, were there nothing beside it.

use super::peer::Kind;
use super::program::Program;
use super::results::{Results, Series};

/// One kind of work, and what it costs in CPU.
struct Work {
    name: &'static str,
    program: Program,
    /// The beginning of the case's name.
    case: &'static str,
    unit: &'static str,
    /// How much of the work a cost of 1 stands for in a second.
    per_second: f64,
}

const WORKS: [Work; 7] = [
    each("transactions of pgbench -S, 8 clients, 1/s", Program::Pgbench, "8 clients"),
    each("transactions of pgbench -S, 128 clients, 1/s", Program::Pgbench, "128 clients"),
    each("new connections with a query each, 1/s", Program::Connect, "8 clients"),
    each("100-byte messages among 4,096 connections, 1/s", Program::Connections, "4096 "),
    gigabytes("COPY out, GB/s", Program::CopyOut, ""),
    gigabytes("COPY in, GB/s", Program::CopyIn, ""),
    gigabytes("16 raw streams, GB/s", Program::Streams, "16 streams"),
];

const fn each(name: &'static str, program: Program, case: &'static str) -> Work {
    Work { name, program, case, unit: "µs each", per_second: 1e6 }
}

const fn gigabytes(name: &'static str, program: Program, case: &'static str) -> Work {
    Work { name, program, case, unit: "s/GB", per_second: 1.0 }
}

/// Kinds of work, each with what it comes to for each of `kinds`; works that were not measured are left out.
pub fn of_one_core(results: &Results, kinds: &[Kind]) -> Vec<(&'static str, Vec<Option<f64>>)> {
    let row = |work: &Work| {
        let cases = results.cases(work.program).into_iter();
        let case = cases.map(|case| case.name).find(|name| name.starts_with(work.case))?;
        let carried = |kind: &Kind| {
            let series = results.find(work.program, &case, "CPU", work.unit, *kind);
            // A cost below what the clock of processes counts is none.
            let cost = series.and_then(Series::spread)?.median;
            (cost > 0.0).then(|| work.per_second / cost)
        };
        let carried: Vec<_> = kinds.iter().map(carried).collect();
        carried.iter().any(Option::is_some).then_some((work.name, carried))
    };
    WORKS.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::machine::Machine;
    use crate::compare::program::{Case, Reading, Scale};

    #[test]
    fn a_cost_of_ten_microseconds_is_a_hundred_thousand_in_a_second() {
        let mut results = Results::new(Machine::default(), Scale::SMOKE, 2);
        let cost = |value| vec![Reading::lower("CPU", "µs each", value)];
        let clients = Case::of(8, "clients");
        results.take(Program::Pgbench, &clients, Kind::Ours, 0, cost(10.0));
        results.take(Program::Pgbench, &clients, Kind::HaProxy, 0, cost(0.0));
        let rows = of_one_core(&results, &[Kind::Ours, Kind::HaProxy]);
        let [(name, carried)] = &rows[..] else { panic!("{rows:?}") };
        assert!(name.starts_with("transactions of pgbench -S, 8 clients"));
        assert_eq!(carried[..], [Some(100_000.0), None]);
    }
}
