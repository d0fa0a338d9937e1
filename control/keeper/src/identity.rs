//! Who this keeper is: the uid that was asked for, the one in the data directory, or a new one.

use crate::data_dir::state::StateFileError;
use crate::data_dir::states::States;
use stolon_model::local::KeeperLocalState;
use stolon_model::uid::{KeeperUid, short_uid};
use tracing::info;

/// The keeper cannot be who it is asked to be.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The uid has other characters than it may.
    #[error(
        "keeper uid {0:?} not valid. It can contain only lower-case letters, numbers and the underscore character"
    )]
    Invalid(String),
    /// The data directory belongs to another keeper.
    #[error("saved uid {saved:?} differs from configuration uid: {configured:?}")]
    Differs {
        /// In the data directory.
        saved: String,
        /// From the flags.
        configured: String,
    },
    /// The new identity could not be kept.
    #[error("cannot create keeper: failed to save keeper local state file: {0}")]
    Save(#[from] StateFileError),
}

/// Settles the uid and keeps a new one in the data directory.
pub fn settle(
    configured: Option<&KeeperUid>,
    states: &States,
    rng: &mut fastrand::Rng,
) -> Result<KeeperUid, IdentityError> {
    if let Some(uid) = configured.filter(|uid| !is_valid(uid)) {
        return Err(IdentityError::Invalid(uid.to_string()));
    }
    let state = states.keeper();
    if !state.uid.is_empty() {
        if let Some(configured) = configured.filter(|uid| **uid != state.uid) {
            return Err(IdentityError::Differs {
                saved: state.uid.to_string(),
                configured: configured.to_string(),
            });
        }
        info!(uid = state.uid.as_str(), "keeper uid");
        return Ok(state.uid);
    }
    let uid = configured.cloned().unwrap_or_else(|| {
        let uid = KeeperUid::new(short_uid(rng));
        info!(uid = uid.as_str(), "uid generated");
        uid
    });
    states.save_keeper(&KeeperLocalState { uid: uid.clone(), ..state })?;
    info!(uid = uid.as_str(), "keeper uid");
    Ok(uid)
}

fn is_valid(uid: &KeeperUid) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !uid.is_empty() && uid.as_str().bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::DataDir;

    #[test]
    fn a_uid_is_kept_and_then_has_to_match() {
        let dir = tempfile::tempdir().unwrap();
        let states = States::load(DataDir::open(dir.path()).unwrap()).unwrap();
        let mut rng = fastrand::Rng::with_seed(1);
        for invalid in ["Keeper", "k-1", "k\n", "k 1", "ü"] {
            let error = settle(Some(&KeeperUid::new(invalid)), &states, &mut rng).unwrap_err();
            assert!(matches!(error, IdentityError::Invalid(_)), "{invalid:?}");
        }
        let uid = settle(None, &states, &mut rng).unwrap();
        assert!(is_valid(&uid) && uid.as_str().len() == 8);
        assert_eq!(settle(Some(&uid), &states, &mut rng).unwrap(), uid);
        assert_eq!(states.keeper().uid, uid);
        let error = settle(Some(&KeeperUid::new("k0")), &states, &mut rng).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("saved uid \"{uid}\" differs from configuration uid: \"k0\"")
        );
    }
}
