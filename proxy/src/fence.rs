//! The fence in time: a proxy forwards only while its last complete check began less than the proxy timeout ago.
//!
//! The clock is CLOCK_BOOTTIME, which runs on while the machine is suspended. Each target carries its own deadline, and the data
//! path asks it before bytes go to the master, and after bytes came from it. A proxy that was frozen therefore passes nothing on
//! when it wakes, no request and no acknowledgement, whichever of its threads wakes first, and a check of a new target never
//! lengthens the time of an old one.

use crate::relay::Gate;
use nix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// After every deadline, which are kept in nanoseconds, and still far from where adding to it overflows.
const NEVER: Duration = Duration::from_secs(1 << 40);

/// The time since boot, suspended or not.
pub fn boottime() -> Duration {
    // Answered in user space (vDSO), about 25 ns: less than 1 % of relaying a message. Asked through the C library, because
    // only its way there is one that valgrind knows. A clock that failed would close every fence.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(NEVER, Duration::from)
}

/// Open until a deadline on [`boottime`]. The control plane alone moves the deadline.
#[derive(Debug)]
pub struct Fence {
    /// Negative: closed for ever, and this was the deadline.
    deadline_nanos: AtomicI64,
}

impl Fence {
    /// A fence that is open until `deadline`.
    pub fn until(deadline: Duration) -> Self {
        Self { deadline_nanos: AtomicI64::new(nanos(deadline)) }
    }

    /// Open until `deadline` from now on, unless it is closed for ever.
    pub fn extend(&self, deadline: Duration) {
        if !self.is_closed() {
            self.deadline_nanos.store(nanos(deadline), Ordering::Release);
        }
    }

    /// Closes it for ever.
    pub fn close(&self) {
        // The control plane alone writes, so nothing can come in between.
        let deadline = self.deadline_nanos.load(Ordering::Acquire);
        self.deadline_nanos.store(-deadline.abs(), Ordering::Release);
    }

    /// Whether it is closed for ever.
    pub fn is_closed(&self) -> bool {
        self.deadline_nanos.load(Ordering::Acquire) < 0
    }
}

impl Gate for Fence {
    fn is_open(&self) -> bool {
        nanos(boottime()) < self.deadline_nanos.load(Ordering::Acquire)
    }

    fn is_over(&self) -> bool {
        nanos(boottime()) >= self.deadline_nanos.load(Ordering::Acquire).abs()
    }
}

/// At least 1, so that the sign can say more.
fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_before_its_deadline_only() {
        let now = boottime();
        assert!(Fence::until(now + Duration::from_secs(60)).is_open());
        assert!(!Fence::until(now).is_open());
    }

    #[test]
    fn closed_is_for_ever() {
        let later = boottime() + Duration::from_secs(60);
        let fence = Fence::until(later);
        fence.close();
        fence.extend(later);
        assert!(fence.is_closed());
        assert!(!fence.is_open());
        assert!(!fence.is_over());
    }

    #[test]
    fn a_closed_fence_remembers_that_its_time_is_over() {
        let fence = Fence::until(boottime());
        fence.close();
        assert!(fence.is_over());
        assert!(fence.is_closed());
    }
}
