//! Passwords from the command line or from files.

use super::ConfigError;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use stolon_model::postgres::secret::Secret;
use tracing::warn;

/// Whose password it is, in the words of the reference's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The superuser.
    Superuser,
    /// The replication role.
    Replication,
}

impl Owner {
    fn in_errors(self) -> &'static str {
        match self {
            Self::Superuser => "pg superuser",
            Self::Replication => "pg replication user",
        }
    }

    fn in_warnings(self) -> &'static str {
        match self {
            Self::Superuser => "superuser",
            Self::Replication => "replication user",
        }
    }
}

/// Reads the password file `path`.
pub fn from_file(owner: Owner, path: &str) -> Result<String, ConfigError> {
    let read = || -> io::Result<String> {
        let mode = fs::symlink_metadata(path)?.mode() & 0o777;
        if mode > 0o600 {
            warn!(
                file = path,
                mode = format!("{mode:#05o}").replacen("0o", "0", 1),
                "password file permissions are too open. This file should only be readable to the user executing stolon! \
                 Continuing..."
            );
        }
        let content = fs::read(Path::new(path))?;
        String::from_utf8(content).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "the password is not UTF-8 text")
        })
    };
    read().map_err(|error| {
        ConfigError::rule(format!(
            "cannot read {} password: unable to read password from file {path}: {error}",
            owner.in_errors()
        ))
    })
}

/// Takes line ends off the end of a password; one that has nothing else is refused.
pub fn trimmed(owner: Owner, password: &str) -> Result<Secret, ConfigError> {
    let trimmed = password.trim_end_matches(['\r', '\n']);
    if trimmed.len() < password.len() {
        warn!("{} password contain trailing new line, removing", owner.in_warnings());
        if trimmed.is_empty() {
            return Err(ConfigError::rule(format!(
                "{} password is empty after removing trailing new line",
                owner.in_warnings()
            )));
        }
    }
    if trimmed.contains('\0') {
        return Err(ConfigError::rule(format!(
            "{} password contains a zero byte, which PostgreSQL does not allow",
            owner.in_warnings()
        )));
    }
    Ok(Secret::new(trimmed))
}
