//! Programs that an earlier run of the keeper left behind when it was killed.
//!
//! They must end before PGDATA is touched: a forgotten pg_basebackup would go on writing into the directory that its
//! successor fills. Every program is started with [`MARK`] in its environment, which its children inherit, so that they can
//! be found whatever they are called.

use super::process::{Process, pids};
use rustix::process::Signal;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The environment variable that names the PGDATA a program works on.
pub const MARK: &str = "STOLON_KEEPER_PROGRAM_PGDATA";

const GRACE: Duration = Duration::from_secs(3);

/// Ends every program that works on `pgdata`, politely first; returns how many there were.
pub async fn end(pgdata: &Path) -> io::Result<usize> {
    let programs = find(pgdata)?;
    for signal in [Signal::TERM, Signal::KILL] {
        for program in &programs {
            program.signal(signal)?;
        }
        let mut all_ended = true;
        for program in &programs {
            all_ended &= program.ended(GRACE).await;
        }
        if all_ended {
            return Ok(programs.len());
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("a program left over by an earlier keeper still works on {}", pgdata.display()),
    ))
}

fn find(pgdata: &Path) -> io::Result<Vec<Process>> {
    let mut marked = format!("{MARK}=").into_bytes();
    marked.extend_from_slice(pgdata.as_os_str().as_encoded_bytes());
    let is_marked = |pid: u32| {
        // Other users' processes cannot be read and are none of ours.
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == marked))
    };
    let mut found = Vec::new();
    for pid in pids()? {
        if is_marked(pid) {
            found.extend(Process::open(pid, is_marked)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_marked_programs_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let spawn = |mark: &Path| {
            std::process::Command::new("sleep").arg("60").env(MARK, mark).spawn().unwrap()
        };
        let mut ours = spawn(dir.path());
        let mut other = spawn(&dir.path().join("other"));
        // Reaped beside, as init would do with an orphan.
        let reaper = std::thread::spawn(move || ours.wait().unwrap());
        assert_eq!(end(dir.path()).await.unwrap(), 1);
        assert!(!reaper.join().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(end(dir.path()).await.unwrap(), 0);
    }
}
