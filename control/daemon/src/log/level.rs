//! How important a line is.

use std::str::FromStr;
use tracing::metadata::LevelFilter;

/// The levels of the reference, the least important first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For somebody who looks for a fault.
    Debug,
    /// Changes of state.
    #[default]
    Info,
    /// Something is wrong, the daemon goes on.
    Warn,
    /// Something failed.
    Error,
    /// The daemon ends.
    Fatal,
}

/// A `--log-level` that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid log level: {0}")]
pub struct InvalidLogLevel(pub String);

impl FromStr for Level {
    type Err = InvalidLogLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(InvalidLogLevel(text.to_owned())),
        }
    }
}

impl Level {
    /// The word in the log.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// The number of its ANSI colour.
    pub(super) fn color(self) -> u8 {
        match self {
            Self::Debug => 35,
            Self::Info => 34,
            Self::Warn => 33,
            Self::Error | Self::Fatal => 31,
        }
    }

    /// What `tracing` has to let through.
    pub(super) fn filter(self) -> LevelFilter {
        match self {
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error | Self::Fatal => LevelFilter::ERROR,
        }
    }
}

impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => Self::Debug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_four_words_are_levels() {
        assert_eq!("debug".parse(), Ok(Level::Debug));
        assert_eq!("warn".parse(), Ok(Level::Warn));
        for word in ["", "INFO", "trace", "fatal"] {
            let error = word.parse::<Level>().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid log level: {word}"));
        }
    }
}
