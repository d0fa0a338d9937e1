//! The keeper's configuration: the flags after every check, made once at start.

mod address;
mod auth;
mod password;

use crate::data_dir::{DataDir, DataDirError};
use crate::flags::Flags;
use std::path::PathBuf;
use stolon_flags::{Parsed, UsageError};
use stolon_model::postgres::role::Account;
use stolon_model::uid::KeeperUid;

/// Everything the keeper was told.
#[derive(Debug)]
pub struct Config {
    /// The uid that was asked for, if any.
    pub uid: Option<KeeperUid>,
    /// `--data-dir`, made if it was missing.
    pub data_dir: DataDir,
    /// Whether to take the lock.
    pub locking: Locking,
    /// `--pg-listen-address`, for PostgreSQL.
    pub listen_address: String,
    /// What others connect to.
    pub advertise_address: String,
    /// What others connect to; text, as it is published.
    pub advertise_port: String,
    /// `--pg-port`.
    pub port: u16,
    /// Where PostgreSQL's programs are; `None` for the PATH.
    pub bin_path: Option<PathBuf>,
    /// The superuser.
    pub superuser: Account,
    /// The replication role.
    pub replication: Account,
    /// May become master.
    pub can_be_master: bool,
    /// May become a synchronous standby.
    pub can_be_synchronous_replica: bool,
    /// The store.
    pub store: stolon_store::Config,
    /// Where metrics are served, if anywhere.
    pub metrics_listen_address: Option<String>,
}

/// Whether a second keeper is kept off the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// By a lock.
    Locked,
    /// By nothing: `--disable-data-dir-locking`.
    Disabled,
}

/// The flags cannot be used as they are.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// They are missing or do not fit together.
    #[error("{0}")]
    Rule(String),
    /// A flag that all binaries share.
    #[error(transparent)]
    Common(#[from] UsageError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

impl ConfigError {
    fn rule(text: impl Into<String>) -> Self {
        Self::Rule(text.into())
    }
}

impl Config {
    /// Checks the flags, in the reference's order, and makes the data directory.
    pub fn new(parsed: &Parsed<Flags>) -> Result<Self, ConfigError> {
        let flags = &parsed.args;
        if flags.data_dir.is_empty() {
            return Err(ConfigError::rule("data dir required"));
        }
        flags.common.check()?;
        let data_dir = DataDir::open(flags.data_dir.as_ref())?;
        if flags.pg_listen_address.is_empty() {
            return Err(ConfigError::rule("--pg-listen-address is required"));
        }
        let (advertise_flag, advertise_address) = if flags.pg_advertise_address.is_empty() {
            ("pg-listen-address", &flags.pg_listen_address)
        } else {
            ("pg-advertise-address", &flags.pg_advertise_address)
        };
        address::warn_about(advertise_flag, advertise_address);
        let port = flags.pg_port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            ConfigError::rule(format!("--pg-port {:?} is not a port number", flags.pg_port))
        })?;
        let advertise_port = if flags.pg_advertise_port.is_empty() {
            &flags.pg_port
        } else {
            &flags.pg_advertise_port
        };
        let (superuser, replication) = auth::accounts(flags)?;
        let store = flags
            .common
            .store_config()
            .map_err(|error| format!("cannot create keeper: cannot create store: {error}"))
            .map_err(ConfigError::rule)?;
        Ok(Self {
            uid: (!flags.uid.is_empty()).then(|| KeeperUid::new(&flags.uid)),
            data_dir,
            locking: if flags.disable_data_dir_locking {
                Locking::Disabled
            } else {
                Locking::Locked
            },
            listen_address: flags.pg_listen_address.clone(),
            advertise_address: advertise_address.clone(),
            advertise_port: advertise_port.clone(),
            port,
            bin_path: (!flags.pg_bin_path.is_empty()).then(|| PathBuf::from(&flags.pg_bin_path)),
            superuser,
            replication,
            can_be_master: flags.can_be_master,
            can_be_synchronous_replica: flags.can_be_synchronous_replica,
            store,
            metrics_listen_address: Some(flags.common.metrics_listen_address.clone())
                .filter(|address| !address.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests;
