//! Where, of what, and when.

use super::ground::{Ground, system_program, version};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use stolon_tests::postgres::Postgres;

/// Where, of what, and when.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that may be used.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// TCP's congestion control. BBR paces loopback too, and then paces most of what is measured here.
    pub congestion_control: String,
    /// The load of the last minute before the run: of a busy machine, times mean nothing and ratios little.
    pub load: String,
    /// The commit that was measured.
    pub commit: String,
    /// When it began.
    pub date: String,
    /// What each program calls itself.
    pub versions: Vec<String>,
}

impl Machine {
    /// This one, now.
    pub fn look(ground: &Ground) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 =
            memory.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
        let programs = [("haproxy", "-v"), ("nginx", "-v"), ("pgbouncer", "--version")];
        let mut versions: Vec<String> = programs
            .into_iter()
            .filter_map(|(name, argument)| version(&system_program(name).ok()?, argument))
            .collect();
        versions.extend(version(&ground.proxy, "--version"));
        let other = ground.other.as_deref().and_then(|path| version(path, "--version"));
        versions.extend(other.map(|version| format!("STOLON_PEER: {version}")));
        versions.extend(version(Path::new("etcd"), "--version"));
        let postgres = Postgres::installed().ok().map(|postgres| postgres.bin.join("postgres"));
        versions.extend(postgres.and_then(|path| version(&path, "--version")));
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            memory_gib: kib >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            commit: commit(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            versions,
        }
    }

    /// For `latest.json`.
    pub fn json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "memory_gib": self.memory_gib,
            "kernel": self.kernel,
            "congestion_control": self.congestion_control,
            "load_before": self.load,
            "commit": self.commit,
            "date": self.date,
            "versions": self.versions,
        })
    }

    /// In a sentence or two.
    pub fn describe(&self) -> String {
        format!(
            "{}, {} cores, {} GiB, Linux {} with TCP {}, load before the run {}; commit {}, {}. Versions: {}.",
            self.processor,
            self.cores,
            self.memory_gib,
            self.kernel,
            self.congestion_control,
            self.load,
            self.commit,
            self.date,
            self.versions.join("; ")
        )
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).unwrap_or_default();
    if changed.is_empty() { commit } else { format!("{commit} with changes") }
}
