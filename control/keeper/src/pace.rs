//! When the next pass is due. The intervals of the cluster spec are upper bounds; a failure or a death of the server brings the
//! next pass forward, less and less as they repeat.

use std::time::Duration;
use stolon_model::postgres::hba::Access;
use tokio::time::Instant;

/// The first pause after something went wrong.
const FIRST_RETRY: Duration = Duration::from_millis(200);
/// The same where the next attempt starts all over.
const FIRST_REMAKE: Duration = Duration::from_millis(500);
/// A server that lived this long did not die of its start.
const STABLE: Duration = Duration::from_secs(10);
/// While a master waits for its synchronous standbys, which let its users in again.
const WAITING_FOR_SYNC: Duration = Duration::from_millis(250);
/// For so long; then the usual interval will do.
const CLOSE_LOOK: Duration = Duration::from_secs(60);
/// While the store cannot be read. Its watch, once it is back, wakes too.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do.
    Settled(Access),
    /// Nothing can be done until something else changes.
    Waiting,
    /// An action failed while data are being made: the next attempt starts all over.
    FailedMaking,
    /// An action failed.
    Failed,
    /// The cluster data could not be read.
    StoreUnreadable,
}

/// Keeps the time of the next pass.
#[derive(Debug)]
pub struct Pace {
    due: Instant,
    strikes: u32,
    started: Instant,
    waiting_since: Option<Instant>,
}

impl Pace {
    /// A pass is due now.
    pub fn new(now: Instant) -> Self {
        Self { due: now, strikes: 0, started: now, waiting_since: None }
    }

    /// When the next pass is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// The server has been started.
    pub fn server_started(&mut self, now: Instant) {
        self.started = now;
    }

    /// The server has died: the next pass is due at once, unless it dies again and again.
    pub fn server_died(&mut self, now: Instant, interval: Duration) {
        if now.duration_since(self.started) >= STABLE {
            self.strikes = 0;
        }
        let pause =
            if self.strikes == 0 { Duration::ZERO } else { self.backoff(FIRST_RETRY, interval) };
        self.strikes = self.strikes.saturating_add(1);
        self.due = self.due.min(now + pause);
    }

    /// A pass has ended.
    pub fn pass_ended(&mut self, now: Instant, outcome: Outcome, interval: Duration) {
        self.waiting_since = match outcome {
            Outcome::Settled(Access::Internal) => Some(self.waiting_since.unwrap_or(now)),
            _ => None,
        };
        let pause = match outcome {
            Outcome::Settled(Access::Internal)
                if self
                    .waiting_since
                    .is_some_and(|since| now.duration_since(since) < CLOSE_LOOK) =>
            {
                WAITING_FOR_SYNC.min(interval)
            }
            Outcome::Settled(_) | Outcome::Waiting => {
                if now.duration_since(self.started) >= STABLE {
                    self.strikes = 0;
                }
                interval
            }
            Outcome::FailedMaking => {
                self.strikes = self.strikes.saturating_add(1);
                self.backoff(FIRST_REMAKE, interval)
            }
            Outcome::Failed => {
                self.strikes = self.strikes.saturating_add(1);
                self.backoff(FIRST_RETRY, interval)
            }
            Outcome::StoreUnreadable => STORE_RETRY.min(interval),
        };
        self.due = now + pause;
    }

    fn backoff(&self, first: Duration, interval: Duration) -> Duration {
        first.saturating_mul(1 << self.strikes.saturating_sub(1).min(16)).min(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    #[test]
    fn the_first_death_is_answered_at_once_and_the_next_ones_ever_later() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.pass_ended(now, Outcome::Settled(Access::Open), INTERVAL);
        assert_eq!(pace.due(), now + INTERVAL);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pace.server_started(now);
            pace.pass_ended(now, Outcome::Settled(Access::Open), INTERVAL);
            pace.server_died(now, INTERVAL);
            pauses.push((pace.due() - now).as_millis());
        }
        assert_eq!(pauses, [0, 200, 400, 800, 1600, 3200, 5000, 5000]);
        let later = now + STABLE;
        pace.pass_ended(later, Outcome::Settled(Access::Open), INTERVAL);
        pace.server_died(later, INTERVAL);
        assert_eq!(pace.due(), later);
    }

    #[test]
    fn a_failed_pass_is_repeated_soon_and_a_failed_copy_later() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.pass_ended(now, Outcome::Failed, INTERVAL);
        assert_eq!(pace.due(), now + FIRST_RETRY);
        pace.pass_ended(now, Outcome::FailedMaking, INTERVAL);
        assert_eq!(pace.due(), now + 2 * FIRST_REMAKE);
        for _ in 0..9 {
            pace.pass_ended(now, Outcome::FailedMaking, INTERVAL);
        }
        assert_eq!(pace.due(), now + INTERVAL);
        pace.pass_ended(now, Outcome::StoreUnreadable, INTERVAL);
        assert_eq!(pace.due(), now + STORE_RETRY);
    }

    #[test]
    fn synchronous_standbys_are_awaited_closely_for_a_while() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.pass_ended(now, Outcome::Settled(Access::Internal), INTERVAL);
        assert_eq!(pace.due(), now + WAITING_FOR_SYNC);
        let later = now + CLOSE_LOOK;
        pace.pass_ended(later, Outcome::Settled(Access::Internal), INTERVAL);
        assert_eq!(pace.due(), later + INTERVAL);
    }
}
