//! A disk that a test can fill.

use crate::postgres::OsUser;
use anyhow::{Context, Result, ensure};
use rustix::process::{getegid, geteuid};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What it holds: an instance with its WAL, and some more.
const SIZE: &str = "256m";

/// A file system of its own at a directory.
#[derive(Debug)]
pub struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// Mounts one for the user that runs PostgreSQL.
    pub fn mount(place: &Path, user: OsUser) -> Result<Self> {
        let (uid, gid) = match user {
            OsUser::Own => (geteuid().as_raw(), getegid().as_raw()),
            OsUser::Other { uid, gid } => (uid, gid),
        };
        let options = format!("size={SIZE},mode=0700,uid={uid},gid={gid}");
        let done = as_root("mount", &["-t", "tmpfs", "-o", &options, "stolon-e2e"], place)?;
        ensure!(
            done,
            "cannot mount a tmpfs at {}: that takes root (in a container CAP_SYS_ADMIN), or sudo",
            place.display()
        );
        Ok(Self { place: place.to_owned() })
    }

    /// Fills it to the last byte.
    pub fn fill(&self) -> Result<()> {
        let mut filler = File::create(self.filler())?;
        for size in [1 << 20, 4096] {
            let bytes = vec![1; size];
            loop {
                match filler.write_all(&bytes) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Empties it again.
    pub fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Who still uses it may go on until the end of the test.
        let _ = as_root("umount", &["--lazy"], &self.place);
    }
}

fn as_root(program: &str, arguments: &[&str], place: &Path) -> Result<bool> {
    let mut command = if geteuid().is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", program]);
        sudo
    };
    let status = command.args(arguments).arg(place).status();
    Ok(status.with_context(|| format!("cannot run {program}"))?.success())
}
