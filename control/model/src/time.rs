//! Time as data: Go's durations, wall-clock instants as Go writes them, and the monotonic instant that decisions use.

mod duration;
mod wall;

pub use duration::{GoDuration, ParseDurationError};
pub use wall::{GoTime, ParseTimeError};

use std::time::Duration;

/// A point on a monotonic clock of the observing process: the time since an origin of its own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub Duration);

impl Mono {
    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant `span` later.
    pub fn plus(self, span: Duration) -> Mono {
        Mono(self.0.saturating_add(span))
    }
}

/// Both clocks, read at one moment by the shell and handed to a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For every timer.
    pub mono: Mono,
    /// For the times written into the cluster data.
    pub wall: GoTime,
}

impl Now {
    /// Both clocks `span` later.
    pub fn plus(self, span: Duration) -> Now {
        Now { mono: self.mono.plus(span), wall: self.wall.plus(span) }
    }
}
