//! The clocks of one process: a monotonic one with a rate of its own, and a wall clock that may jump.

use crate::executor::Executor;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::time::{GoTime, Mono, Now};

/// Thousandths: a clock of rate 1000 keeps true time.
pub const TRUE_RATE: u32 = 1000;

/// The beginning of the world by the wall clock: 2026-01-01.
const EPOCH_NANOS: i128 = 1_767_225_600_000_000_000;

/// The clocks of one machine, as one of its processes reads them.
#[derive(Clone, Debug)]
pub struct Clock {
    executor: Executor,
    origin: Duration,
    rate: u32,
    jump_millis: Rc<Cell<i64>>,
}

impl Clock {
    /// A monotonic clock that reads `origin` at the beginning of the world and runs at `rate` thousandths of true time.
    pub fn new(executor: Executor, origin: Duration, rate: u32) -> Self {
        Self { executor, origin, rate, jump_millis: Rc::default() }
    }

    /// The monotonic clock.
    pub fn mono(&self) -> Mono {
        let run = self.executor.now().as_nanos() * u128::from(self.rate) / u128::from(TRUE_RATE);
        Mono(self.origin + nanos(run))
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let run = i128::try_from(self.executor.now().as_nanos()).unwrap_or(i128::MAX);
        let jump = i128::from(self.jump_millis.get()) * 1_000_000;
        Now { mono: self.mono(), wall: GoTime::new(EPOCH_NANOS + run + jump, 0) }
    }

    /// Moves the wall clock.
    pub fn jump(&self, millis: i64) {
        self.jump_millis.set(self.jump_millis.get() + millis);
    }

    /// Waits for `span` by this clock.
    pub async fn sleep(&self, span: Duration) {
        let run = span.as_nanos() * u128::from(TRUE_RATE) / u128::from(self.rate);
        // One nanosecond more than the division left, so that the span has passed by this clock too.
        self.executor.sleep(nanos(run + 1)).await;
    }

    /// Waits until the clock reads `at`.
    pub async fn sleep_until(&self, at: Mono) {
        self.sleep(at.since(self.mono())).await;
    }
}

fn nanos(span: u128) -> Duration {
    Duration::from_nanos(u64::try_from(span).unwrap_or(u64::MAX))
}
