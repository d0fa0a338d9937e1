//! What the data path is meant to reach, beside what it reached.

use super::peer::Kind;
use super::program::Program;
use super::results::Results;
use super::spread::Spread;
use serde_json::{Value, json};

/// What a goal is about.
#[derive(Clone, Copy, Debug)]
enum Measure {
    /// Ours as a ratio of another's.
    Against(Kind),
    /// Ours as it is.
    Absolute,
    /// What ours adds to direct as a ratio of what another adds.
    AddedAgainst(Kind),
}

#[derive(Clone, Copy, Debug)]
struct Goal {
    name: &'static str,
    program: Program,
    /// The beginning of the case's name: how much a COPY carries may differ.
    case: &'static str,
    metric: &'static str,
    unit: &'static str,
    measure: Measure,
    is_most: bool,
    must: f64,
    extreme: f64,
}

const fn at_most(
    name: &'static str,
    program: Program,
    case: &'static str,
    figure: (&'static str, &'static str),
    measure: Measure,
    (must, extreme): (f64, f64),
) -> Goal {
    Goal {
        name,
        program,
        case,
        metric: figure.0,
        unit: figure.1,
        measure,
        is_most: true,
        must,
        extreme,
    }
}

const fn at_least(
    name: &'static str,
    program: Program,
    case: &'static str,
    figure: (&'static str, &'static str),
    measure: Measure,
    limits: (f64, f64),
) -> Goal {
    Goal { is_most: false, ..at_most(name, program, case, figure, measure, limits) }
}

const HAPROXY: Measure = Measure::Against(Kind::HaProxy);
const SPLICING: Measure = Measure::Against(Kind::HaProxySplice);
const DIRECT: Measure = Measure::Against(Kind::Direct);
const ORIGINAL: Measure = Measure::Against(Kind::Other);
const EACH: (&str, &str) = ("CPU", "µs each");
const PER_GB: (&str, &str) = ("CPU", "s/GB");
const TPS: (&str, &str) = ("TPS", "1/s");
const RATE: (&str, &str) = ("rate", "GB/s");

const GOALS: [Goal; 20] = [
    at_most(
        "CPU per -S transaction, 8 clients, vs HAProxy",
        Program::Pgbench,
        "8 clients",
        EACH,
        HAPROXY,
        (0.90, 0.80),
    ),
    at_most(
        "CPU per -S transaction, 32 clients, vs HAProxy",
        Program::Pgbench,
        "32 clients",
        EACH,
        HAPROXY,
        (0.97, 0.87),
    ),
    at_most(
        "CPU per -S transaction, 8 clients, vs Go",
        Program::Pgbench,
        "8 clients",
        EACH,
        ORIGINAL,
        (0.80, 0.70),
    ),
    at_most(
        "CPU per -S transaction, 32 clients, vs Go",
        Program::Pgbench,
        "32 clients",
        EACH,
        ORIGINAL,
        (0.70, 0.60),
    ),
    at_least(
        "TPS -S, 8 clients, vs HAProxy",
        Program::Pgbench,
        "8 clients",
        TPS,
        HAPROXY,
        (1.00, 1.10),
    ),
    at_least(
        "TPS -S, 32 clients, vs HAProxy",
        Program::Pgbench,
        "32 clients",
        TPS,
        HAPROXY,
        (1.00, 1.10),
    ),
    at_most(
        "CPU per connection (-S -C), vs HAProxy",
        Program::Connect,
        "8 clients",
        EACH,
        HAPROXY,
        (0.95, 0.85),
    ),
    at_most(
        "COPY out, CPU per GB, vs HAProxy",
        Program::CopyOut,
        "",
        PER_GB,
        HAPROXY,
        (0.40, 0.25),
    ),
    at_least("COPY out, GB/s, vs HAProxy", Program::CopyOut, "", RATE, HAPROXY, (1.10, 1.25)),
    at_least("COPY out, GB/s, vs direct", Program::CopyOut, "", RATE, DIRECT, (1.00, 1.20)),
    at_most(
        "raw stream, CPU per GB, vs HAProxy",
        Program::Streams,
        "1 streams",
        PER_GB,
        HAPROXY,
        (0.55, 0.40),
    ),
    at_least(
        "raw stream, GB/s, vs HAProxy",
        Program::Streams,
        "1 streams",
        RATE,
        HAPROXY,
        (1.5, 2.0),
    ),
    at_least(
        "raw stream, GB/s, vs HAProxy with splice",
        Program::Streams,
        "1 streams",
        RATE,
        SPLICING,
        (1.2, 1.6),
    ),
    at_most(
        "KB of memory per idle connection",
        Program::Idle,
        "",
        ("memory", "KB each"),
        Measure::Absolute,
        (2.5, 1.5),
    ),
    at_most(
        "descriptors per idle connection",
        Program::Idle,
        "",
        ("descriptors", "each"),
        Measure::Absolute,
        (2.0, 2.0),
    ),
    at_most(
        "pipe ends per idle connection",
        Program::Idle,
        "",
        ("pipe ends", "each"),
        Measure::Absolute,
        (0.0, 0.0),
    ),
    at_most(
        "p50 added to a lone ping-pong, vs HAProxy's",
        Program::Pingpong,
        "",
        ("p50", "µs"),
        Measure::AddedAgainst(Kind::HaProxy),
        (1.05, 0.90),
    ),
    at_most(
        "p95 of a 1 MB answer, vs --relay copy",
        Program::Answers,
        "1 MB",
        ("p95", "ms"),
        Measure::Against(Kind::OursCopy),
        (1.10, 1.03),
    ),
    at_most(
        "ms to end 5,000 sessions",
        Program::Drop,
        "5000 ",
        ("time", "ms"),
        Measure::Absolute,
        (250.0, 150.0),
    ),
    at_most(
        "time to end all sessions, vs HAProxy",
        Program::Drop,
        "",
        ("time", "ms"),
        HAPROXY,
        (1.0, 1.0),
    ),
];

