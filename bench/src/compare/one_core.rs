//! Everything on one core, for a while.

use super::tree::Tree;
use anyhow::{Context, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs;

/// While it lives this process, its children and theirs run on one core. A lone message wakes somebody at each of its stations.
/// On several cores that is a matter of luck: a sleeping core, or one far away, takes longer to wake than the whole way between
/// the stations, above all in a virtual machine.
#[derive(Debug)]
pub struct OneCore {
    allowed: CpuSet,
}

impl OneCore {
    /// Moves everything to the first core that this process may use.
    pub fn start() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).context("no core")?;
        let mut one = CpuSet::new();
        one.set(first);
        move_all(&one);
        Ok(Self { allowed })
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        move_all(&self.allowed);
    }
}

fn move_all(cores: &CpuSet) {
    for process in Tree::new(std::process::id()).pids() {
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
        for thread in threads.flatten() {
            let id = thread.file_name().to_str().and_then(|name| name.parse().ok());
            // It fails for a thread that has ended, and for one of another user, which takes no part.
            let _ = sched_setaffinity(id.and_then(Pid::from_raw), cores);
        }
    }
}
