//! The end of a program before it began: help, version, or an error of usage.

use std::io::Write;
use std::process::ExitCode;

/// Flags whose values do not fit together or are missing. The text is the whole message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl UsageError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Why a program does not start, and everything it has to say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// For standard output: help or version.
    pub stdout: String,
    /// For standard error: notices about deprecated flags, an error of usage and the usage text.
    pub stderr: String,
    /// A daemon logs this as a FATAL line after it has printed `stderr`.
    pub fatal: Option<String>,
    /// Exit code.
    pub code: u8,
}

impl Stop {
    /// Help or version: the user asked for it.
    pub(crate) fn asked(stdout: String) -> Self {
        Self { stdout, ..Self::default() }
    }

    /// Words on the command line that do not make sense.
    pub(crate) fn usage(error: &str, after: &str) -> Self {
        Self {
            stderr: format!("Error: {error}\n{after}\n"),
            fatal: Some(error.to_owned()),
            code: 1,
            ..Self::default()
        }
    }

    /// An environment variable that does not make sense: a FATAL line only.
    pub(crate) fn environment(error: String) -> Self {
        Self { fatal: Some(error), code: 1, ..Self::default() }
    }

    /// The same, with notices before everything else on standard error.
    pub(crate) fn after(mut self, notices: &[String]) -> Self {
        let notices: String = notices.iter().map(|notice| format!("{notice}\n")).collect();
        self.stderr.insert_str(0, &notices);
        self
    }

    /// Prints everything but the FATAL line, which is the log's business.
    pub fn print(&self) -> ExitCode {
        // Nobody is left to be told when standard output or standard error is gone.
        let _ = std::io::stdout().write_all(self.stdout.as_bytes());
        let _ = std::io::stderr().write_all(self.stderr.as_bytes());
        ExitCode::from(self.code)
    }

    /// Like [`Stop::print`], for a program without a log: an error that is only in the FATAL line is printed as it is.
    pub fn print_without_log(&self) -> ExitCode {
        let code = self.print();
        if let (true, Some(fatal)) = (self.stderr.is_empty(), &self.fatal) {
            let _ = writeln!(std::io::stderr(), "{fatal}");
        }
        code
    }
}
