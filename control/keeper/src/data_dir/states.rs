//! Both state files, loaded once and written through. Whoever publishes them follows the changes.

use super::DataDir;
use super::state::{self, StateFileError};
use stolon_model::local::{DbLocalState, KeeperLocalState};
use tokio::sync::watch;

/// The states. The lock on the data directory makes this process their only writer.
#[derive(Debug)]
pub struct States {
    data_dir: DataDir,
    keeper: watch::Sender<KeeperLocalState>,
    db: watch::Sender<DbLocalState>,
}

/// A state file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// `keeperstate`.
    #[error("failed to load keeper local state file: {0}")]
    Keeper(#[source] StateFileError),
    /// `dbstate`.
    #[error("failed to load db local state file: {0}")]
    Db(#[source] StateFileError),
}

impl States {
    /// Reads both files; an absent one is an empty state.
    pub fn load(data_dir: DataDir) -> Result<Self, LoadError> {
        let keeper = state::load(&data_dir.keeper_state_file()).map_err(LoadError::Keeper)?;
        let db = state::load(&data_dir.db_state_file()).map_err(LoadError::Db)?;
        Ok(Self {
            data_dir,
            keeper: watch::Sender::new(keeper.unwrap_or_default()),
            db: watch::Sender::new(db.unwrap_or_default()),
        })
    }

    /// `keeperstate`.
    pub fn keeper(&self) -> KeeperLocalState {
        self.keeper.borrow().clone()
    }

    /// `dbstate`.
    pub fn db(&self) -> DbLocalState {
        self.db.borrow().clone()
    }

    /// Follows `keeperstate`.
    pub fn watch_keeper(&self) -> watch::Receiver<KeeperLocalState> {
        self.keeper.subscribe()
    }

    /// Follows `dbstate`.
    pub fn watch_db(&self) -> watch::Receiver<DbLocalState> {
        self.db.subscribe()
    }

    /// Replaces `keeperstate`.
    pub fn save_keeper(&self, state: &KeeperLocalState) -> Result<(), StateFileError> {
        state::save(&self.data_dir.keeper_state_file(), state)?;
        self.keeper.send_replace(state.clone());
        Ok(())
    }

    /// Replaces `dbstate`.
    pub fn save_db(&self, state: &DbLocalState) -> Result<(), StateFileError> {
        state::save(&self.data_dir.db_state_file(), state)?;
        self.db.send_replace(state.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stolon_model::uid::DbUid;

    #[test]
    fn what_was_saved_is_loaded_and_a_broken_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let states = States::load(data_dir.clone()).unwrap();
        let watch = states.watch_db();
        let db = DbLocalState { uid: DbUid::new("d1"), ..DbLocalState::default() };
        states.save_db(&db).unwrap();
        assert!(watch.has_changed().unwrap());
        assert_eq!(States::load(data_dir.clone()).unwrap().db(), db);

        std::fs::write(data_dir.keeper_state_file(), "{").unwrap();
        let error = States::load(data_dir.clone()).unwrap_err().to_string();
        assert!(error.starts_with("failed to load keeper local state file: "), "{error}");
        std::fs::remove_file(data_dir.keeper_state_file()).unwrap();
        std::fs::write(data_dir.db_state_file(), "garbage").unwrap();
        let error = States::load(data_dir).unwrap_err().to_string();
        assert!(error.starts_with("failed to load db local state file: "), "{error}");
    }
}
