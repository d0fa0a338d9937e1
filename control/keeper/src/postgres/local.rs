//! How the keeper reaches its own instance: the unix socket in `/tmp`, the superuser and the replication user.

use std::path::PathBuf;
use std::time::Duration;
use stolon_model::postgres::SOCKET_DIRECTORY;
use stolon_model::postgres::role::Account;

/// The address of the own instance and who may enter.
#[derive(Clone, Debug)]
pub struct LocalServer {
    /// `--pg-port`.
    pub port: u16,
    /// For SQL.
    pub superuser: Account,
    /// For the replication protocol.
    pub replication: Account,
    /// Bounds the connect and every statement: requestTimeout.
    pub timeout: Duration,
}

impl LocalServer {
    /// The socket itself.
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(format!("{SOCKET_DIRECTORY}/.s.PGSQL.{}", self.port))
    }
}
