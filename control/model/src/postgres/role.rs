//! The two roles a keeper uses, and the SQL that sets them up in a new instance.

use crate::postgres::secret::Secret;
use std::fmt;
use std::str::FromStr;

/// How a role authenticates, in `pg_hba.conf` and in our own connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// `md5`: a password, however it is stored.
    Md5,
    /// `scram-sha-256`: a password stored as SCRAM.
    ScramSha256,
    /// `trust`: nothing is asked.
    Trust,
}

impl AuthMethod {
    /// The word in `pg_hba.conf`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::ScramSha256 => "scram-sha-256",
            Self::Trust => "trust",
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no method that a keeper knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown authentication method {0:?}, use one of md5, scram-sha-256, trust")]
pub struct UnknownAuthMethod(String);

impl FromStr for AuthMethod {
    type Err = UnknownAuthMethod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "md5" => Ok(Self::Md5),
            "scram-sha-256" => Ok(Self::ScramSha256),
            "trust" => Ok(Self::Trust),
            other => Err(UnknownAuthMethod(other.to_owned())),
        }
    }
}

/// A role as the keeper's flags give it. All keepers of a cluster must be given the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The role's name.
    pub name: String,
    /// How it authenticates.
    pub method: AuthMethod,
    /// Its password; not used with [`AuthMethod::Trust`].
    pub password: Secret,
}

impl Account {
    /// The password to connect with: none when nothing is asked or none is known.
    pub fn password(&self) -> Option<&Secret> {
        (self.method != AuthMethod::Trust && !self.password.is_empty()).then_some(&self.password)
    }
}

/// What the statements of [`setup`] do, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleChange {
    /// A setting of the transaction.
    Session,
    /// The superuser gets its password.
    SuperuserPassword,
    /// The superuser may replicate too.
    SuperuserReplication,
    /// The replication role is made.
    ReplicationRole,
}

/// One statement. Its text may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it does.
    pub change: RoleChange,
    /// SQL, complete: it has no parameters, utility statements take none.
    pub sql: Secret,
}

/// The statements that set up the roles of a new instance, all in one transaction, in this order.
pub fn setup(superuser: &Account, replication: &Account) -> Vec<Statement> {
    let mut statements = vec![
        // A statement with a password must reach no log, be it as statement, as slow statement or beside an error.
        session("SET LOCAL log_statement = 'none'"),
        session("SET LOCAL log_min_error_statement = 'panic'"),
        session("SET LOCAL log_min_duration_statement = -1"),
        // A new instance has no standby that could confirm it, whatever synchronous_standby_names says already.
        session("SET LOCAL synchronous_commit = 'local'"),
    ];
    if [superuser, replication].iter().any(|role| role.method == AuthMethod::ScramSha256) {
        statements.push(session("SET LOCAL password_encryption = 'scram-sha-256'"));
    }
    let su = identifier(&superuser.name);
    if superuser.name == replication.name {
        let password = password_clause(superuser);
        statements.push(Statement {
            change: RoleChange::SuperuserReplication,
            sql: Secret::new(format!("ALTER ROLE {su} WITH LOGIN REPLICATION{password}")),
        });
        return statements;
    }
    if superuser.password().is_some() {
        let password = password_clause(superuser);
        statements.push(Statement {
            change: RoleChange::SuperuserPassword,
            sql: Secret::new(format!("ALTER ROLE {su} WITH{password}")),
        });
    }
    let repl = identifier(&replication.name);
    let password = password_clause(replication);
    statements.push(Statement {
        change: RoleChange::ReplicationRole,
        sql: Secret::new(format!("CREATE ROLE {repl} WITH LOGIN REPLICATION{password}")),
    });
    statements
}

fn session(sql: &str) -> Statement {
    Statement { change: RoleChange::Session, sql: Secret::new(sql) }
}

fn password_clause(role: &Account) -> String {
    match role.password() {
        Some(password) => format!(" ENCRYPTED PASSWORD {}", literal(password.expose())),
        None => String::new(),
    }
}

/// `text` as a quoted SQL identifier.
pub fn identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// `text` as an SQL string, right with standard_conforming_strings on and off.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', r"\\"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, method: AuthMethod, password: &str) -> Account {
        Account { name: name.to_owned(), method, password: Secret::new(password) }
    }

    fn roles(superuser: &Account, replication: &Account) -> Vec<String> {
        let statements = setup(superuser, replication);
        let changes = statements.iter().filter(|s| s.change != RoleChange::Session);
        changes.map(|s| s.sql.expose().to_owned()).collect()
    }

    #[test]
    fn two_roles_with_passwords() {
        let su = account("stolon", AuthMethod::Md5, "su'pw");
        let repl = account("repl user", AuthMethod::Md5, r"re\pw");
        assert_eq!(
            roles(&su, &repl),
            [
                r#"ALTER ROLE "stolon" WITH ENCRYPTED PASSWORD 'su''pw'"#,
                r#"CREATE ROLE "repl user" WITH LOGIN REPLICATION ENCRYPTED PASSWORD E're\\pw'"#,
            ]
        );
    }

    #[test]
    fn trust_asks_for_no_password() {
        let su = account("stolon", AuthMethod::Trust, "unused");
        let repl = account("repl", AuthMethod::Trust, "");
        assert_eq!(roles(&su, &repl), [r#"CREATE ROLE "repl" WITH LOGIN REPLICATION"#]);
        assert_eq!(roles(&su, &su), [r#"ALTER ROLE "stolon" WITH LOGIN REPLICATION"#]);
    }

    #[test]
    fn one_role_for_both() {
        let both = account("stolon", AuthMethod::Md5, "pw");
        assert_eq!(
            roles(&both, &both),
            [r#"ALTER ROLE "stolon" WITH LOGIN REPLICATION ENCRYPTED PASSWORD 'pw'"#]
        );
    }

    #[test]
    fn scram_stores_scram() {
        let su = account("stolon", AuthMethod::ScramSha256, "pw");
        let repl = account("repl", AuthMethod::Trust, "");
        let statements = setup(&su, &repl);
        assert!(statements.iter().any(|s| s.sql.expose().contains("password_encryption")));
        assert!(!format!("{statements:?}").contains("pw"));
        let md5 = account("stolon", AuthMethod::Md5, "pw");
        assert!(!setup(&md5, &repl).iter().any(|s| s.sql.expose().contains("password_encryption")));
    }
}
