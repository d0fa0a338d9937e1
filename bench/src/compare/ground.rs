//! What all peers share: the files, the store, and the settings that make them equal.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use stolon_tests::etcd::Etcd;
use stolon_tests::postgres::OsUser;
use stolon_tests::scratch::Scratch;

/// What all peers share.
#[derive(Debug)]
pub struct Ground {
    /// The store of our proxy.
    pub etcd: Etcd,
    /// Files and logs, removed at the end.
    pub scratch: Scratch,
    /// Who PostgreSQL and PgBouncer run as: both refuse root.
    pub user: OsUser,
    /// Worker threads or processes of each peer that has them.
    pub threads: usize,
    /// Our binary.
    pub proxy: PathBuf,
    /// The original's binary.
    pub other: Option<PathBuf>,
    counter: AtomicU32,
}

impl Ground {
    /// Starts the store. `proxy` is our binary, if it is not where this program looks for it.
    pub async fn new(threads: usize, proxy: Option<PathBuf>) -> Result<Self> {
        let proxy = proxy.map_or_else(our_proxy, Ok)?;
        let other = match std::env::var_os("STOLON_PEER") {
            Some(directory) => {
                let path = Path::new(&directory).join("stolon-proxy");
                anyhow::ensure!(
                    path.is_file(),
                    "STOLON_PEER: there is no {}; name the directory that holds the other stolon-proxy",
                    path.display()
                );
                Some(path)
            }
            None => None,
        };
        let scratch = Scratch::new()?;
        let etcd = Etcd::start(&scratch).await?;
        Ok(Self {
            etcd,
            scratch,
            user: OsUser::find()?,
            threads,
            proxy,
            other,
            counter: AtomicU32::new(0),
        })
    }

    /// A name that no other instance has.
    pub fn instance(&self, label: &str) -> String {
        format!("{label}-{}", self.counter.fetch_add(1, Ordering::Relaxed))
    }
}

/// `STOLON_BIN_DIR`, or beside this program.
fn our_proxy() -> Result<PathBuf> {
    let directory = match std::env::var_os("STOLON_BIN_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => {
            std::env::current_exe()?.parent().context("this program is in no directory")?.to_owned()
        }
    };
    let path = directory.join("stolon-proxy");
    anyhow::ensure!(
        path.is_file(),
        "there is no {}: run `cargo build --release -p stolon-proxy`, or say in STOLON_BIN_DIR where it is",
        path.display()
    );
    Ok(path)
}

/// A program of the system; administrators' directories are often not on a user's PATH.
pub fn system_program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not installed: run `scripts/deps bench`"))
}

/// The first line that a program says of its version.
pub fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).lines().next().map(|line| line.trim().to_owned())
}
