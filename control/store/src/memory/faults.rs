//! What goes wrong between one client and the store.

use crate::error::StoreError;
use crate::store::WatchTarget;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The faults of one client. All off at first.
#[derive(Debug)]
pub struct Faults {
    state: Mutex<State>,
    drops: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    timeout: Duration,
    is_unavailable: bool,
    are_watches_mute: bool,
    delay: Duration,
    failures: VecDeque<StoreError>,
    lost_answers: usize,
    requests: u64,
}

/// What befalls a request.
pub enum Fate {
    Serve,
    Fail(StoreError),
    ApplyThenFail(StoreError),
}

/// What errors name in the place of etcd's endpoints.
const ENDPOINTS: &str = "memory";

impl Faults {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                timeout,
                is_unavailable: false,
                are_watches_mute: false,
                delay: Duration::ZERO,
                failures: VecDeque::new(),
                lost_answers: 0,
                requests: 0,
            }),
            drops: watch::Sender::new(0),
        }
    }

    /// Bounds every call, as `--store-timeout` does.
    pub fn set_timeout(&self, timeout: Duration) {
        self.locked().timeout = timeout;
    }

    /// Cuts the client off, or heals it. Its open watches end when it is cut off.
    pub fn set_unavailable(&self, is_unavailable: bool) {
        self.locked().is_unavailable = is_unavailable;
        if is_unavailable {
            self.drop_watches();
        }
    }

    /// The next `n` requests fail, and are not applied.
    pub fn fail_next(&self, n: usize) {
        let error = self.unavailable("serve it");
        self.locked().failures.extend(std::iter::repeat_n(error, n));
    }

    /// The next request fails with `error`, and is not applied; may be called again for the ones after it.
    pub fn fail_with(&self, error: StoreError) {
        self.locked().failures.push_back(error);
    }

    /// The next `n` requests are applied, but their answers are lost: the client sees a time-out.
    pub fn lose_answers(&self, n: usize) {
        self.locked().lost_answers += n;
    }

    /// Every request takes this long on the runtime's clock; one that takes longer than the time-out is not applied.
    pub fn set_delay(&self, delay: Duration) {
        self.locked().delay = delay;
    }

    /// Ends the open watches with an error.
    pub fn drop_watches(&self) {
        self.drops.send_modify(|drops| *drops += 1);
    }

    /// Watches stay open but tell nothing, as a stream that died silently.
    pub fn mute_watches(&self, are_mute: bool) {
        self.locked().are_watches_mute = are_mute;
    }

    /// How many requests the client has made.
    pub fn requests(&self) -> u64 {
        self.locked().requests
    }

    pub(super) fn timeout(&self) -> Duration {
        self.locked().timeout
    }

    pub(super) fn drops(&self) -> watch::Receiver<u64> {
        self.drops.subscribe()
    }

    pub(super) fn are_watches_mute(&self) -> bool {
        self.locked().are_watches_mute
    }

    pub(super) fn watch_dropped(&self, target: &WatchTarget) -> StoreError {
        StoreError::WatchEnded {
            target: target.to_string(),
            reason: "the connection is lost".to_owned(),
        }
    }

    pub(super) async fn befall(&self, what: impl FnOnce() -> String) -> Fate {
        let (delay, timeout) = {
            let mut state = self.locked();
            state.requests += 1;
            (state.delay, state.timeout)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay.min(timeout)).await;
        }
        if delay > timeout {
            return Fate::Fail(timed_out(what(), timeout));
        }
        let mut state = self.locked();
        if state.is_unavailable {
            drop(state);
            return Fate::Fail(self.unavailable(&what()));
        }
        if let Some(error) = state.failures.pop_front() {
            return Fate::Fail(error);
        }
        if state.lost_answers > 0 {
            state.lost_answers -= 1;
            return Fate::ApplyThenFail(timed_out(what(), timeout));
        }
        Fate::Serve
    }

    fn unavailable(&self, request: &str) -> StoreError {
        StoreError::Unavailable {
            request: request.to_owned(),
            endpoints: ENDPOINTS.to_owned(),
            reason: "the client is cut off".to_owned(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn timed_out(request: String, timeout: Duration) -> StoreError {
    StoreError::Timeout { request, endpoints: ENDPOINTS.to_owned(), timeout }
}
