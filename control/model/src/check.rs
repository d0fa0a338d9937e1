//! Invariants of the cluster data: a second opinion on every decision before it is written.
//!
//! [`check`] looks at one cluster data, [`check_transition`] at a step from one to the next, and [`introduced`] at what
//! a step makes worse: cluster data made by hand may be odd, and the sentinel must still be able to mend it. The rules
//! share no code with [`crate::decide`].

mod state;
mod transition;

pub use state::check;
pub use transition::check_transition;

use crate::cluster::ClusterData;
use std::fmt;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Short and stable name of the rule.
    pub rule: &'static str,
    /// What breaks it.
    pub text: String,
}

impl Violation {
    fn new(rule: &'static str, text: String) -> Self {
        Self { rule, text }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

/// What is wrong with the step from `old` to `new`: violations of `new` that `old` does not have, and those of the step
/// itself. Empty means that `new` may be written.
pub fn introduced(old: Option<&ClusterData>, new: &ClusterData) -> Vec<Violation> {
    let known = old.map(check).unwrap_or_default();
    let mut violations: Vec<_> =
        check(new).into_iter().filter(|violation| !known.contains(violation)).collect();
    if let Some(old) = old {
        violations.extend(check_transition(old, new));
    }
    violations
}

#[cfg(test)]
mod tests;
