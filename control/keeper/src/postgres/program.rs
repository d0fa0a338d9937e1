//! Runs PostgreSQL's programs (and restore commands) as children: each in a process group of its own, bounded or cancelled,
//! its output passed on, the end of it kept for the error.

use super::leftover;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};
use tokio_util::sync::CancellationToken;

/// How much of a program's last output an error carries.
const TAIL: usize = 2000;
/// Between asking a program to end and forcing it.
const GRACE: Duration = Duration::from_secs(5);

/// One run of a program.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    limit: Option<Duration>,
}

/// A program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started or awaited.
    #[error("cannot run {program}: {source}")]
    Io {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed: {status}{output}")]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said, after a colon; empty if nothing.
        output: String,
    },
    /// It took too long and was ended.
    #[error("{program} did not end within {limit:?} and was terminated")]
    TimedOut {
        /// Its name.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// It was ended because its work is no longer wanted.
    #[error("{program} was terminated because its work is no longer wanted")]
    Cancelled {
        /// Its name.
        program: String,
    },
}

impl Program {
    /// The program at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new(), environment: Vec::new(), limit: None }
    }

    /// With these arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With this environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Ended when it takes longer than `limit`.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs it to its end on `pgdata`, or ends it when `cancel` fires.
    pub async fn run(self, pgdata: &Path, cancel: &CancellationToken) -> Result<(), ProgramError> {
        let name = self.path.file_name().unwrap_or(OsStr::new("?")).to_string_lossy().into_owned();
        let failed = |source| ProgramError::Io { program: name.clone(), source };
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(leftover::MARK, pgdata)
            .stdin(Stdio::null())
            .stdout(Stdio::inherit())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        hide_secrets(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let relay = tokio::spawn(pass_on(child.stderr.take()));
        let limit = async {
            match self.limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            status = child.wait() => Ok(status.map_err(failed)?),
            () = cancel.cancelled() => Err(ProgramError::Cancelled { program: name.clone() }),
            () = limit => Err(ProgramError::TimedOut {
                program: name.clone(),
                limit: self.limit.unwrap_or_default(),
            }),
        };
        let status = match ended {
            Ok(status) => status,
            Err(error) => {
                end_group(&mut child).await.map_err(failed)?;
                relay.abort();
                return Err(error);
            }
        };
        // A daemon that a restore command leaves behind may hold the pipe open for ever.
        let relay_abort = relay.abort_handle();
        let output = match tokio::time::timeout(Duration::from_secs(1), relay).await {
            Ok(Ok(tail)) => tail,
            _ => String::new(),
        };
        relay_abort.abort();
        if status.success() {
            return Ok(());
        }
        let output = output.trim();
        let output = if output.is_empty() { String::new() } else { format!(": {output}") };
        Err(ProgramError::Failed { program: name, status, output })
    }
}

/// Keeps the keeper's own settings, passwords among them, out of its children's environment.
pub fn hide_secrets(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"STKEEPER_") {
            command.env_remove(name);
        }
    }
}

async fn end_group(child: &mut Child) -> io::Result<()> {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let Some(group) = group else { return Ok(()) };
    for signal in [Signal::TERM, Signal::KILL] {
        match kill_process_group(group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        if tokio::time::timeout(GRACE, child.wait()).await.is_ok() {
            break;
        }
    }
    // Members that outlive their leader have nothing left to finish; the group's id stays taken as long as one lives.
    let _ = kill_process_group(group, Signal::KILL);
    Ok(())
}

/// Copies what the program says to our own stderr and returns the end of it.
async fn pass_on(output: Option<ChildStderr>) -> String {
    let Some(mut output) = output else { return String::new() };
    let mut stderr = tokio::io::stderr();
    let mut tail: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        let chunk = buffer.get(..read).unwrap_or_default();
        let _ = stderr.write_all(chunk).await;
        let _ = stderr.flush().await;
        tail.extend_from_slice(chunk);
        if tail.len() > TAIL {
            tail.drain(..tail.len() - TAIL);
        }
    }
    String::from_utf8_lossy(&tail).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, cancel: &CancellationToken) -> Result<(), ProgramError> {
        Program::new("/bin/sh").args(["-c", script]).run(Path::new("/nowhere"), cancel).await
    }

    #[tokio::test]
    async fn an_error_carries_the_end_of_what_the_program_said() {
        let cancel = CancellationToken::new();
        assert!(shell("exit 0", &cancel).await.is_ok());
        let error = shell("echo no space left >&2; exit 3", &cancel).await.unwrap_err();
        assert_eq!(error.to_string(), "sh failed: exit status: 3: no space left");
        let error = Program::new("/nowhere/initdb").run(Path::new("/"), &cancel).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot run initdb: "), "{error}");
    }

    #[tokio::test]
    async fn the_mark_and_the_environment_reach_it() {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("test \"${}\" = \"$WANTED\"", leftover::MARK);
        Program::new("/bin/sh")
            .args(["-c", &script])
            .env("WANTED", dir.path())
            .run(dir.path(), &CancellationToken::new())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_cancelled_program_ends_with_its_whole_group() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script =
            format!("sleep 60 & echo $! > {0}.new; mv {0}.new {0}; wait", pid_file.display());
        let cancel = CancellationToken::new();
        let stop = async {
            while !pid_file.exists() {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        let (result, ()) = tokio::join!(shell(&script, &cancel), stop);
        assert!(matches!(result, Err(ProgramError::Cancelled { .. })), "{result:?}");
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        // Gone, or a zombie that waits for init. The signal takes a moment.
        let has_ended = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            state.map_or(true, |state| state.contains(") Z "))
        };
        let ended = async {
            while !has_ended() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_ended() {
        let result = Program::new("/bin/sleep")
            .args(["60"])
            .limit(Duration::from_millis(20))
            .run(Path::new("/nowhere"), &CancellationToken::new())
            .await;
        assert!(matches!(result, Err(ProgramError::TimedOut { .. })), "{result:?}");
    }
}
