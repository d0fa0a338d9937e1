//! Which PostgreSQL the tests run, and as which user.

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server's programs.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// The directory of `postgres`, `initdb` and the rest.
    pub bin: PathBuf,
}

impl Postgres {
    /// `STOLON_PG_BIN`, or the newest major installed by Debian's packages.
    pub fn installed() -> Result<Self> {
        if let Some(bin) = std::env::var_os("STOLON_PG_BIN") {
            return Self::at(PathBuf::from(bin));
        }
        let newest = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let major: u32 = path.file_name()?.to_str()?.parse().ok()?;
                let bin = path.join("bin");
                bin.join("postgres").is_file().then_some((major, bin))
            })
            .max();
        let (_, bin) =
            newest.context("PostgreSQL is not installed: run `make deps`, or set STOLON_PG_BIN to its bin directory")?;
        Self::at(bin)
    }

    /// The programs in `bin`.
    pub fn at(bin: PathBuf) -> Result<Self> {
        ensure!(
            bin.join("postgres").is_file(),
            "no PostgreSQL in {}: set STOLON_PG_BIN to its bin directory",
            bin.display()
        );
        Ok(Self { bin })
    }
}

/// The user PostgreSQL runs as; it refuses root.
#[derive(Clone, Copy, Debug)]
pub enum OsUser {
    /// The one who runs the tests.
    Own,
    /// Debian's `postgres`, when root runs the tests.
    Other {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl OsUser {
    /// Who that is here.
    pub fn find() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        users
            .lines()
            .find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                (*fields.first()? == "postgres")
                    .then(|| Some(Self::Other { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? }))?
            })
            .context("PostgreSQL refuses root and there is no user postgres: run `make deps`, or test as another user")
    }

    /// Makes `command` run as this user, without further groups.
    pub fn run(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives a file or directory to this user.
    pub fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid))
                .with_context(|| format!("cannot give away {}", path.display())),
        }
    }
}
