//! The superuser and the replication role: methods, names, passwords.

use super::ConfigError;
use super::password::{self, Owner};
use crate::flags::Flags;
use std::fs;
use stolon_model::postgres::role::{Account, AuthMethod};
use stolon_model::postgres::secret::Secret;
use tracing::warn;

/// What the flags say of one role.
#[derive(Clone, Copy)]
struct Given<'a> {
    owner: Owner,
    /// `su` or `repl`, as in the flags' names.
    flag: &'static str,
    password: &'a str,
    file: &'a str,
}

/// Checks the flags of both roles and reads their passwords: the superuser, then the replication role.
pub fn accounts(flags: &Flags) -> Result<(Account, Account), ConfigError> {
    let su = Given {
        owner: Owner::Superuser,
        flag: "su",
        password: &flags.pg_su_password,
        file: &flags.pg_su_passwordfile,
    };
    let repl = Given {
        owner: Owner::Replication,
        flag: "repl",
        password: &flags.pg_repl_password,
        file: &flags.pg_repl_passwordfile,
    };
    let repl_method = method(&flags.pg_repl_auth_method).ok_or_else(|| {
        ConfigError::rule("--pg-repl-auth-method must be one of: md5, trust, scram-sha-256")
    })?;
    if flags.pg_repl_username.is_empty() {
        return Err(ConfigError::rule("--pg-repl-username is required"));
    }
    // The reference looks at the superuser's method only after its consequences for trust.
    if repl_method == AuthMethod::Trust {
        warn!("not utilizing a password for replication between hosts is extremely dangerous");
        refuse_password(repl)?;
    }
    let su_method = method(&flags.pg_su_auth_method);
    if su_method == Some(AuthMethod::Trust) {
        warn!("not utilizing a password for superuser is extremely dangerous");
        refuse_password(su)?;
    }
    if repl_method != AuthMethod::Trust {
        require_one_password(repl)?;
    }
    let su_method = su_method.ok_or_else(|| {
        ConfigError::rule("--pg-su-auth-method must be one of: md5, password, trust, scram-sha-256")
    })?;
    if su_method != AuthMethod::Trust {
        require_one_password(su)?;
    }
    let su_name = if flags.pg_su_username.is_empty() {
        current_user()?
    } else {
        flags.pg_su_username.clone()
    };
    let repl_text = text(repl)?;
    let su_text = text(su)?;
    let superuser =
        Account { name: su_name, method: su_method, password: secret(su, su_method, &su_text)? };
    let replication = Account {
        name: flags.pg_repl_username.clone(),
        method: repl_method,
        password: secret(repl, repl_method, &repl_text)?,
    };
    check_same_user(&superuser, &replication)?;
    Ok((superuser, replication))
}

fn method(text: &str) -> Option<AuthMethod> {
    text.parse().ok()
}

fn refuse_password(given: Given<'_>) -> Result<(), ConfigError> {
    let flag = given.flag;
    if given.password.is_empty() && given.file.is_empty() {
        return Ok(());
    }
    Err(ConfigError::rule(format!(
        "can not utilize --pg-{flag}-auth-method trust together with --pg-{flag}-password or --pg-{flag}-passwordfile"
    )))
}

fn require_one_password(given: Given<'_>) -> Result<(), ConfigError> {
    let flag = given.flag;
    match (given.password.is_empty(), given.file.is_empty()) {
        (true, true) => Err(ConfigError::rule(format!(
            "one of --pg-{flag}-password or --pg-{flag}-passwordfile is required"
        ))),
        (false, false) => Err(ConfigError::rule(format!(
            "only one of --pg-{flag}-password or --pg-{flag}-passwordfile must be provided"
        ))),
        _ => Ok(()),
    }
}

fn text(given: Given<'_>) -> Result<String, ConfigError> {
    if given.file.is_empty() {
        Ok(given.password.to_owned())
    } else {
        password::from_file(given.owner, given.file)
    }
}

fn secret(given: Given<'_>, method: AuthMethod, text: &str) -> Result<Secret, ConfigError> {
    let secret = password::trimmed(given.owner, text)?;
    if secret.is_empty() && method != AuthMethod::Trust {
        return Err(ConfigError::rule(format!(
            "password file {} of --pg-{}-passwordfile is empty; put the password into it",
            given.file, given.flag
        )));
    }
    Ok(secret)
}

fn check_same_user(superuser: &Account, replication: &Account) -> Result<(), ConfigError> {
    if superuser.name != replication.name {
        return Ok(());
    }
    warn!("superuser name and replication user name are the same. Different users are suggested.");
    if superuser.method != replication.method {
        return Err(ConfigError::rule(
            "do not support different auth methods when utilizing superuser for replication.",
        ));
    }
    if superuser.password != replication.password {
        return Err(ConfigError::rule(
            "provided superuser name and replication user name are the same but provided passwords are different",
        ));
    }
    Ok(())
}

/// The name of the user that runs the keeper.
fn current_user() -> Result<String, ConfigError> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let from_database = fs::read_to_string("/etc/passwd").ok().and_then(|users| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == uid).then(|| name.to_owned())
        })
    });
    from_database.or_else(|| std::env::var("USER").ok().filter(|name| !name.is_empty())).ok_or_else(
        || {
            ConfigError::rule(format!(
                "cannot get current user: unknown userid {uid}; give --pg-su-username"
            ))
        },
    )
}
