//! `--relay`: which conduit carries what.

use std::fmt;
use std::str::FromStr;

/// Which conduit carries what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayMode {
    /// Messages through memory, bulk through pipes. A pipe costs a small message a system call more. Copying costs what the way
    /// between the cores' caches does: a COPY took from not quite twice to more than three times the CPU of a pipe.
    #[default]
    Auto,
    /// Everything through pipes, as far as there are any.
    Splice,
    /// Everything through memory.
    Copy,
}

/// The text names no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("relay mode must be auto, splice or copy, not {0:?}")]
pub struct ParseRelayModeError(String);

impl FromStr for RelayMode {
    type Err = ParseRelayModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "splice" => Ok(Self::Splice),
            "copy" => Ok(Self::Copy),
            other => Err(ParseRelayModeError(other.to_owned())),
        }
    }
}

impl fmt::Display for RelayMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Splice => "splice",
            Self::Copy => "copy",
        })
    }
}
