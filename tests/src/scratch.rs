//! The directory of one test, and the logs in it.

use anyhow::{Context, Result};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Lines of each log that a failed test shows.
const SHOWN_LINES: usize = 60;

/// A temporary directory that the PostgreSQL user may enter.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
}

impl Scratch {
    /// Makes it, in `/tmp` because a path inside it must fit into the name of a socket.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("stolon-e2e-").tempdir_in("/tmp")?;
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

    /// Moves the logs to where they outlive the test, and says where.
    pub fn keep_logs(&self, test: &str) -> Result<PathBuf> {
        let kept =
            std::env::temp_dir().join(format!("stolon-e2e-failed-{test}-{}", std::process::id()));
        fs::rename(self.path("logs"), &kept)?;
        Ok(kept)
    }
}

fn show(log: &Path) -> String {
    let text =
        fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    format!("---- {} ({} lines)\n{}\n", log.display(), lines.len(), shown.join("\n"))
}
