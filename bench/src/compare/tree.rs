//! What a proxy's processes cost (proc(5)): all of its workers and children together.

use std::fs;
use stolon_tests::orphans;

/// Linux counts process times in ticks of 10 ms.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process and its descendants.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    root: u32,
}

/// What processes hold at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holdings {
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open descriptors of every kind.
    pub descriptors: u64,
    /// Those of them that are ends of pipes.
    pub pipe_ends: u64,
}

impl Tree {
    /// The tree below the process `root`.
    pub fn new(root: u32) -> Self {
        Self { root }
    }

    /// The ids of its processes, the root first.
    pub fn pids(self) -> Vec<i32> {
        let all = orphans::all();
        let mut tree: Vec<i32> = i32::try_from(self.root).into_iter().collect();
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            let children = all.iter().filter(|entry| entry.parent == parent);
            tree.extend(children.map(|entry| entry.pid.as_raw_nonzero().get()));
            next += 1;
        }
        tree
    }

    /// User and system time of all threads since each process started, in seconds.
    pub fn cpu_seconds(self) -> f64 {
        self.pids().into_iter().filter_map(|pid| exact_cpu(pid).or_else(|| cpu(pid))).sum()
    }

    /// What the processes hold now.
    pub fn holdings(self) -> Holdings {
        let mut sum = Holdings::default();
        for pid in self.pids() {
            sum.resident_bytes += resident_bytes(pid).unwrap_or_default();
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
            for descriptor in descriptors.flatten() {
                sum.descriptors += 1;
                let is_pipe = fs::read_link(descriptor.path())
                    .is_ok_and(|target| target.to_string_lossy().starts_with("pipe:"));
                sum.pipe_ends += u64::from(is_pipe);
            }
        }
        sum
    }
}

/// The time that the scheduler counted for each thread, in nanoseconds: the same as in `stat`, which rounds it to ticks. Kernels
/// without scheduler information do not have it.
fn exact_cpu(pid: i32) -> Option<f64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut nanoseconds = 0.0;
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        nanoseconds += text.split(' ').next()?.parse::<f64>().ok()?;
    }
    Some(nanoseconds / 1e9)
}

fn cpu(pid: i32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, which may hold blanks.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn resident_bytes(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_count_the_same_time() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let began = std::time::Instant::now();
        let mut sum = 0_u64;
        while cpu(pid).expect("proc(5)") < 0.2 && began.elapsed().as_secs() < 60 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let (exact, rounded) = (exact_cpu(pid), cpu(pid).expect("proc(5)"));
        // Threads of other tests that have ended are in the one and not in the other.
        let exact = exact.unwrap_or(rounded);
        assert!(exact > 0.0 && exact <= rounded + 0.1, "{exact} s and {rounded} s");
    }

    #[test]
    fn descriptors_and_pipes_are_counted() {
        let tree = Tree::new(std::process::id());
        let before = tree.holdings();
        let (_reader, _writer) = std::io::pipe().expect("a pipe");
        let after = tree.holdings();
        assert!(before.resident_bytes > 0);
        // Other tests of this process may open and close some too.
        assert!(after.pipe_ends >= 2 && after.descriptors >= after.pipe_ends);
    }
}
