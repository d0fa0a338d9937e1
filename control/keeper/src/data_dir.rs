//! The keeper's data directory: its layout, its creation, its lock and the keeper's own files in it.
//!
//! What PostgreSQL keeps in `postgres/` below it is the concern of [`crate::postgres::pgdata`].

pub mod atomic;
pub mod lock;
pub mod state;
pub mod states;

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where everything lies below `--data-dir`.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It could not be made.
    #[error(
        "cannot create data dir: mkdir {path}: {source}; give a --data-dir that the keeper may make or write to",
        path = path.display()
    )]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be looked at.
    #[error("cannot access data dir \"{path}\": {source}", path = path.display())]
    Access {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else has its name.
    #[error("data dir \"{path}\" is not a directory; give another --data-dir", path = path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Others may read or change it.
    #[error(
        "data dir \"{path}\" is open to other users (mode {mode:04o}); run chmod 0700 on it",
        path = path.display()
    )]
    OpenPermissions {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No file can be made in it.
    #[error(
        "data dir \"{path}\" is not writable: {source}; make it writable for the user that runs the keeper",
        path = path.display()
    )]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DataDir {
    /// Makes the directory if it is missing (mode 0700, parents too) and checks that only its owner can write to it and
    /// that the keeper can.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| DataDirError::Create { path: path.to_owned(), source })?;
        let metadata = std::fs::metadata(path)
            .map_err(|source| DataDirError::Access { path: path.to_owned(), source })?;
        if !metadata.is_dir() {
            return Err(DataDirError::NotADirectory { path: path.to_owned() });
        }
        // Mount points often are 0755 and hold nothing readable themselves; writing by others would let them replace the
        // state files.
        refuse_mode(path, &metadata, 0o022)?;
        // PostgreSQL itself refuses to start on such a PGDATA (from version 11 it allows 0750).
        let pgdata = path.join("postgres");
        if let Ok(metadata) = std::fs::metadata(&pgdata) {
            refuse_mode(&pgdata, &metadata, 0o027)?;
        }
        // Mode bits do not tell everything (read-only mounts, quotas): only a write does. Of its error the kind is kept, not
        // the name of a file that nobody would find.
        tempfile::Builder::new().prefix(".probe-").tempfile_in(path).map_err(|error| {
            DataDirError::NotWritable { path: path.to_owned(), source: error.kind().into() }
        })?;
        // PostgreSQL compares paths by text and runs with another working directory.
        let path = path
            .canonicalize()
            .map_err(|source| DataDirError::Access { path: path.to_owned(), source })?;
        Ok(Self { path })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that carries the lock.
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Who this keeper is.
    pub fn keeper_state_file(&self) -> PathBuf {
        self.path.join("keeperstate")
    }

    /// What the data in PGDATA is.
    pub fn db_state_file(&self) -> PathBuf {
        self.path.join("dbstate")
    }

    /// PostgreSQL's own directory, PGDATA.
    pub fn pgdata(&self) -> PathBuf {
        self.path.join("postgres")
    }
}

fn refuse_mode(path: &Path, metadata: &Metadata, refused: u32) -> Result<(), DataDirError> {
    let mode = metadata.mode() & 0o7777;
    if mode & refused != 0 {
        return Err(DataDirError::OpenPermissions { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn is_made_with_its_parents_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let data_dir = DataDir::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(data_dir.pgdata(), path.canonicalize().unwrap().join("postgres"));
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = DataDir::open(&path).unwrap_err();
        let start = format!("cannot create data dir: mkdir {}: ", path.display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }

    #[test]
    fn one_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("open");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "data dir \"{}\" is open to other users (mode 0777); run chmod 0700 on it",
                path.display()
            )
        );
    }

    #[test]
    fn a_pgdata_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let pgdata = dir.path().join("postgres");
        std::fs::create_dir(&pgdata).unwrap();
        std::fs::set_permissions(&pgdata, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(
            matches!(error, DataDirError::OpenPermissions { path, mode: 0o755 } if path == pgdata)
        );
    }
}
