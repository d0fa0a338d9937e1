//! PostgreSQL's programs behind gates: a keeper under test can be caught at any step of what it does with them.

use crate::eventually;
use crate::postgres::{OsUser, Postgres};
use crate::scratch::Scratch;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What every gated program begins with. `hold step` waits as long as the gate of that step is closed, and says so.
const HOLD: &str = r#"#!/bin/sh
hold() {
    [ -e "GATES/$1" ] || return 0
    echo $$ > "GATES/$1.new"
    mv "GATES/$1.new" "GATES/$1.held"
    while [ -e "GATES/$1" ]; do sleep 0.05; done
}
"#;

/// Before and after its work.
const AROUND: &str = r#"hold NAME
"REAL/NAME" "$@"
code=$?
hold NAME-done
exit $code
"#;

/// A server has no end worth waiting for; it is told apart by its configuration.
const SERVER: &str = r#"case "$*" in
-V) ;;
*config_file=*) hold postgres-temporary ;;
*) hold postgres ;;
esac
exec "REAL/postgres" "$@"
"#;

/// The gates of one keeper. All are open at first.
#[derive(Debug)]
pub struct Gate {
    directory: PathBuf,
}

impl Gate {
    /// Puts gates before the programs of `postgres`; `name` names this set of them. The steps are `initdb`, `pg_basebackup`
    /// (before), `initdb-done`, `pg_basebackup-done` (after), `postgres-temporary` and `postgres` (before a start).
    pub fn new(
        scratch: &Scratch,
        name: &str,
        user: OsUser,
        postgres: &Postgres,
    ) -> Result<(Self, Postgres)> {
        let bin = scratch.path(&format!("{name}-bin"));
        let directory = scratch.path(&format!("{name}-gates"));
        for made in [&bin, &directory] {
            fs::create_dir(made)?;
            user.own(made)?;
        }
        for entry in fs::read_dir(&postgres.bin)? {
            let real = entry?.path();
            let program = real.file_name().and_then(|name| name.to_str()).context("no name")?;
            let work = match program {
                "postgres" => SERVER,
                "initdb" | "pg_basebackup" => AROUND,
                _ => {
                    symlink(&real, bin.join(program))?;
                    continue;
                }
            };
            let script = format!("{HOLD}{work}")
                .replace("GATES", &directory.display().to_string())
                .replace("REAL", &postgres.bin.display().to_string())
                .replace("NAME", program);
            fs::write(bin.join(program), script)?;
            fs::set_permissions(bin.join(program), Permissions::from_mode(0o755))?;
        }
        Ok((Self { directory }, Postgres { bin }))
    }

    /// The shell text that holds at `step`, for commands of the test's own.
    pub fn hold(&self, step: &str) -> String {
        let gate = self.directory.join(step);
        let gate = gate.display();
        format!(
            "if [ -e {gate} ]; then echo $$ > {gate}.held; while [ -e {gate} ]; do sleep 0.05; done; fi"
        )
    }

    /// From now on nobody passes `step`.
    pub fn close(&self, step: &str) -> Result<()> {
        Ok(fs::write(self.directory.join(step), "")?)
    }

    /// Waits until somebody stands before the gate of `step`, and tells its pid.
    pub async fn reached(&self, step: &str) -> Result<i32> {
        eventually(&format!("the step {step} is reached"), Duration::from_secs(60), async || {
            let held = fs::read_to_string(self.held(step)).context("nobody is there")?;
            Ok(held.trim().parse()?)
        })
        .await
    }

    /// Opens the gate of `step` for those who come; the one who stands before it is killed.
    pub fn turn_away(&self, step: &str, pid: i32) -> Result<()> {
        if let Some(pid) = Pid::from_raw(pid) {
            // A keeper that was started since may have ended it.
            let _ = kill_process(pid, Signal::KILL);
        }
        self.open(step)
    }

    /// Opens the gate of `step`.
    pub fn open(&self, step: &str) -> Result<()> {
        fs::remove_file(self.directory.join(step))?;
        remove_if_there(&self.held(step))
    }

    fn held(&self, step: &str) -> PathBuf {
        self.directory.join(format!("{step}.held"))
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
