//! The time by which leases are judged: it must not stand still while the process or the whole machine is frozen.

use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::time::Duration;
use stolon_model::time::Mono;

/// A clock that never goes back.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Mono;

    /// Waits until `at`. Cancel safe.
    async fn sleep_until(&self, at: Mono);
}

/// CLOCK_BOOTTIME, which goes on while the machine is suspended.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootClock;

/// The longest nap. The runtime's timers stand still in a suspended machine, so a long wait looks at the clock in between.
const NAP: Duration = Duration::from_secs(1);

#[async_trait]
impl Clock for BootClock {
    fn now(&self) -> Mono {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
        Mono(Duration::new(seconds, nanos))
    }

    async fn sleep_until(&self, at: Mono) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(NAP)).await;
        }
    }
}
