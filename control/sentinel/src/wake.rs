//! When to look again.
//!
//! A change in the store wakes the sentinel, so does the moment at which time alone changes the decision, and the cluster's
//! sleepInterval is the safety net below both.

use crate::metrics;
use std::time::Duration;
use stolon_daemon::clock;
use stolon_model::spec::DEFAULTS;
use stolon_model::time::Mono;
use stolon_store::{Leadership, WakeStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Passes begin at least this far apart: what changes in between is one wake. It makes 50 passes a second at most.
const SHORTEST_GAP: Duration = Duration::from_millis(20);

/// One that does not lead only keeps itself ready, which is worth less work.
const SHORTEST_GAP_OF_FOLLOWER: Duration = Duration::from_secs(1);

/// The pauses after passes that failed.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a pass ended, as far as the next one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Everything is as decided.
    Later,
    /// Others were faster: look again at once.
    AtOnce,
    /// The store failed.
    AfterPause,
}

/// Waits for the reasons to look again.
pub struct Wake {
    changes: WakeStream,
    leadership: watch::Receiver<Leadership>,
    shutdown: CancellationToken,
    /// The cluster's sleepInterval.
    pub sleep_interval: Duration,
    /// When time alone changes the decision.
    pub wake_at: Option<Mono>,
    began: Instant,
    failures: u32,
}

impl Wake {
    /// Wakes on `changes` of the store and on a change of `leadership`, until `shutdown`.
    pub fn new(
        changes: WakeStream,
        leadership: watch::Receiver<Leadership>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            changes,
            leadership,
            shutdown,
            sleep_interval: DEFAULTS.sleep_interval,
            wake_at: None,
            began: Instant::now(),
            failures: 0,
        }
    }

    /// A pass begins.
    pub fn begin(&mut self) {
        self.began = Instant::now();
        self.leadership.mark_unchanged();
        metrics::watch_restarts(self.changes.restarts());
    }

    /// Waits after a pass that ended as `next`. `false` when the sentinel should stop.
    pub async fn next(&mut self, next: Next, is_leader: bool) -> bool {
        let now = clock::mono();
        let until_timer = self.wake_at.map_or(Duration::MAX, |at| at.since(now));
        let longest = match next {
            Next::Later => until_timer.min(self.sleep_interval),
            Next::AtOnce => Duration::ZERO,
            Next::AfterPause => self.pause(),
        };
        if next != Next::AfterPause {
            self.failures = 0;
        }
        let gap =
            if is_leader || next == Next::AtOnce { SHORTEST_GAP } else { SHORTEST_GAP_OF_FOLLOWER };
        let soonest = self.began + gap;
        let wait = async {
            let changed = async {
                tokio::select! {
                    () = self.changes.woken(), if next != Next::AfterPause => {}
                    () = sleep(longest) => {}
                }
                sleep_until(soonest).await;
            };
            tokio::select! {
                () = changed => {}
                // The sender lives as long as the election, which outlives this.
                Ok(()) = self.leadership.changed() => {}
            }
        };
        self.shutdown.run_until_cancelled(wait).await.is_some()
    }

    fn pause(&mut self) -> Duration {
        let pause = SHORTEST_PAUSE.saturating_mul(2u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        pause.min(LONGEST_PAUSE).min(self.sleep_interval)
    }
}
