//! A program as a script calls it: arguments and input in, exit code and text out.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::tempfile;

/// What one call said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The output of a call that must succeed.
    pub fn success(self) -> Result<String> {
        ensure!(self.code == Some(0), "exit code {:?}: {}{}", self.code, self.out, self.err);
        Ok(self.out)
    }
}

/// What a program may take. One that hangs is a failure too.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a program to its end with `input` on stdin.
pub fn run(program: &mut Command, input: &str) -> Result<Said> {
    // Files, unlike pipes, take any amount of output without a reader.
    let (mut stdin, mut stdout, mut stderr) = (tempfile()?, tempfile()?, tempfile()?);
    stdin.write_all(input.as_bytes())?;
    stdin.rewind()?;
    program.stdin(stdin).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut child = program.spawn().with_context(|| format!("cannot start {program:?}"))?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("{program:?} hangs: {}{}", read(&mut stdout)?, read(&mut stderr)?);
        }
        thread::sleep(Duration::from_millis(5));
    };
    Ok(Said { code: status.code(), out: read(&mut stdout)?, err: read(&mut stderr)? })
}

fn read(file: &mut File) -> Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}
