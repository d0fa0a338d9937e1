//! A process that is not our child, held in a way that survives the reuse of its pid.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often the end of a process is looked for. It is waited for only when something has to be stopped.
const POLL: Duration = Duration::from_millis(10);

/// A running process.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    handle: OwnedFd,
}

impl Process {
    /// Takes hold of the process `pid` if it is the one that is meant: `is_meant` is asked when the number can no longer
    /// change hands.
    pub fn open(pid: u32, is_meant: impl FnOnce(u32) -> bool) -> io::Result<Option<Self>> {
        let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(handle) if is_meant(pid) => Ok(Some(Self { pid, handle })),
            Ok(_) | Err(Errno::SRCH | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends `signal`; a process that has ended meanwhile is no error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it has ended, at most `limit`; says whether it has.
    pub async fn ended(&self, limit: Duration) -> bool {
        let wait = async {
            while !self.has_ended() {
                sleep(POLL).await;
            }
        };
        timeout(limit, wait).await.is_ok() || self.has_ended()
    }

    fn has_ended(&self) -> bool {
        // The handle becomes readable when the process ends, also as a zombie.
        let mut handles = [PollFd::new(&self.handle, PollFlags::IN)];
        matches!(poll(&mut handles, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1..))
    }
}

/// The pids of all processes that can be seen, except our own.
pub fn pids() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let pid = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        pids.extend(pid.filter(|pid| *pid != std::process::id()));
    }
    Ok(pids)
}
