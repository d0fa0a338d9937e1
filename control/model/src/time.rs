//! Time as data: Go's durations, wall-clock instants as Go writes them, and the monotonic instant that decisions use.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A signed span of nanoseconds, in JSON a string in Go's notation (`5s`, `1m0s`, `48h0m0s`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    /// Nanoseconds; a spec may hold a negative number, which validation refuses.
    pub nanos: i64,
}

impl GoDuration {
    /// A duration of whole seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self { nanos: seconds * 1_000_000_000 }
    }

    /// The duration for a timer; a negative one counts as zero.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos).unwrap_or(0))
    }
}

/// A point on the wall clock with the offset it was written with. Only shown and stored, never compared for decisions about
/// freshness: for that there is [`Mono`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoTime {
    /// Nanoseconds since the Unix epoch. Go's zero time is January 1 of the year 1, UTC.
    pub unix_nanos: i128,
    /// Offset from UTC in seconds.
    pub offset_seconds: i32,
}

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

impl Default for GoTime {
    /// Go's zero time.
    fn default() -> Self {
        Self { unix_nanos: -62_135_596_800_000_000_000, offset_seconds: 0 }
    }
}

impl Serialize for GoDuration {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(self.nanos)
    }
}
impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        i64::deserialize(d).map(|nanos| Self { nanos })
    }
}
impl Serialize for GoTime {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i128(self.unix_nanos)
    }
}
impl<'de> Deserialize<'de> for GoTime {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        i128::deserialize(d).map(|unix_nanos| Self { unix_nanos, offset_seconds: 0 })
    }
}
