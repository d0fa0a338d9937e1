//! What is measured, in which cases, and of whom.

use super::database::Database;
use super::ground::Ground;
use super::peer::{Kind, Master, Peer};
use super::{bulk, messages, sessions, sql};
use anyhow::Result;
use clap::ValueEnum;
use std::time::Duration;

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// pgbench -S -M prepared by clients
    Pgbench,
    /// pgbench's default transaction
    Tpcb,
    /// pgbench -S -C: a connection for each transaction
    Connect,
    /// COPY out
    CopyOut,
    /// COPY in
    CopyIn,
    /// raw streams
    Streams,
    /// one small message at a time, nothing beside it
    Pingpong,
    /// answers of 100 kB to 20 MB from PostgreSQL
    Answers,
    /// throughput and CPU by message size
    Messages,
    /// cost by number of connections, most of them idle
    Connections,
    /// memory, descriptors and pipes of idle connections
    Idle,
    /// ending all sessions
    Drop,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Rounds of each case.
    pub rounds: usize,
    /// Further rounds of a close race, as [`Program::close_race`] names them; [`Program::further_rounds`] says who gets fewer.
    pub further_rounds: usize,
    /// How long a timed load goes on.
    pub span: Duration,
    /// How long [`Program::Pingpong`], [`Program::Answers`], [`Program::Messages`] and [`Program::Connections`] go on, of which
    /// enough pass in less.
    pub message_span: Duration,
    /// What a COPY carries.
    pub copy_bytes: u64,
    /// Idle and dropped connections.
    pub sessions: usize,
    /// Every case, or only those that matter most.
    pub is_full: bool,
}

impl Scale {
    /// Everything, at least five rounds.
    pub const FULL: Self = Self {
        rounds: 5,
        further_rounds: 15,
        span: Duration::from_millis(1000),
        message_span: Duration::from_millis(500),
        copy_bytes: 1024 * 1024 * 1024,
        sessions: 5000,
        is_full: true,
    };
    /// The figures that matter most, in a few minutes.
    pub const QUICK: Self = Self {
        rounds: 3,
        further_rounds: 2,
        span: Duration::from_millis(400),
        message_span: Duration::from_millis(400),
        copy_bytes: 128 * 1024 * 1024,
        sessions: 5000,
        is_full: false,
    };
    /// Only to see that everything runs; its times mean nothing.
    pub const SMOKE: Self = Self {
        rounds: 1,
        further_rounds: 1,
        span: Duration::from_millis(50),
        message_span: Duration::from_millis(50),
        copy_bytes: 1024 * 1024,
        sessions: 100,
        is_full: false,
    };
}

/// One case of a program.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in tables.
    pub name: String,
    /// Its number: clients, streams, bytes or connections.
    pub size: u64,
}

impl Case {
    /// A case of `size` things of a kind.
    pub fn of(size: u64, unit: &str) -> Self {
        Self { name: format!("{size} {unit}"), size }
    }

    /// A case of a number of bytes.
    pub fn bytes(size: u64) -> Self {
        let name = match size {
            0..1_000 => format!("{size} B"),
            1_000..1_000_000 => format!("{} kB", size / 1_000),
            _ => format!("{} MB", size / 1_000_000),
        };
        Self { name, size }
    }
}

/// Whether more of a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What one run came to in one respect.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What it is.
    pub metric: &'static str,
    /// In what.
    pub unit: &'static str,
    /// Whether more of it is better.
    pub better: Better,
    /// How much.
    pub value: f64,
}

impl Reading {
    /// More of it is better.
    pub fn higher(metric: &'static str, unit: &'static str, value: f64) -> Self {
        Self { metric, unit, better: Better::Higher, value }
    }

    /// Less of it is better.
    pub fn lower(metric: &'static str, unit: &'static str, value: f64) -> Self {
        Self { metric, unit, better: Better::Lower, value }
    }

    /// CPU time per transaction or message.
    pub fn cpu_each(peer: &Peer, before: Option<f64>, count: f64) -> Option<Self> {
        let used = peer.cpu_seconds()? - before?;
        Some(Self::lower("CPU", "µs each", used * 1e6 / count))
    }

    /// CPU time per gigabyte.
    pub fn cpu_gb(peer: &Peer, before: Option<f64>, bytes: f64) -> Option<Self> {
        let used = peer.cpu_seconds()? - before?;
        Some(Self::lower("CPU", "s/GB", used * 1e9 / bytes))
    }
}

/// What a run needs beside its peer.
#[derive(Debug)]
pub struct Bench<'a> {
    /// What all peers share.
    pub ground: &'a Ground,
    /// PostgreSQL, where a program needs it.
    pub database: Option<&'a Database>,
    /// The raw master.
    pub raw: Master,
    /// How much.
    pub scale: Scale,
}

