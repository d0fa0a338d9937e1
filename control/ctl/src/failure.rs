//! Errors as the user reads them: one text each, the causes in it already.

use std::fmt::Display;

/// Puts what was tried before why it failed.
pub trait While<T> {
    /// The error `what: why`.
    fn or_fail(self, what: &str) -> anyhow::Result<T>;
}

impl<T, E: Display> While<T> for Result<T, E> {
    fn or_fail(self, what: &str) -> anyhow::Result<T> {
        self.map_err(|why| anyhow::anyhow!("{what}: {why}"))
    }
}
