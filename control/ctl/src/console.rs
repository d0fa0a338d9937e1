//! The terminal of the user, or what stands in for it in a script or a test.

use crate::failure::While as _;
use std::io::{BufRead, Write};

/// Where answers come from, and where output and complaints go.
pub struct Console<'a> {
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Standard error.
    pub errors: &'a mut dyn Write,
}

/// Nobody reads the output any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("standard output is closed")]
pub struct Closed;

impl Console<'_> {
    /// Prints one line; a newline that the text ends with already is that of the line.
    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        self.write(line.strip_suffix('\n').unwrap_or(line).as_bytes())?;
        self.write(b"\n")
    }

    /// Prints as it is.
    pub fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match self.output.write_all(bytes).and_then(|()| self.output.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Closed.into()),
            Err(error) => Err(error).or_fail("cannot write the output"),
        }
    }

    /// Prints one line to standard error.
    pub fn complain(&mut self, line: &str) {
        // Nobody is left to be told when standard error is gone.
        let _ = writeln!(self.errors, "{line}");
    }
}
