//! Command lines of PostgreSQL's programs, typed. A password is in none of them: it goes through a file.

use crate::postgres::SOCKET_DIRECTORY;
use crate::postgres::conf::{TEMPORARY_CONF, Target};
use crate::postgres::conninfo::ConnInfo;
use crate::postgres::pgpass;
use crate::postgres::role::{Account, AuthMethod};
use crate::postgres::secret::Secret;
use crate::postgres::version::PgVersion;
use crate::spec::NewConfig;

/// A program to run, complete but for two paths that only the shell knows: that of the program (`--pg-bin-path`, or PATH if
/// that is empty) and that of the temporary file for [`Command::secret`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name: `initdb`, `pg_ctl`, `postgres`, `pg_basebackup`, `pg_rewind`, `psql`, or `/bin/sh`, which is a path already.
    pub program: &'static str,
    /// Its arguments, without the program itself.
    pub args: Vec<Argument>,
    /// Variables added to the environment.
    pub environment: Vec<(&'static str, Argument)>,
    /// What a temporary file (mode 0600, removed afterwards) holds while the program runs.
    pub secret: Option<Secret>,
}

/// One argument, or the value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// As it stands.
    Text(String),
    /// The path of the file that holds [`Command::secret`].
    SecretFile,
}

impl Command {
    fn new<'a>(program: &'static str, args: impl IntoIterator<Item = &'a str>) -> Self {
        let args = args.into_iter().map(|arg| Argument::Text(arg.to_owned())).collect();
        Self { program, args, environment: Vec::new(), secret: None }
    }

    fn arg(&mut self, text: impl Into<String>) {
        self.args.push(Argument::Text(text.into()));
    }

    fn with_pgpass(mut self, source: &ConnInfo) -> Self {
        let password = source.get("password");
        if !password.is_empty() {
            self.secret = Some(pgpass::entry(
                source.get("host"),
                source.get("port"),
                source.get("user"),
                &Secret::new(password),
            ));
            self.environment.push(("PGPASSFILE", Argument::SecretFile));
        }
        self
    }
}

/// `pg_ctl stop -m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Sessions are ended, everything is written, connected standbys get all WAL.
    Fast,
    /// Everything is dropped; the next start recovers. For a server that does not obey `fast`.
    Immediate,
}

