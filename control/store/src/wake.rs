//! The supervised watch: it wakes a loop, and it stays.

use crate::store::{Store, Watch, WatchTarget};
use backon::{BackoffBuilder, ExponentialBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// The pauses between attempts to open a watch. The longest one, doubled by jitter, leaves time for a whole reading within
/// the two seconds that a lost watch may cost.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Wakes its owner whenever the target may have changed: after every change, and after every (re)connection of the watch,
/// since changes may have been missed before it.
///
/// Wakes that come faster than the owner takes them are told as one. The task behind it ends with the shutdown token or
/// when this is dropped.
#[derive(Debug)]
pub struct WakeStream {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    wake: Notify,
    restarts: AtomicU64,
}

impl WakeStream {
    /// Watches `target` until `shutdown`.
    pub fn start(store: Arc<dyn Store>, target: WatchTarget, shutdown: CancellationToken) -> Self {
        let shared = Arc::new(Shared::default());
        let supervised = supervise(store, target, shared.clone());
        let task = tokio::spawn(async move {
            let _ = shutdown.run_until_cancelled(supervised).await;
        });
        Self { shared, task }
    }

    /// Waits for the next reason to read everything again. The first one is the first connection of the watch. Once the
    /// shutdown token is cancelled it waits for ever. Cancel safe.
    pub async fn woken(&mut self) {
        self.shared.wake.notified().await;
    }

    /// Waits until the task behind it has ended, which it does after shutdown. Cancel safe.
    pub async fn ended(&mut self) {
        if !self.task.is_finished() {
            // Whether it returned or panicked, it is over.
            let _ = (&mut self.task).await;
        }
    }

    /// How often the watch was lost, or could not be opened, since the start.
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.load(Ordering::Relaxed)
    }
}

impl Drop for WakeStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn supervise(store: Arc<dyn Store>, target: WatchTarget, shared: Arc<Shared>) {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times();
    let mut pause = pauses.build();
    let mut is_open = true;
    loop {
        let ended = match store.watch(target.clone()).await {
            Ok(mut watch) => {
                if !is_open {
                    debug!(watch = %target, "the watch is open again");
                }
                is_open = true;
                pause = pauses.build();
                shared.wake.notify_one();
                forward(watch.as_mut(), &shared.wake).await
            }
            Err(error) => error,
        };
        shared.restarts.fetch_add(1, Ordering::Relaxed);
        if is_open {
            warn!(watch = %target, error = %ended, "the watch is lost; opening it again");
            is_open = false;
        }
        tokio::time::sleep(pause.next().unwrap_or(LONGEST_PAUSE)).await;
    }
}

async fn forward(watch: &mut dyn Watch, wake: &Notify) -> crate::error::StoreError {
    loop {
        match watch.changed().await {
            Ok(()) => wake.notify_one(),
            Err(ended) => return ended,
        }
    }
}
