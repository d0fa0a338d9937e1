//! What happened, for people.
//!
//! Runs are traced only when they are looked at: a run that breaks a rule is run again from its seed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

/// The last lines.
#[derive(Debug, Default)]
pub struct Trace {
    lines: RefCell<VecDeque<String>>,
    limit: usize,
}

impl Trace {
    /// Keeps the last `limit` lines; with 0 it keeps none, and none is made.
    pub fn new(limit: usize) -> Self {
        Self { lines: RefCell::default(), limit }
    }

    /// Adds a line.
    pub fn say(&self, now: Duration, who: &str, what: impl FnOnce() -> String) {
        if self.limit == 0 {
            return;
        }
        let mut lines = self.lines.borrow_mut();
        if lines.len() >= self.limit {
            lines.pop_front();
        }
        lines.push_back(format!("{:>11.6} {who:<12} {}", now.as_secs_f64(), what()));
    }

    /// Everything that was kept.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.lines.borrow().iter() {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}
