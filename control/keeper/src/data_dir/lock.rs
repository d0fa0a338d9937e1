//! The lock that keeps a second keeper off a data directory.
//!
//! It is a POSIX record lock over the whole file, as Stolon takes it, so that keepers of both kinds exclude each other. Such
//! a lock belongs to the process and goes when the process closes *any* descriptor of the file: nothing else in the keeper
//! may open it.

use rustix::fs::{FlockOperation, Mode, OFlags, fcntl_lock, open};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The lock; it lasts as long as this value.
#[derive(Debug)]
pub struct DataDirLock {
    _file: OwnedFd,
}

/// Another keeper has the lock, or it cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot take exclusive lock on data dir \"{path}\": {source}", path = path.display())]
pub struct LockError {
    path: PathBuf,
    source: io::Error,
}

/// Takes the lock at `path`, or fails at once.
pub fn take(path: &Path) -> Result<DataDirLock, LockError> {
    let failed = |source: rustix::io::Errno| LockError {
        path: path.to_owned(),
        source: io::Error::from(source),
    };
    let file =
        open(path, OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))
            .map_err(failed)?;
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(failed)?;
    Ok(DataDirLock { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file() {
        let error = take(Path::new("/nowhere/lock")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot take exclusive lock on data dir \"/nowhere/lock\": No such file or directory (os error 2)"
        );
    }

    /// `/proc/locks` is what the kernel itself says of the kind and range of the lock.
    #[test]
    fn it_is_a_posix_write_lock_over_the_whole_file() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = take(&path).unwrap();
        let inode = format!(":{} 0 EOF", std::fs::metadata(&path).unwrap().ino());
        let held = || {
            let locks = std::fs::read_to_string("/proc/locks").unwrap();
            locks.lines().any(|l| l.contains("POSIX") && l.contains("WRITE") && l.ends_with(&inode))
        };
        assert!(held());
        drop(lock);
        assert!(!held());
    }
}
