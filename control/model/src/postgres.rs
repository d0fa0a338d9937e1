//! PostgreSQL as text and numbers: versions, configuration files, connection strings, command lines, timelines, WAL names.
//!
//! Only what can be computed; nothing here opens a file or a connection.

pub mod command;
pub mod conf;
pub mod confirmation;
pub mod conninfo;
pub mod hba;
pub mod parameters;
pub mod pgpass;
pub mod recovery;
pub mod role;
pub mod secret;
pub mod slot;
pub mod sync;
pub mod timeline;
pub mod version;
pub mod wal;

/// The directory of the unix socket, on every keeper: the socket's name in it derives from the port.
pub const SOCKET_DIRECTORY: &str = "/tmp";

/// What stands before a db uid in application names and slot names, and before an additional slot's name.
pub const NAME_PREFIX: &str = "stolon_";

/// The application name and the slot name of a db: both must be this, `synchronous_standby_names` and the reported
/// synchronous standbys depend on it.
pub fn name_of(db: &crate::uid::DbUid) -> String {
    format!("{NAME_PREFIX}{db}")
}
