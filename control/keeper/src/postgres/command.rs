//! From the model's typed command lines to programs that can be run: paths, and a temporary file for a secret.

use super::binaries::Binaries;
use super::leftover::MARK;
use super::program::{Program, ProgramError, hide_secrets};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use stolon_model::postgres::command::{Argument, Command};
use stolon_model::postgres::secret::Secret;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

/// The names of files with secrets begin with this.
const SECRET_PREFIX: &str = ".secret-";

/// A command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The file for its secret could not be made.
    #[error("cannot write a temporary file into {directory}: {source}")]
    Secret {
        /// The directory.
        directory: String,
        /// Why.
        source: io::Error,
    },
    /// It ran and failed, or did not run.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// Runs `command` on `pgdata` to its end, at most `limit`, unless `cancel` fires. Its secret lies in a file in `directory`,
/// readable only for our user, as long as it runs.
pub async fn run(
    command: &Command,
    binaries: &Binaries,
    directory: &Path,
    pgdata: &Path,
    limit: Option<Duration>,
    cancel: &CancellationToken,
) -> Result<(), CommandError> {
    let file =
        command.secret.as_ref().map(|secret| write_secret(directory, secret)).transpose().map_err(
            |source| CommandError::Secret { directory: directory.display().to_string(), source },
        )?;
    let value = |argument: &Argument| match (argument, &file) {
        (Argument::Text(text), _) => OsString::from(text),
        (Argument::SecretFile, Some(file)) => file.path().as_os_str().to_owned(),
        (Argument::SecretFile, None) => OsString::new(),
    };
    let mut program =
        Program::new(binaries.path(command.program)).args(command.args.iter().map(value));
    for (name, argument) in &command.environment {
        program = program.env(*name, value(argument));
    }
    if let Some(limit) = limit {
        program = program.limit(limit);
    }
    Ok(program.run(pgdata, cancel).await?)
}

/// The server's command line, for its owner to start.
pub fn server(command: &Command, binaries: &Binaries) -> tokio::process::Command {
    let mut server = tokio::process::Command::new(binaries.path(command.program));
    for argument in &command.args {
        if let Argument::Text(text) = argument {
            server.arg(text);
        }
    }
    hide_secrets(&mut server);
    // The server is no leftover program: an earlier keeper's is stopped as a server.
    server.env_remove(MARK);
    server
}

/// Removes files with secrets that a killed keeper left in `directory`.
pub fn remove_secrets(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(SECRET_PREFIX.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn write_secret(directory: &Path, secret: &Secret) -> io::Result<NamedTempFile> {
    // Made with mode 0600.
    let mut file = tempfile::Builder::new().prefix(SECRET_PREFIX).tempfile_in(directory)?;
    file.write_all(secret.expose().as_bytes())?;
    file.flush()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str) -> Command {
        Command {
            program: "/bin/sh",
            args: ["-c", script].map(|arg| Argument::Text(arg.to_owned())).to_vec(),
            environment: vec![("PGPASSFILE", Argument::SecretFile)],
            secret: Some(Secret::new("host:port:*:user:pw")),
        }
    }

    #[tokio::test]
    async fn a_secret_is_a_private_file_only_while_the_program_runs() {
        let dir = tempfile::tempdir().unwrap();
        let script = "test \"$(cat $PGPASSFILE)\" = host:port:*:user:pw && \
                      test \"$(stat -c %a $PGPASSFILE)\" = 600";
        let cancel = CancellationToken::new();
        let binaries = Binaries::new(None);
        run(&check(script), &binaries, dir.path(), dir.path(), None, &cancel).await.unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn forgotten_secrets_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".secret-abc"), "").unwrap();
        fs::write(dir.path().join("dbstate"), "").unwrap();
        remove_secrets(dir.path()).unwrap();
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["dbstate"]);
    }
}