/// A goal beside what was reached.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What.
    pub name: &'static str,
    /// What must hold, in words.
    pub must: String,
    /// What is aimed at, in words.
    pub extreme: String,
    /// What was reached.
    pub reached: f64,
    /// Where that lies with a certainty of 95 %, as [`Spread::interval`] explains.
    pub interval: Option<(f64, f64)>,
    /// "extreme", "must" or "missed".
    pub verdict: &'static str,
}

impl Judgement {
    /// For `latest.json`.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "must": self.must, "extreme": self.extreme,
            "reached": self.reached, "interval": self.interval, "verdict": self.verdict,
        })
    }
}

/// All goals that this run says something of.
pub fn judge(results: &Results) -> Vec<Judgement> {
    GOALS
        .iter()
        .filter_map(|goal| {
            let (reached, interval) = goal.reached(results)?;
            let holds = |limit: f64| if goal.is_most { reached <= limit } else { reached >= limit };
            let sign = if goal.is_most { "≤" } else { "≥" };
            Some(Judgement {
                name: goal.name,
                must: format!("{sign} {}", goal.must),
                extreme: format!("{sign} {}", goal.extreme),
                reached,
                interval,
                verdict: match (holds(goal.extreme), holds(goal.must)) {
                    (true, _) => "extreme",
                    (false, true) => "must",
                    (false, false) => "missed",
                },
            })
        })
        .collect()
}

impl Goal {
    fn reached(&self, results: &Results) -> Option<(f64, Option<(f64, f64)>)> {
        let case = results
            .cases(self.program)
            .into_iter()
            .find(|case| case.name.starts_with(self.case))?
            .name;
        let find = |kind| results.find(self.program, &case, self.metric, self.unit, kind);
        let ours = find(Kind::Ours)?;
        let certain = |spread: Spread| (spread.median, spread.interval);
        match self.measure {
            Measure::Against(kind) => ours.ratio(find(kind)?).map(certain),
            Measure::Absolute => ours.spread().map(certain),
            Measure::AddedAgainst(kind) => {
                ours.ratio_above(find(kind)?, find(Kind::Direct)?).map(certain)
            }
        }
    }
}
