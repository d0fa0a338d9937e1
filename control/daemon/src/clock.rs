//! The clocks a daemon reads and hands to decisions.

use jiff::Zoned;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use stolon_model::time::{GoTime, Mono, Now};

/// The monotonic clock: stands still while the machine is suspended.
pub fn mono() -> Mono {
    read(ClockId::Monotonic)
}

/// The monotonic clock that goes on while the machine is suspended; what a fence in time is measured with.
pub fn boottime() -> Mono {
    read(ClockId::Boottime)
}

/// The wall clock, with the offset of the local time zone.
pub fn wall() -> GoTime {
    let now = Zoned::now();
    GoTime { unix_nanos: now.timestamp().as_nanosecond(), offset_seconds: now.offset().seconds() }
}

/// Both clocks at one moment.
pub fn now() -> Now {
    Now { mono: mono(), wall: wall() }
}

fn read(clock: ClockId) -> Mono {
    let time = clock_gettime(clock);
    // Both clocks count up from the start of the machine, so neither part is ever negative.
    Mono(Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_never_run_backwards() {
        let (first_mono, first_boot) = (mono(), boottime());
        assert!(first_mono.0 > Duration::ZERO);
        assert!(mono() >= first_mono && boottime() >= first_boot);
        assert!(first_boot >= first_mono, "boot time includes the time spent suspended");
    }

    #[test]
    fn the_wall_clock_is_that_of_the_system() -> Result<(), std::time::SystemTimeError> {
        let system = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let ours = u128::try_from(wall().unix_nanos).unwrap_or(0);
        assert!(ours.abs_diff(system) < 60_000_000_000, "{ours} against {system}");
        Ok(())
    }
}
