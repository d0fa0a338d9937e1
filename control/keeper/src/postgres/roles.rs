//! The two roles of a new instance: the superuser's password and the replication role.
//!
//! The model makes the statements, in a transaction that switches statement logging off. Passwords leave the keeper only as
//! verifiers, computed here, so that not even an auditing extension sees them.

use super::local::LocalServer;
use super::sql::{Session, SqlError};
use crate::message;
use postgres_protocol::password;
use stolon_model::plan::message::of_role_change;
use stolon_model::postgres::role::{self, Account, AuthMethod};
use stolon_model::postgres::secret::Secret;

/// Sets the superuser's password and makes the replication role.
pub async fn set_up(server: &LocalServer) -> Result<(), SqlError> {
    let session = Session::open(server).await?;
    let stored = session.parameter("password_encryption").await?;
    // Before version 10 the value is on or off, and there is only md5.
    let scram = stored.as_deref() == Some("scram-sha-256");
    let superuser = with_verifier(&server.superuser, scram);
    let replication = with_verifier(&server.replication, scram);
    let statements = role::setup(&superuser, &replication);
    session.batch("cannot set up the roles", "begin").await?;
    for statement in &statements {
        let say = |is_done| {
            let message = of_role_change(statement.change, is_done, &replication.name);
            message.iter().for_each(message::log);
        };
        say(false);
        session.batch("cannot set up the roles", statement.sql.expose()).await?;
        say(true);
    }
    session.batch("cannot set up the roles", "commit").await
}

/// The account with what PostgreSQL stores in place of the password.
fn with_verifier(account: &Account, scram: bool) -> Account {
    let mut account = account.clone();
    if let Some(secret) = account.password() {
        let plain = secret.expose();
        account.password = Secret::new(if scram || account.method == AuthMethod::ScramSha256 {
            password::scram_sha_256(plain.as_bytes())
        } else {
            password::md5(plain.as_bytes(), &account.name)
        });
    }
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(method: AuthMethod) -> Account {
        Account { name: "repl".into(), method, password: Secret::new("s3cret") }
    }

    fn text(accounts: &Account) -> String {
        let superuser = Account { name: "su".into(), ..account(AuthMethod::Trust) };
        let statements = role::setup(&superuser, accounts);
        statements.iter().map(|statement| statement.sql.expose()).collect()
    }

    #[test]
    fn a_password_leaves_as_a_verifier_only() {
        let md5 = text(&with_verifier(&account(AuthMethod::Md5), false));
        assert!(!md5.contains("s3cret"), "{md5}");
        for (method, scram) in [(AuthMethod::Md5, true), (AuthMethod::ScramSha256, false)] {
            let scram = text(&with_verifier(&account(method), scram));
            assert!(scram.contains("SCRAM-SHA-256$4096:") && !scram.contains("s3cret"), "{scram}");
        }
    }

    #[test]
    fn a_trusted_role_gets_no_password() {
        let trusted = with_verifier(&account(AuthMethod::Trust), true);
        assert!(!text(&trusted).contains("PASSWORD"));
    }
}
