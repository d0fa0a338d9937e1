//! Whether one leads, and until when that is certain.

use crate::store::LeaderKey;
use stolon_model::time::Mono;

/// Whether this sentinel leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Leadership {
    /// Another one does, or none, or it is not known.
    #[default]
    Not,
    /// This one does.
    Leader {
        /// Grows with each leadership gained, by whatever sentinel of the cluster.
        term: u64,
        /// The key that exists as long as this leadership.
        key: LeaderKey,
        /// Until when it is certain without another renewal, on the clock of the store.
        until: Mono,
    },
}

impl Leadership {
    pub(super) fn gained(key: LeaderKey, until: Mono) -> Self {
        // The create revision of the key: greater than that of every leader before.
        let term = u64::try_from(key.created.0).unwrap_or(0);
        Self::Leader { term, key, until }
    }

    pub(super) fn prolong(&mut self, renewed: Mono) {
        if let Self::Leader { until, .. } = self {
            *until = renewed;
        }
    }

    /// The term, if it leads.
    pub fn term(&self) -> Option<u64> {
        match self {
            Self::Not => None,
            Self::Leader { term, .. } => Some(*term),
        }
    }

    /// The key, if the leadership is certain at `now`.
    pub fn leads_at(&self, now: Mono) -> Option<&LeaderKey> {
        match self {
            Self::Leader { key, until, .. } if now < *until => Some(key),
            _ => None,
        }
    }
}
