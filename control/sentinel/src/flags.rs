//! The command line (reference, chapter 5.5).

use std::path::PathBuf;
use stolon_daemon::log::{Format, InvalidLogLevel, LogSettings};
use stolon_flags::{CommonFlags, Deprecated, LogFlags, LogFormat, Program, UsageError, VERSION};
use stolon_store::{Config, ConfigError, ConfigSource, TlsFiles};

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
    #[error("cannot create sentinel: {0}")]
    Store(#[from] ConfigError),
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
        let common = &self.common;
        common.check()?;
        let source = ConfigSource {
            backend: common.store_backend.clone(),
            endpoints: common.store_endpoints.clone(),
            prefix: common.store_prefix.clone(),
            cluster_name: common.cluster_name.clone(),
            timeout: common.store_timeout.to_std(),
            tls: TlsFiles {
                cert_file: file(&common.store_cert_file),
                key_file: file(&common.store_key),
                ca_file: file(&common.store_ca_file),
                skip_verify: common.store_skip_tls_verify,
            },
        };
        Ok(Config::parse(&source)?)
    }
}

/// A flag that was not given is empty.
fn file(name: &str) -> Option<PathBuf> {
    (!name.is_empty()).then(|| PathBuf::from(name))
}
