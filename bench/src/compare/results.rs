//! What all rounds came to.

use super::machine::Machine;
use super::peer::Kind;
use super::program::{Better, Case, Program, Reading, Scale};
use super::spread::Spread;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// One figure of one peer in one case, round by round.
#[derive(Clone, Debug)]
pub struct Series {
    /// Of which program.
    pub program: Program,
    /// In which case.
    pub case: Case,
    /// What.
    pub metric: &'static str,
    /// In what.
    pub unit: &'static str,
    /// Whether more of it is better.
    pub better: Better,
    /// Of whom.
    pub kind: Kind,
    /// By round; a round that failed is not there.
    pub rounds: BTreeMap<usize, f64>,
}

impl Series {
    /// Its median, minimum and maximum.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.rounds.values().copied())
    }

    /// The ratios of the rounds: each is taken within a round, as the machine was the same then.
    pub fn ratio(&self, base: &Self) -> Option<Spread> {
        Spread::of(
            self.rounds.iter().filter_map(|(round, value)| Some(value / base.rounds.get(round)?)),
        )
    }

    /// The same of what each has more than `floor` has. A round in which `base` has no more is left out: there was nothing to
    /// compare with.
    pub fn ratio_above(&self, base: &Self, floor: &Self) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|(round, value)| {
            let floor = floor.rounds.get(round)?;
            let theirs = base.rounds.get(round)? - floor;
            (theirs > 0.0).then(|| (value - floor) / theirs)
        }))
    }
}

/// Everything that was measured in one run.
#[derive(Debug)]
pub struct Results {
    /// Where, of what, and when.
    pub machine: Machine,
    /// How much of everything.
    pub scale: Scale,
    /// Worker threads of each peer.
    pub threads: usize,
    /// How long it all took.
    pub took: Duration,
    /// Sentences about what is not there.
    pub missing: Vec<String>,
    /// The figures.
    pub series: Vec<Series>,
}

impl Results {
    /// Nothing yet.
    pub fn new(machine: Machine, scale: Scale, threads: usize) -> Self {
        Self { machine, scale, threads, took: Duration::ZERO, missing: vec![], series: vec![] }
    }

    /// Takes what one run came to.
    pub fn take(
        &mut self,
        program: Program,
        case: &Case,
        kind: Kind,
        round: usize,
        readings: Vec<Reading>,
    ) {
        for reading in readings {
            let known = self.series.iter_mut().find(|series| {
                series.program == program
                    && series.case.name == case.name
                    && series.kind == kind
                    && (series.metric, series.unit) == (reading.metric, reading.unit)
            });
            match known {
                Some(series) => drop(series.rounds.insert(round, reading.value)),
                None => self.series.push(Series {
                    program,
                    case: case.clone(),
                    metric: reading.metric,
                    unit: reading.unit,
                    better: reading.better,
                    kind,
                    rounds: BTreeMap::from([(round, reading.value)]),
                }),
            }
        }
    }

    /// The figures of a case.
    pub fn of_case<'a>(
        &'a self,
        program: Program,
        case: &'a str,
    ) -> impl Iterator<Item = &'a Series> {
        self.series
            .iter()
            .filter(move |series| series.program == program && series.case.name == case)
    }

    /// One figure.
    pub fn find(
        &self,
        program: Program,
        case: &str,
        metric: &str,
        unit: &str,
        kind: Kind,
    ) -> Option<&Series> {
        self.series.iter().find(|series| {
            series.program == program
                && series.case.name == case
                && series.metric == metric
                && series.unit == unit
                && series.kind == kind
        })
    }

    /// The cases of a program in the order they were run.
    pub fn cases(&self, program: Program) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        for series in self.series.iter().filter(|series| series.program == program) {
            if cases.iter().all(|case| case.name != series.case.name) {
                cases.push(series.case.clone());
            }
        }
        cases
    }

    /// `latest.json`.
    pub fn json(&self) -> Value {
        let series = self.series.iter().map(|series| {
            let spread = series.spread();
            let against = |kind| {
                let base =
                    self.find(series.program, &series.case.name, series.metric, series.unit, kind)?;
                Some(series.ratio(base)?.median)
            };
            json!({
                "program": series.program.name(),
                "case": series.case.name,
                "size": series.case.size,
                "metric": series.metric,
                "unit": series.unit,
                "better": match series.better { Better::Higher => "higher", Better::Lower => "lower" },
                "peer": series.kind.label(),
                "median": spread.map(|spread| spread.median),
                "min": spread.map(|spread| spread.min),
                "max": spread.map(|spread| spread.max),
                "vs_haproxy": against(Kind::HaProxy),
                "vs_direct": against(Kind::Direct),
                "rounds": series.rounds.values().collect::<Vec<_>>(),
            })
        });
        json!({
            "machine": self.machine.json(),
            "rounds": self.scale.rounds,
            "further_rounds": self.scale.further_rounds,
            "threads": self.threads,
            "took_seconds": self.took.as_secs(),
            "missing": self.missing,
            "goals": super::goals::judge(self).iter().map(super::goals::Judgement::json).collect::<Vec<_>>(),
            "series": series.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let case = Case::of(8, "clients");
        let mut results = Results::new(Machine::default(), Scale::SMOKE, 1);
        for (round, (ours, theirs)) in
            [(10.0, 20.0), (30.0, 60.0), (40.0, 10.0)].into_iter().enumerate()
        {
            let reading = |value| vec![Reading::higher("TPS", "1/s", value)];
            results.take(Program::Pgbench, &case, Kind::Ours, round, reading(ours));
            results.take(Program::Pgbench, &case, Kind::HaProxy, round, reading(theirs));
        }
        let find =
            |kind| results.find(Program::Pgbench, "8 clients", "TPS", "1/s", kind).expect("taken");
        assert_eq!(
            find(Kind::Ours).ratio(find(Kind::HaProxy)).map(|ratio| ratio.median),
            Some(0.5)
        );
        let spread = Spread { median: 30.0, min: 10.0, max: 40.0, interval: None };
        assert_eq!(find(Kind::Ours).spread(), Some(spread));
    }

    #[test]
    fn what_is_added_is_compared_within_a_round() {
        let case = Case::of(1, "client");
        let mut results = Results::new(Machine::default(), Scale::SMOKE, 1);
        // The last two rounds say nothing: one has nothing to compare with, the other no floor.
        let rounds = [
            (10.0, 30.0, 30.0),
            (20.0, 30.0, 40.0),
            (10.0, 40.0, 30.0),
            (10.0, 20.0, 9.0),
            (f64::NAN, 20.0, 30.0),
        ];
        for (round, (direct, ours, theirs)) in rounds.into_iter().enumerate() {
            for (kind, value) in
                [(Kind::Direct, direct), (Kind::Ours, ours), (Kind::HaProxy, theirs)]
            {
                let reading = Reading::lower("p50", "µs", value);
                results.take(Program::Pingpong, &case, kind, round, vec![reading]);
            }
        }
        let find = |kind| results.find(Program::Pingpong, "1 client", "p50", "µs", kind);
        let [direct, ours, theirs] =
            [Kind::Direct, Kind::Ours, Kind::HaProxy].map(|kind| find(kind).expect("taken"));
        let spread = Spread { median: 1.0, min: 0.5, max: 1.5, interval: None };
        assert_eq!(ours.ratio_above(theirs, direct), Some(spread));
    }
}
