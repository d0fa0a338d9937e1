//! PostgreSQL's programs: where they are and which version they have.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use stolon_model::postgres::version::PgVersion;
use tracing::warn;

/// `postgres -V` prints one line and ends.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The programs in one directory, or in the PATH.
#[derive(Debug)]
pub struct Binaries {
    directory: Option<PathBuf>,
    version: Mutex<Option<Known>>,
}

/// A version with the file it was asked of, so that an upgraded program is asked again and the same one is not.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    file: Option<(PathBuf, u64, i64, i64)>,
    version: Option<PgVersion>,
}

/// The version cannot be told.
#[derive(Debug, thiserror::Error)]
enum VersionError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("postgres -V did not end within {VERSION_LIMIT:?}")]
    TimedOut,
    #[error("postgres -V says {0:?}, which names no version")]
    Unknown(String),
}

impl Binaries {
    /// The programs in `directory`; `None` for the PATH.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, version: Mutex::new(None) }
    }

    /// The program `name` as it is to be run; an absolute path stays.
    pub fn path(&self, name: &str) -> PathBuf {
        match &self.directory {
            Some(directory) => directory.join(name),
            None => PathBuf::from(name),
        }
    }

    /// The version of the programs; `None`, with a warning once, if they do not tell.
    pub async fn version(&self) -> Option<PgVersion> {
        let file = self.identify_postgres();
        let known = self.version.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known
            && known.file == file
        {
            return known.version;
        }
        let version = match self.ask().await {
            Ok(version) => Some(version),
            Err(error) => {
                warn!("failed to get postgres binary version: {error}");
                None
            }
        };
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Known { file, version });
        version
    }

    async fn ask(&self) -> Result<PgVersion, VersionError> {
        let mut command = tokio::process::Command::new(self.path("postgres"));
        command.arg("-V").kill_on_drop(true);
        super::program::hide_secrets(&mut command);
        let output = tokio::time::timeout(VERSION_LIMIT, command.output())
            .await
            .map_err(|_| VersionError::TimedOut)??;
        let text = String::from_utf8_lossy(&output.stdout);
        PgVersion::parse_output(&text).ok_or_else(|| VersionError::Unknown(text.trim().to_owned()))
    }

    fn identify_postgres(&self) -> Option<(PathBuf, u64, i64, i64)> {
        let path = match &self.directory {
            Some(directory) => directory.join("postgres"),
            None => find_in_path("postgres", &std::env::var_os("PATH")?)?,
        };
        let file = std::fs::metadata(&path).ok()?;
        Some((path, file.ino(), file.mtime(), file.mtime_nsec()))
    }
}

fn find_in_path(name: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
    let is_program = |path: &Path| {
        std::fs::metadata(path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path).map(|dir| dir.join(name)).find(|path| is_program(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(dir: &Path, says: &str) {
        let path = dir.join("postgres.new");
        std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(path, dir.join("postgres")).unwrap();
    }

    #[tokio::test]
    async fn an_upgrade_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let binaries = Binaries::new(Some(dir.path().to_owned()));
        assert_eq!(binaries.version().await, None);
        install(dir.path(), "postgres (PostgreSQL) 15.4 (Debian)");
        assert_eq!(binaries.version().await, Some(PgVersion::new(15, 4)));
        install(dir.path(), "postgres (PostgreSQL) 16.0");
        assert_eq!(binaries.version().await, Some(PgVersion::new(16, 0)));
        install(dir.path(), "no version here");
        assert_eq!(binaries.version().await, None);
    }

    #[test]
    fn programs_are_found_in_the_path() {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), "");
        let path = std::env::join_paths([Path::new("/nowhere"), dir.path()]).unwrap();
        assert_eq!(find_in_path("postgres", &path), Some(dir.path().join("postgres")));
        assert_eq!(find_in_path("initdb", &path), None);
    }
}
