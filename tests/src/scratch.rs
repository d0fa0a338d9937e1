//! The directory of one test, and the logs in it.

use anyhow::{Context, Result};
use rustix::fs::statvfs;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Lines of each log that a failed test shows.
const SHOWN_LINES: usize = 60;

/// Bytes that must be free in memory: eight instances of 250 MB.
const ROOM: u64 = 2_000_000_000;

/// A temporary directory that the PostgreSQL user may enter.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
}

impl Scratch {
    /// Makes it, in memory where there is room: what PostgreSQL and etcd sync to a disk that others keep busy takes
    /// seconds, and the tests are about processes that die, not about machines that lose their power.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("stolon-e2e-").tempdir_in(place())?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        fs::create_dir(directory.path().join("logs"))?;
        Ok(Self { directory })
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Opens a process' log for appending.
    pub fn log(&self, name: &str) -> Result<(PathBuf, File)> {
        let path = self.path("logs").join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&path);
        Ok((path.clone(), file.with_context(|| format!("cannot open {}", path.display()))?))
    }

    /// The end of every log, for the report of a failed test.
    pub fn show_logs(&self) -> String {
        let mut logs: Vec<PathBuf> = fs::read_dir(self.path("logs"))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .collect();
        logs.sort();
        logs.iter().map(|log| show(log)).collect()
    }

    /// Copies the logs to where they outlive the test, and says where.
    pub fn keep_logs(&self, test: &str) -> Result<PathBuf> {
        let kept =
            std::env::temp_dir().join(format!("stolon-e2e-failed-{test}-{}", std::process::id()));
        fs::create_dir(&kept)?;
        for entry in fs::read_dir(self.path("logs"))? {
            let entry = entry?;
            fs::copy(entry.path(), kept.join(entry.file_name()))?;
        }
        Ok(kept)
    }
}

/// `/dev/shm` if two clusters and more fit in, else `/tmp`.
fn place() -> &'static Path {
    let is_roomy = statvfs("/dev/shm")
        .is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) >= ROOM);
    Path::new(if is_roomy { "/dev/shm" } else { "/tmp" })
}

fn show(log: &Path) -> String {
    let text =
        fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    format!("---- {} ({} lines)\n{}\n", log.display(), lines.len(), shown.join("\n"))
}
