//! The flags of a daemon's log.

use crate::stop::UsageError;
use std::str::FromStr;

/// How much a daemon logs, and in which layout.
#[derive(Clone, Debug, clap::Args)]
pub struct LogFlags {
    /// enable color in log output (default if attached to a terminal)
    #[arg(long)]
    pub log_color: Option<bool>,
    /// layout of the log: go (that of Stolon) or json
    #[arg(long, default_value = "go")]
    pub log_format: LogFormat,
    /// debug, info, warn or error
    #[arg(long, default_value = "info")]
    pub log_level: String,
    /// enable debug logging
    #[arg(long, hide = true)]
    pub debug: bool,
}

impl LogFlags {
    /// The level that was asked for, `--debug` included.
    pub fn level(&self) -> Result<LogLevel, UsageError> {
        let level = match self.log_level.as_str() {
            "debug" => LogLevel::Debug,
            "info" => LogLevel::Info,
            "warn" => LogLevel::Warn,
            "error" => LogLevel::Error,
            other => return Err(UsageError::new(format!("invalid log level: {other}"))),
        };
        Ok(if self.debug { LogLevel::Debug } else { level })
    }
}

/// The least important thing that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the four levels by their own names")]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// The layout of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// As Stolon's Go binaries write it.
    #[default]
    Go,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = UsageError;

    fn from_str(text: &str) -> Result<Self, UsageError> {
        match text {
            "go" => Ok(Self::Go),
            "json" => Ok(Self::Json),
            _ => Err(UsageError::new("must be one of: go, json")),
        }
    }
}
