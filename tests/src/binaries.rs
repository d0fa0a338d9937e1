//! Where the four binaries under test are, and a place from which the PostgreSQL user may run them.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The Cargo packages; each makes one binary of the same name.
const PACKAGES: [&str; 4] = ["stolon-proxy", "stolon-sentinel", "stolon-keeper", "stolonctl"];

/// Who built a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The binaries under test.
    Ours,
    /// Those in the directory `STOLON_PEER`, such as the original ones; without it these are ours too.
    Peer,
}

impl Origin {
    /// The path of the binary `name` of this origin.
    pub fn path(self, name: &str) -> Result<PathBuf> {
        let peer = std::env::var_os("STOLON_PEER").filter(|directory| !directory.is_empty());
        let Some(peer) = peer.filter(|_| self == Self::Peer) else { return path(name) };
        let binary = Path::new(&peer).join(name);
        ensure!(binary.is_file(), "STOLON_PEER: {} does not exist", binary.display());
        Ok(binary)
    }
}

/// The path of one of the binaries under test.
///
/// `STOLON_BIN_DIR` says where they are; without it they are built first, with the profile of this test.
pub fn path(name: &str) -> Result<PathBuf> {
    static DIRECTORY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    match directory {
        Ok(directory) => Ok(directory.join(name)),
        Err(error) => bail!("{error}"),
    }
}

fn find() -> Result<PathBuf> {
    let directory = match std::env::var_os("STOLON_BIN_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => build()?,
    };
    for package in PACKAGES {
        ensure!(
            directory.join(package).is_file(),
            "{package} is not in {}: build it, or unset STOLON_BIN_DIR to let the tests build it",
            directory.display()
        );
    }
    if is_open_to_all(&directory) { Ok(directory) } else { copy(&directory) }
}

/// Builds the binaries beside this test and returns their directory.
fn build() -> Result<PathBuf> {
    let test = std::env::current_exe().context("cannot find the test's own path")?;
    let profile =
        test.parent().and_then(Path::parent).context("the test is not in a target directory")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    let output = cargo.output().context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cannot build the binaries:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(profile.to_owned())
}

/// Whether every user may enter the directory. A checkout in root's home is not.
fn is_open_to_all(directory: &Path) -> bool {
    directory.ancestors().all(|directory| {
        fs::metadata(directory).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    })
}

/// Copies the binaries to a place that every user may enter; tests that find the same binaries share the copy.
fn copy(from: &Path) -> Result<PathBuf> {
    let mut version = Vec::new();
    for package in PACKAGES {
        let metadata = fs::metadata(from.join(package))?;
        version.push(format!("{}.{}", metadata.mtime(), metadata.size()));
    }
    let to = std::env::temp_dir().join(format!("stolon-e2e-bin-{}", version.join("-")));
    if to.is_dir() {
        return Ok(to);
    }
    let work = tempfile::Builder::new().prefix("stolon-e2e-bin-").tempdir()?;
    for package in PACKAGES {
        fs::copy(from.join(package), work.path().join(package))
            .with_context(|| format!("cannot copy {package}"))?;
    }
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o755))?;
    let work = work.keep();
    if fs::rename(&work, &to).is_err() {
        // Another test was faster; its copy is as good.
        fs::remove_dir_all(&work)?;
    }
    Ok(to)
}
