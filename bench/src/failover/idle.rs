//! What sentinel and keeper cost while nothing happens (proc(5)).

use super::figure::Figure;
use anyhow::{Context, Result};
use std::fs;
use std::time::{Duration, Instant};

/// How long a process is watched.
const SPAN: Duration = Duration::from_secs(20);

/// One process to watch.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What it is, for the table.
    pub name: String,
    /// Its pid.
    pub pid: u32,
}

/// Watches all processes at once: CPU in percent of a core, and resident memory in MiB.
pub async fn measure(subjects: &[Subject]) -> Result<Vec<Figure>> {
    let before: Vec<f64> = subjects.iter().map(|s| cpu_seconds(s.pid)).collect::<Result<_>>()?;
    let began = Instant::now();
    tokio::time::sleep(SPAN).await;
    let elapsed = began.elapsed().as_secs_f64();
    let mut figures = Vec::new();
    for (subject, before) in subjects.iter().zip(before) {
        let share = (cpu_seconds(subject.pid)? - before) / elapsed * 100.0;
        figures.push(figure(format!("{} idle, CPU", subject.name), "% core", 1.0, share));
        figures.push(figure(
            format!("{} idle, memory", subject.name),
            "MiB",
            30.0,
            resident_mib(subject.pid)?,
        ));
    }
    Ok(figures)
}

fn figure(name: String, unit: &'static str, promised: f64, value: f64) -> Figure {
    Figure { name, unit, promised, rounds: vec![value] }
}

/// User and system time in seconds. Linux counts them in ticks of 10 ms.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The second field is the name in parentheses, which may hold blanks.
    let (_, rest) = stat.rsplit_once(')').context("unreadable /proc/<pid>/stat")?;
    let field = |n: usize| rest.split_whitespace().nth(n).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = field(11).zip(field(12)).context("unreadable /proc/<pid>/stat")?;
    Ok((user + system) / 100.0)
}

fn resident_mib(pid: u32) -> Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
