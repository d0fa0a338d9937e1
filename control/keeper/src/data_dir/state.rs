//! `keeperstate` and `dbstate`: what the keeper knows of itself and of its data across restarts.
//!
//! A file that cannot be read as what it should be is an error and stays as it is: guessing here could delete data.

use super::atomic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use stolon_model::json;

/// A state file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The file system said no.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What stands in it is not a state.
    #[error(
        "{path}: {reason}; restore it from a backup, or give an empty --data-dir to start anew",
        path = path.display()
    )]
    Garbage {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads the state at `path`; `None` if there is no such file.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateFileError> {
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StateFileError::Io { path: path.to_owned(), source }),
    };
    json::decode(&content).map(Some).map_err(|error| StateFileError::Garbage {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// Replaces the state at `path`; it is durable on return.
pub fn save<T: Serialize>(path: &Path, state: &T) -> Result<(), StateFileError> {
    atomic::write(path, &json::encode(state), 0o600)
        .map_err(|source| StateFileError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stolon_model::generation::Generation;
    use stolon_model::local::{DbLocalState, KeeperLocalState};
    use stolon_model::uid::DbUid;

    #[test]
    fn states_survive() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dbstate");
        assert_eq!(load::<DbLocalState>(&path).unwrap(), None);
        let state = DbLocalState {
            uid: DbUid::new("2c0ffee0"),
            generation: Generation(3),
            initializing: true,
            init_pg_parameters: None,
        };
        save(&path, &state).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            r#"{"UID":"2c0ffee0","Generation":3,"Initializing":true,"InitPGParameters":null}"#
        );
        assert_eq!(load(&path).unwrap(), Some(state));
    }

    #[test]
    fn garbage_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keeperstate");
        for garbage in ["", "{\"UID\":", "[]", "\0\0\0"] {
            std::fs::write(&path, garbage).unwrap();
            let error = load::<KeeperLocalState>(&path).unwrap_err();
            assert!(matches!(error, StateFileError::Garbage { .. }), "{garbage:?}: {error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage);
        }
    }
}
