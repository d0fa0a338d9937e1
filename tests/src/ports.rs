//! TCP ports that nobody else takes for as long as they are held.

use anyhow::{Context, Result, bail};
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Below the range from which the kernel gives ports to outgoing connections.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// A reserved port. A lock on a file keeps other tests off while nobody listens, as between two starts of PostgreSQL.
#[derive(Debug)]
pub struct Port {
    /// Its number.
    pub number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a port that is free on 127.0.0.1 and for PostgreSQL's socket in `/tmp`.
    pub fn reserve() -> Result<Self> {
        let locks = std::env::temp_dir().join("stolon-e2e-ports");
        if fs::create_dir(&locks).is_ok() {
            // Whoever runs tests on this machine shares the locks.
            fs::set_permissions(&locks, Permissions::from_mode(0o1777))?;
        }
        for _ in 0..1000 {
            let number = fastrand::u16(RANGE);
            if let Some(port) = Self::try_reserve(&locks, number) {
                return Ok(port);
            }
        }
        bail!("no free port among {RANGE:?}; see the locks in {}", locks.display())
    }

    fn try_reserve(locks: &Path, number: u16) -> Option<Self> {
        let lock =
            File::options().create(true).append(true).open(locks.join(number.to_string())).ok()?;
        lock.try_lock().ok()?;
        let is_free = TcpListener::bind(("127.0.0.1", number)).is_ok()
            && !Path::new(&format!("/tmp/.s.PGSQL.{number}")).exists();
        is_free.then_some(Self { number, _lock: lock })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

/// A port at which nobody listens, for a test of an unreachable service.
pub fn closed() -> Result<Port> {
    Port::reserve().context("cannot find a closed port")
}