impl StopMode {
    /// The word of `pg_ctl`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

/// `initdb`: a new instance that belongs to `superuser`.
pub fn initdb(pgdata: &str, superuser: &Account, config: &NewConfig) -> Command {
    let mut command = Command::new("initdb", ["-D", pgdata, "-U", &superuser.name]);
    if let Some(password) = superuser.password() {
        command.secret = Some(Secret::new(format!("{}\n", password.expose())));
        command.arg("--pwfile");
        command.args.push(Argument::SecretFile);
    }
    if superuser.method == AuthMethod::ScramSha256 {
        // Up to 13 initdb stores md5 unless told so, and with that nobody logs in through a scram-sha-256 rule.
        command.arg("--auth");
        command.arg(superuser.method.as_str());
    }
    if !config.locale.is_empty() {
        command.arg("--locale");
        command.arg(&config.locale);
    }
    if !config.encoding.is_empty() {
        command.arg("--encoding");
        command.arg(&config.encoding);
    }
    if config.data_checksums {
        command.arg("--data-checksums");
    }
    command
}

/// `/bin/sh -c` of a restore command: `%d` becomes PGDATA, `%%` a percent sign, any other `%x` stays.
pub fn restore(pgdata: &str, shell_command: &str) -> Command {
    Command::new("/bin/sh", ["-c", &expand(shell_command, pgdata)])
}

fn expand(shell_command: &str, pgdata: &str) -> String {
    let mut text = String::with_capacity(shell_command.len());
    let mut chars = shell_command.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => text.push_str(pgdata),
            Some('%') => text.push('%'),
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

/// `postgres`: the server itself, a child of the keeper.
pub fn postgres(pgdata: &str, conf: Target) -> Command {
    let socket = format!("unix_socket_directories={SOCKET_DIRECTORY}");
    let mut command = Command::new("postgres", ["-D", pgdata, "-c", &socket]);
    if conf == Target::Temporary {
        command.arg("-c");
        command.arg(format!("config_file={pgdata}/{TEMPORARY_CONF}"));
    }
    command
}

fn pg_ctl_options() -> String {
    format!("-c unix_socket_directories={SOCKET_DIRECTORY}")
}

/// `pg_ctl stop`, which waits for the end.
pub fn stop(pgdata: &str, mode: StopMode) -> Command {
    Command::new(
        "pg_ctl",
        ["stop", "-w", "-D", pgdata, "-o", &pg_ctl_options(), "-m", mode.as_str()],
    )
}

/// `pg_ctl status`: exit code 0 is running, 3 stopped, 4 no data directory.
pub fn status(pgdata: &str) -> Command {
    Command::new("pg_ctl", ["status", "-D", pgdata, "-o", &pg_ctl_options()])
}

/// `pg_ctl reload`.
pub fn reload(pgdata: &str) -> Command {
    Command::new("pg_ctl", ["reload", "-D", pgdata, "-o", &pg_ctl_options()])
}

/// `pg_ctl promote`, which waits until the instance takes writes.
pub fn promote(pgdata: &str) -> Command {
    Command::new("pg_ctl", ["promote", "-w", "-D", pgdata])
}

/// `pg_basebackup` from `source` into an absent PGDATA, over the slot made for this db. It begins with a fast checkpoint: a
/// spread one takes minutes, and for so long a master that was just elected may have no standby for its commits.
pub fn basebackup(
    pgdata: &str,
    source: &ConnInfo,
    slot: &str,
    version: Option<PgVersion>,
) -> Command {
    let conninfo = source.without_password().text();
    let mut command = Command::new(
        "pg_basebackup",
        ["-R", "-v", "-P", "-Xs", "-c", "fast", "-D", pgdata, "-d", conninfo.expose()],
    );
    if version.is_some_and(PgVersion::basebackup_takes_slot) {
        command.arg("--slot");
        command.arg(slot);
    }
    command.with_pgpass(source)
}

/// `pg_rewind` of a stopped PGDATA to `source`, which must be the master: a standby cannot be a source.
pub fn rewind(pgdata: &str, source: &ConnInfo) -> Command {
    let server = format!("--source-server={}", source.without_password().text().expose());
    Command::new("pg_rewind", ["--debug", "-D", pgdata, &server]).with_pgpass(source)
}

/// `psql` that has `source` make a checkpoint, and waits for its end.
pub fn checkpoint(source: &ConnInfo) -> Command {
    let conninfo = source.without_password().text();
    Command::new("psql", ["-X", "-q", "-w", "-d", conninfo.expose(), "-c", "CHECKPOINT"])
        .with_pgpass(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &Command) -> String {
        let args = command.args.iter().map(|arg| match arg {
            Argument::Text(text) => format!(" [{text}]"),
            Argument::SecretFile => " <secret>".to_owned(),
        });
        format!("{}{}", command.program, args.collect::<String>())
    }

    fn superuser(method: AuthMethod) -> Account {
        Account { name: "stolon".to_owned(), method, password: Secret::new("supw") }
    }

    fn source() -> ConnInfo {
        ConnInfo::new()
            .with("user", "repl")
            .with("host", "10.0.0.1")
            .with("port", "5432")
            .with("options", "-c synchronous_commit=off")
            .with_password(Some(&Secret::new("re:pw")))
    }

    #[test]
    fn initdb_takes_the_password_from_a_file() {
        let command = initdb("/d/postgres", &superuser(AuthMethod::Md5), &NewConfig::default());
        assert_eq!(line(&command), "initdb [-D] [/d/postgres] [-U] [stolon] [--pwfile] <secret>");
        assert_eq!(command.secret, Some(Secret::new("supw\n")));
        let config = NewConfig {
            locale: "C".to_owned(),
            encoding: "UTF-8".to_owned(),
            data_checksums: true,
        };
        let command = initdb("/d", &superuser(AuthMethod::Trust), &config);
        assert_eq!(
            line(&command),
            "initdb [-D] [/d] [-U] [stolon] [--locale] [C] [--encoding] [UTF-8] [--data-checksums]"
        );
        assert_eq!(command.secret, None);
    }

    #[test]
    fn initdb_stores_scram_for_scram() {
        let command = initdb("/d", &superuser(AuthMethod::ScramSha256), &NewConfig::default());
        assert!(line(&command).ends_with("[--pwfile] <secret> [--auth] [scram-sha-256]"));
    }

    #[test]
    fn servers() {
        assert_eq!(
            line(&postgres("/d", Target::Final)),
            "postgres [-D] [/d] [-c] [unix_socket_directories=/tmp]"
        );
        assert_eq!(
            line(&postgres("/d", Target::Temporary)),
            "postgres [-D] [/d] [-c] [unix_socket_directories=/tmp] [-c] [config_file=/d/stolon-temp-postgresql.conf]"
        );
        assert_eq!(
            line(&stop("/d", StopMode::Fast)),
            "pg_ctl [stop] [-w] [-D] [/d] [-o] [-c unix_socket_directories=/tmp] [-m] [fast]"
        );
        assert!(line(&stop("/d", StopMode::Immediate)).ends_with("[-m] [immediate]"));
        assert_eq!(
            line(&status("/d")),
            "pg_ctl [status] [-D] [/d] [-o] [-c unix_socket_directories=/tmp]"
        );
        assert_eq!(
            line(&reload("/d")),
            "pg_ctl [reload] [-D] [/d] [-o] [-c unix_socket_directories=/tmp]"
        );
        assert_eq!(line(&promote("/d")), "pg_ctl [promote] [-w] [-D] [/d]");
    }

    #[test]
    fn basebackup_has_its_password_in_a_file() {
        let command = basebackup("/d", &source(), "stolon_b2", Some(PgVersion::new(10, 0)));
        assert_eq!(
            line(&command),
            r"pg_basebackup [-R] [-v] [-P] [-Xs] [-c] [fast] [-D] [/d] [-d] [host=10.0.0.1 options=-c\ synchronous_commit=off port=5432 user=repl] [--slot] [stolon_b2]"
        );
        assert_eq!(command.secret, Some(Secret::new("10.0.0.1:5432:*:repl:re\\:pw\n")));
        assert_eq!(command.environment, [("PGPASSFILE", Argument::SecretFile)]);
        let old = basebackup("/d", &source(), "stolon_b2", Some(PgVersion::new(9, 5)));
        assert!(!line(&old).contains("--slot"));
    }

    #[test]
    fn go_defect_rewind_password_on_the_command_line() {
        let command = rewind("/d", &source());
        assert_eq!(
            line(&command),
            r"pg_rewind [--debug] [-D] [/d] [--source-server=host=10.0.0.1 options=-c\ synchronous_commit=off port=5432 user=repl]"
        );
        assert_eq!(command.environment, [("PGPASSFILE", Argument::SecretFile)]);
        let trusting = ConnInfo::new().with("user", "repl");
        assert_eq!(rewind("/d", &trusting).secret, None);
    }

    #[test]
    fn a_checkpoint_of_another_server_asks_nobody_for_a_password() {
        let command = checkpoint(&source());
        assert_eq!(
            line(&command),
            r"psql [-X] [-q] [-w] [-d] [host=10.0.0.1 options=-c\ synchronous_commit=off port=5432 user=repl] [-c] [CHECKPOINT]"
        );
        assert_eq!(command.environment, [("PGPASSFILE", Argument::SecretFile)]);
    }

    #[test]
    fn restore_commands_are_expanded() {
        for (command, expanded) in [
            ("cp -r /backup/* %d", "cp -r /backup/* /d"),
            ("date +%%s > %d/x", "date +%s > /d/x"),
            ("%f %p 100%", "%f %p 100%"),
            ("%%d", "%d"),
        ] {
            assert_eq!(line(&restore("/d", command)), format!("/bin/sh [-c] [{expanded}]"));
        }
    }
}
