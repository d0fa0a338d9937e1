//! PostgreSQL processes whose keeper was killed.
//!
//! They go to the nearest subreaper, which this process makes itself, because the first process of a container often
//! does not collect them. A postmaster that stays behind as a zombie keeps its pid, and PostgreSQL would refuse to start
//! beside it.

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};
use std::fs;
use std::sync::Once;
use std::thread;
use std::time::Duration;

/// How often orphans are collected.
const PACE: Duration = Duration::from_millis(20);

/// From now on this process collects orphaned PostgreSQL processes.
pub fn adopt() {
    static ADOPT: Once = Once::new();
    ADOPT.call_once(|| {
        // Without it orphans go to the first process, which is as good where that one collects them.
        let _ = set_child_subreaper(Some(getpid()));
        thread::spawn(|| {
            loop {
                collect();
                thread::sleep(PACE);
            }
        });
    });
}

/// One process as `/proc` shows it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Process id.
    pub pid: Pid,
    /// Its parent.
    pub parent: i32,
    /// Ended, but not collected.
    pub is_zombie: bool,
    /// The program's name.
    pub name: String,
}

/// Every process of the machine.
pub fn all() -> Vec<Entry> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| look(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// The process `pid`.
pub fn look(pid: i32) -> Option<Entry> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold some itself.
    let (before, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    Some(Entry {
        pid: Pid::from_raw(pid)?,
        parent,
        is_zombie,
        name: before.split_once('(')?.1.to_owned(),
    })
}

/// The pids of `root` and of all below it.
pub fn tree(root: i32) -> Vec<i32> {
    let all = all();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        tree.extend(
            all.iter()
                .filter(|entry| entry.parent == parent)
                .map(|entry| entry.pid.as_raw_nonzero().get()),
        );
        next += 1;
    }
    tree
}

/// Kills `root` and all below it in one sweep.
pub fn kill_tree(root: i32) {
    for pid in tree(root).into_iter().filter_map(Pid::from_raw) {
        // It may be gone already.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn collect() {
    let own = getpid().as_raw_nonzero().get();
    for entry in all().into_iter().filter(|entry| entry.is_zombie && entry.parent == own) {
        // Nobody in this process starts PostgreSQL's programs directly, so nobody else waits for them.
        let is_program = matches!(entry.name.as_str(), "postgres" | "initdb" | "psql");
        if is_program || entry.name.starts_with("pg_") {
            let _ = waitpid(Some(entry.pid), WaitOptions::NOHANG);
        }
    }
}
