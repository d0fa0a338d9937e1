//! `postmaster.pid`: which process runs on a PGDATA.
//!
//! The file survives crashes and its number may since belong to another process, so it is believed only after that process
//! has been looked at: a postmaster has PGDATA as its working directory for its whole life.

use super::process::{Process, pids};
use std::io;
use std::path::Path;

/// The pid in the first line of PGDATA's `postmaster.pid`, believed or not.
pub fn read(pgdata: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(pgdata.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)
}

/// The postmaster that runs on `pgdata`, if there is one.
pub fn running(pgdata: &Path) -> io::Result<Option<Process>> {
    match read(pgdata) {
        Some(pid) if pid != std::process::id() => {
            Process::open(pid, |pid| is_postgres_in(pid, pgdata))
        }
        _ => Ok(None),
    }
}

/// PostgreSQL processes that work in `pgdata`: the backends that a killed postmaster leaves behind for a moment.
pub fn processes_in(pgdata: &Path) -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for pid in pids()? {
        if is_postgres_in(pid, pgdata) {
            found.extend(Process::open(pid, |pid| is_postgres_in(pid, pgdata))?);
        }
    }
    Ok(found)
}

fn is_postgres_in(pid: u32, pgdata: &Path) -> bool {
    // A zombie has no working directory any more, and the link of another user's process cannot be read: neither is ours.
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == pgdata)
        && std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.starts_with("postgres") || name.starts_with("postmaster"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::Signal;
    use std::time::Duration;

    #[tokio::test]
    async fn a_pid_of_a_process_that_is_no_postmaster_here_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let pgdata = dir.path().canonicalize().unwrap();
        assert!(running(&pgdata).unwrap().is_none());

        let mut stranger =
            std::process::Command::new("sleep").arg("60").current_dir(&pgdata).spawn().unwrap();
        for content in [
            format!("{}\n{}\n", stranger.id(), pgdata.display()),
            format!("{}\n", std::process::id()),
            "1\n".to_owned(),
            "-7\n".to_owned(),
            "4000000000\n".to_owned(),
            String::new(),
        ] {
            std::fs::write(pgdata.join("postmaster.pid"), &content).unwrap();
            assert!(running(&pgdata).unwrap().is_none(), "{content:?}");
        }
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[tokio::test]
    async fn a_postmaster_is_found_signalled_and_awaited() {
        let dir = tempfile::tempdir().unwrap();
        let pgdata = dir.path().canonicalize().unwrap();
        // A process by that name stands in for it.
        let program = pgdata.join("postgres");
        std::fs::copy("/bin/sleep", &program).unwrap();
        let mut child =
            std::process::Command::new(&program).arg("60").current_dir(&pgdata).spawn().unwrap();
        std::fs::write(pgdata.join("postmaster.pid"), format!("{}\n", child.id())).unwrap();

        let process = running(&pgdata).unwrap().unwrap();
        assert_eq!(process.pid(), child.id());
        assert_eq!(processes_in(&pgdata).unwrap().len(), 1);
        assert!(!process.ended(Duration::ZERO).await);
        process.signal(Signal::INT).unwrap();
        assert!(process.ended(Duration::from_secs(10)).await);
        child.wait().unwrap();
        process.signal(Signal::INT).unwrap();
        assert!(running(&pgdata).unwrap().is_none());
    }
}
