//! Generations: counters of wanted states.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Counts the versions of one object's spec. 0 means "none reported yet", 1 is the first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub i64);

impl Generation {
    /// Nothing reported yet.
    pub const NONE: Self = Self(0);
    /// The first generation of every object.
    pub const INITIAL: Self = Self(1);

    /// The generation after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whether Go's encoder would leave it out.
    pub fn is_none(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
