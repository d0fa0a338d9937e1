//! Time within a pass: every comparison with the clock goes through here, so that the pass knows when to be run again.

use crate::time::{Mono, Now};
use std::cell::Cell;
use std::time::Duration;

/// The clock of a pass, and the earliest moment at which one of its answers changes.
#[derive(Clone, Debug)]
pub(super) struct Timers {
    pub(super) now: Now,
    wake_at: Cell<Option<Mono>>,
}

impl Timers {
    pub(super) fn new(now: Now) -> Self {
        Self { now, wake_at: Cell::new(None) }
    }

    /// Whether more than `span` has passed since `start`.
    pub(super) fn passed(&self, start: Mono, span: Duration) -> bool {
        if self.now.mono.since(start) > span {
            return true;
        }
        self.wake_by(start.plus(span).plus(Duration::from_nanos(1)));
        false
    }

    /// Asks for a pass at `at`; one in the past is asked for at once.
    pub(super) fn wake_by(&self, at: Mono) {
        let earliest = self.wake_at.get().map_or(at, |known| known.min(at));
        self.wake_at.set(Some(earliest));
    }

    /// The earliest moment that was asked for.
    pub(super) fn wake_at(&self) -> Option<Mono> {
        self.wake_at.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono(Duration::from_millis(millis))
    }

    #[test]
    fn a_span_that_has_not_passed_wakes_right_after_it() {
        let timers = Timers::new(Now { mono: at(1000), wall: Default::default() });
        assert!(!timers.passed(at(500), Duration::from_millis(500)));
        assert_eq!(timers.wake_at(), Some(at(1000).plus(Duration::from_nanos(1))));
        assert!(timers.passed(at(500), Duration::from_millis(499)));
        assert!(!timers.passed(at(900), Duration::from_secs(60)));
        assert_eq!(timers.wake_at(), Some(at(1000).plus(Duration::from_nanos(1))));
    }

    #[test]
    fn a_clock_that_reads_before_the_start_has_not_passed() {
        let timers = Timers::new(Now { mono: at(10), wall: Default::default() });
        assert!(!timers.passed(at(500), Duration::ZERO));
    }
}