impl Program {
    /// Its name on the command line and in tables.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it measures, in a line.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pgbench => "pgbench -S -M prepared",
            Self::Tpcb => "pgbench, default transaction (TPC-B), -M prepared",
            Self::Connect => "pgbench -S -C: a connection for each transaction",
            Self::CopyOut => "COPY out through psql",
            Self::CopyIn => "COPY in through psql",
            Self::Streams => "raw streams towards the client, 64 KiB writes",
            Self::Pingpong => "a lone ping-pong of 100 bytes, everything on one core",
            Self::Answers => "answers from PostgreSQL to one client",
            Self::Messages => "4 clients, answers by size, 8 KiB writes",
            Self::Connections => "8 busy clients (100-byte ping-pong) among idle ones",
            Self::Idle => "idle connections",
            Self::Drop => "every session ended at the proxy's command",
        }
    }

    /// Whether it needs PostgreSQL.
    pub fn needs_database(self) -> bool {
        matches!(
            self,
            Self::Pgbench
                | Self::Tpcb
                | Self::Connect
                | Self::CopyOut
                | Self::CopyIn
                | Self::Answers
        )
    }

    /// Its cases.
    pub fn cases(self, scale: &Scale) -> Vec<Case> {
        let some = |full: &[u64], short: &[u64]| {
            if scale.is_full { full.to_vec() } else { short.to_vec() }
        };
        match self {
            Self::Pgbench => some(&[1, 8, 32, 128], &[8, 32])
                .into_iter()
                .map(|n| Case::of(n, "clients"))
                .collect(),
            Self::Tpcb | Self::Connect => vec![Case::of(8, "clients")],
            Self::CopyOut | Self::CopyIn => vec![Case {
                name: format!("{} MiB", scale.copy_bytes >> 20),
                size: scale.copy_bytes,
            }],
            Self::Streams => {
                some(&[1, 4, 16], &[1, 4]).into_iter().map(|n| Case::of(n, "streams")).collect()
            }
            Self::Pingpong => vec![Case::of(1, "client")],
            Self::Answers => some(
                &[100_000, 300_000, 1_000_000, 5_000_000, 20_000_000],
                &[1_000_000, 20_000_000],
            )
            .into_iter()
            .map(Case::bytes)
            .collect(),
            Self::Messages => {
                some(&[100, 1_000, 8_000, 64_000, 1_000_000, 64_000_000], &[100, 8_000, 1_000_000])
                    .into_iter()
                    .map(Case::bytes)
                    .collect()
            }
            Self::Connections => {
                let most = (scale.sessions as u64).min(4096);
                let mut sizes = some(&[1, 8, 64, 512], &[8]);
                sizes.retain(|size| *size < most || *size <= 8);
                if most > 8 {
                    sizes.push(most);
                }
                sizes.into_iter().map(|n| Case::of(n, "connections")).collect()
            }
            Self::Idle | Self::Drop if scale.sessions == 0 => vec![],
            Self::Idle | Self::Drop => vec![Case::of(scale.sessions as u64, "connections")],
        }
    }

    /// Whom it is about.
    pub fn kinds(self) -> &'static [Kind] {
        use Kind::{
            Direct, HaProxy, HaProxySplice, Nginx, Other, Ours, OursCopy, OursSplice, PgBouncer,
        };
        match self {
            Self::Pgbench | Self::CopyOut | Self::CopyIn => {
                &[Direct, Ours, HaProxy, HaProxySplice, Nginx, PgBouncer, Other]
            }
            Self::Tpcb | Self::Connect => &[Direct, Ours, HaProxy, Nginx, PgBouncer, Other],
            Self::Answers => &[Direct, Ours, OursCopy, HaProxy, Nginx, PgBouncer, Other],
            Self::Streams => {
                &[Direct, Ours, OursCopy, OursSplice, HaProxy, HaProxySplice, Nginx, Other]
            }
            Self::Messages => &[Direct, Ours, OursCopy, HaProxy, HaProxySplice, Nginx, Other],
            Self::Pingpong | Self::Connections => &[Direct, Ours, HaProxy, Nginx, Other],
            Self::Idle => &[Ours, HaProxy, Nginx, Other],
            Self::Drop => &[Ours, HaProxy, Other],
        }
    }

    /// Between whom a case decides about a goal that lies closer to 1 than single rounds lie to each other, so that it takes more
    /// of them to tell.
    pub fn close_race(self, case: &Case) -> &'static [Kind] {
        use Kind::{Direct, HaProxy, Other, Ours, OursCopy};
        match (self, case.size) {
            (Self::Pgbench, 8 | 32) => &[Ours, HaProxy, Other],
            (Self::Pingpong, _) => &[Direct, Ours, HaProxy],
            (Self::Answers, 1_000_000) => &[Ours, OursCopy],
            _ => &[],
        }
    }

    /// How many rounds more such a case gets.
    pub fn further_rounds(self, scale: &Scale) -> usize {
        match self {
            // Its rounds lie closer to each other than those of the others.
            Self::Pingpong => scale.further_rounds / 3,
            _ => scale.further_rounds,
        }
    }

    /// Measures one case of one peer once.
    pub async fn run(
        self,
        bench: &Bench<'_>,
        peer: &mut Peer,
        case: &Case,
    ) -> Result<Vec<Reading>> {
        match self {
            Self::Pgbench => sql::pgbench(bench, peer, case, &["-S", "-M", "prepared"]).await,
            Self::Tpcb => sql::pgbench(bench, peer, case, &["-M", "prepared"]).await,
            Self::Connect => sql::pgbench(bench, peer, case, &["-S", "-C"]).await,
            Self::CopyOut => bulk::copy_out(bench, peer).await,
            Self::CopyIn => bulk::copy_in(bench, peer).await,
            Self::Streams => bulk::streams(bench, peer, case).await,
            Self::Answers => bulk::answers(bench, peer, case).await,
            Self::Pingpong => messages::pingpong(bench, peer).await,
            Self::Messages => messages::by_size(bench, peer, case).await,
            Self::Connections => messages::by_connections(bench, peer, case).await,
            Self::Idle => sessions::idle(peer, case).await,
            Self::Drop => sessions::end(peer, case).await,
        }
    }

    /// Whether a peer must be new for each run: memory that was freed is not given back, and is not counted twice.
    pub fn needs_new_peer(self) -> bool {
        matches!(self, Self::Idle | Self::Drop)
    }
}
