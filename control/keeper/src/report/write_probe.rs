//! Whether PGDATA takes writes. On a disk that is full PostgreSQL can go on answering queries for long, and only who writes learns
//! that it is not much of a master any more. The write is not synced: a sync waits for everybody else's.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::debug;

/// What a check waits for its own write. Nearly every write is done by then; what takes longer is looked at by the next check.
const AT_ONCE: Duration = Duration::from_millis(100);
/// What a write may take. `failInterval` follows before the cluster does anything about it.
const LIMIT: Duration = Duration::from_secs(10);
/// What is written: a page, so that it needs a block of its own.
const SIZE: usize = 8192;

/// One write at a time, and what the last one came to. A write that the kernel does not return from holds up nothing but the next.
#[derive(Debug)]
pub struct WriteProbe {
    at_once: Duration,
    limit: Duration,
    running: Option<Running>,
    /// Why the last write failed.
    failure: Option<String>,
}

#[derive(Debug)]
struct Running {
    since: Instant,
    write: JoinHandle<io::Result<()>>,
}

impl Default for WriteProbe {
    fn default() -> Self {
        Self::with(AT_ONCE, LIMIT)
    }
}

impl WriteProbe {
    fn with(at_once: Duration, limit: Duration) -> Self {
        Self { at_once, limit, running: None, failure: None }
    }

    /// Starts `write` unless one still runs, and says whether writes work, as far as that is known now. The error is a sentence.
    pub async fn check(
        &mut self,
        write: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Result<(), String> {
        let running = self.running.get_or_insert_with(|| Running {
            since: Instant::now(),
            write: tokio::task::spawn_blocking(write),
        });
        match timeout(self.at_once, &mut running.write).await {
            Ok(ended) => {
                self.running = None;
                self.failure = match ended.map_err(io::Error::other).flatten() {
                    Err(error) if is_of_the_disk(&error) => Some(error.to_string()),
                    Err(error) => {
                        debug!(%error, "cannot try to write");
                        None
                    }
                    Ok(()) => None,
                };
            }
            Err(_) if running.since.elapsed() >= self.limit => {
                self.failure = Some(format!("a write has not ended within {:?}", self.limit));
            }
            Err(_) => {}
        }
        self.failure.clone().map_or(Ok(()), Err)
    }
}

/// Whether it is about the disk, and not about a want of the keeper's own, such as descriptors.
fn is_of_the_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Writes a page into the file system of `directory`, in a file without a name, which is gone whatever happens.
pub fn write_page(directory: &Path) -> io::Result<()> {
    // What compresses well might fit where nothing else does.
    let mut page = [0; SIZE];
    fastrand::Rng::new().fill(&mut page);
    tempfile::tempfile_in(directory)?.write_all(&page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_write_that_fails_is_told_until_one_succeeds() {
        let mut probe = WriteProbe::with(Duration::from_secs(20), LIMIT);
        assert_eq!(probe.check(|| Ok(())).await, Ok(()));
        let full = || Err(io::ErrorKind::StorageFull.into());
        assert_eq!(probe.check(full).await, Err("no storage space".to_owned()));
        assert_eq!(probe.check(|| Ok(())).await, Ok(()));
        let broken = || Err(rustix::io::Errno::IO.into());
        assert!(probe.check(broken).await.is_err());
        // What the keeper lacks says nothing of the disk.
        let own = || Err(rustix::io::Errno::MFILE.into());
        assert_eq!(probe.check(own).await, Ok(()));
    }

    #[tokio::test]
    async fn a_write_that_stalls_is_told_after_its_limit_and_no_other_is_begun() {
        let limit = Duration::from_millis(50);
        let mut probe = WriteProbe::with(Duration::from_millis(1), limit);
        let (release, stall) = mpsc::channel::<()>();
        let begun = Instant::now();
        let stalled = move || stall.recv().map_err(io::Error::other);
        let mut said = probe.check(stalled).await;
        while said.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is never told");
            said = probe.check(|| panic!("a second write was begun")).await;
        }
        assert!(begun.elapsed() >= limit);
        assert_eq!(said, Err("a write has not ended within 50ms".to_owned()));
        release.send(()).unwrap();
        while said.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "its end is not seen");
            said = probe.check(|| Ok(())).await;
        }
    }

    #[test]
    fn nothing_is_left_of_a_page() {
        let directory = tempfile::tempdir().unwrap();
        write_page(directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(write_page(&directory.path().join("missing")).is_err());
    }
}
