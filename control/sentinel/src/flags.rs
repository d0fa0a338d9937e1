//! The command line (reference, chapter 5.5).

use stolon_daemon::log::{Format, InvalidLogLevel, LogSettings};
use stolon_flags::{CommonFlags, Deprecated, LogFlags, LogFormat, Program, UsageError, VERSION};
use stolon_store::Config;

/// What the command line says of the binary.
pub const PROGRAM: Program = Program {
    command: "stolon-sentinel",
    env_prefix: "STSENTINEL",
    version: VERSION,
    about: "stolon-sentinel watches the cluster and decides which PostgreSQL instance is its master",
    deprecated: &[Deprecated::flag("debug", "use --log-level=debug instead")],
};

/// The flags of `stolon-sentinel`.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// The cluster and its store.
    #[command(flatten)]
    pub common: CommonFlags,
    /// The log.
    #[command(flatten)]
    pub log: LogFlags,
    /// a file providing the initial cluster specification, used only at cluster initialization, ignored if cluster is already
    /// initialized
    #[arg(long, default_value = "")]
    pub initial_cluster_spec: String,
}

/// Flags that make no sentinel.
#[derive(Debug, thiserror::Error)]
pub enum FlagsError {
    /// One that every binary has.
    #[error(transparent)]
    Common(#[from] UsageError),
    /// One about the store.
    #[error("cannot create sentinel: cannot create store: {0}")]
    Store(UsageError),
}

impl Flags {
    /// How to log.
    pub fn log_settings(&self) -> Result<LogSettings, InvalidLogLevel> {
        Ok(LogSettings {
            level: self.log.level_word().parse()?,
            color: self.log.log_color,
            format: match self.log.log_format {
                LogFormat::Go => Format::Go,
                LogFormat::Json => Format::Json,
            },
        })
    }

    /// Where the store is.
    pub fn store_config(&self) -> Result<Config, FlagsError> {
        self.common.check()?;
        self.common.store_config().map_err(FlagsError::Store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(endpoints: &str, backend: &str) -> String {
        let words = [
            "stolon-sentinel",
            "--cluster-name=c",
            &format!("--store-backend={backend}"),
            &format!("--store-endpoints={endpoints}"),
        ];
        let words = words.map(Into::into);
        let flags = stolon_flags::parse::<Flags>(&PROGRAM, words, []).unwrap().args;
        flags.store_config().unwrap_err().to_string()
    }

    #[test]
    fn errors_about_the_store_are_in_the_words_of_stolon() {
        assert_eq!(error("", "x"), r#"Unknown store backend: "x""#);
        assert_eq!(
            error("ftp://a", "etcdv3"),
            "cannot create sentinel: cannot create store: cannot create kv store: endpoints scheme must be http or https"
        );
    }
}
