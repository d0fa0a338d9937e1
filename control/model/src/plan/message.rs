//! Lines of the log, as data.

use crate::postgres::role::RoleChange;
use crate::spec::PgParameters;

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something went on as it should.
    Info,
    /// Something did not.
    Error,
}

/// One line of the log: the words and field names of Stolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How grave it is.
    pub level: Level,
    /// The words.
    pub text: &'static str,
    /// Fields by name, in order. Names are of [`Message::FIELDS`].
    pub fields: Vec<(&'static str, Value)>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// Parameters, without passwords.
    Parameters(PgParameters),
}

impl Message {
    /// Every name a field can have.
    pub const FIELDS: [&'static str; 16] = [
        "uid",
        "db",
        "cdDB",
        "bootUUID",
        "clusterBootUUID",
        "masterDB",
        "keeper",
        "followedDB",
        "role",
        "slot",
        "curRecoveryParameters",
        "newRecoveryParameters",
        "prevSyncStandbyNames",
        "syncStandbyNames",
        "reason",
        "error",
    ];

    /// A line that tells what goes on.
    pub fn info(text: &'static str) -> Self {
        Self { level: Level::Info, text, fields: Vec::new() }
    }

    /// A line that tells what is wrong.
    pub fn error(text: &'static str) -> Self {
        Self { level: Level::Error, text, fields: Vec::new() }
    }

    /// Adds a field with a text.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fields.push((name, Value::Text(value.to_string())));
        self
    }

    /// Adds a field with parameters.
    #[must_use]
    pub fn with_parameters(mut self, name: &'static str, value: PgParameters) -> Self {
        self.fields.push((name, Value::Parameters(value)));
        self
    }
}

/// The lines before (`false`) or after (`true`) one statement of [`crate::postgres::role::setup`].
pub fn of_role_change(change: RoleChange, is_done: bool, role: &str) -> Option<Message> {
    let text = match (change, is_done) {
        (RoleChange::Session, _) => return None,
        (RoleChange::SuperuserPassword, false) => "setting superuser password",
        (RoleChange::SuperuserPassword, true) => "superuser password set",
        (RoleChange::SuperuserReplication, false) => "adding replication role to superuser",
        (RoleChange::SuperuserReplication, true) => "replication role added to superuser",
        (RoleChange::ReplicationRole, false) => "creating replication role",
        (RoleChange::ReplicationRole, true) => {
            return Some(Message::info("replication role created").with("role", role));
        }
    };
    Some(Message::info(text))
}
