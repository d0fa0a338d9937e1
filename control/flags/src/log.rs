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
    /// The word of the level that was asked for, `--debug` included. A word that is none remains, for the log to refuse.
    pub fn level_word(&self) -> &str {
        match self.log_level.as_str() {
            "debug" | "info" | "warn" | "error" if self.debug => "debug",
            word => word,
        }
    }
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
