//! Whether the daemon can do its work now, as `/readyz` tells it.

use std::sync::{Arc, Mutex, PoisonError};

/// The daemon's answer to "are you ready?"; starts as not ready. Clones share one state.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// The sentence that says why not, or nothing when ready.
    obstacle: Arc<Mutex<Option<String>>>,
}

impl Readiness {
    /// Not ready because it is starting.
    pub fn starting() -> Self {
        Self { obstacle: Arc::new(Mutex::new(Some("starting".to_owned()))) }
    }

    /// From now on the daemon is ready.
    pub fn ready(&self) {
        self.set(None);
    }

    /// From now on it is not, because of `reason`.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// Nothing when ready, else the reason why not.
    pub fn obstacle(&self) -> Option<String> {
        self.obstacle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, obstacle: Option<String>) {
        *self.obstacle.lock().unwrap_or_else(PoisonError::into_inner) = obstacle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_state() {
        let readiness = Readiness::starting();
        let other = readiness.clone();
        assert_eq!(other.obstacle().as_deref(), Some("starting"));
        readiness.ready();
        assert_eq!(other.obstacle(), None);
        other.not_ready("draining");
        assert_eq!(readiness.obstacle().as_deref(), Some("draining"));
    }
}
