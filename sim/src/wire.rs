//! The way between one component and the store, and what goes wrong on it.

use crate::clock::Clock;
use crate::executor::Executor;
use crate::store::{LeaseGone, Store};
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The bound of each request, as `--store-timeout` sets it.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// The way of one component.
#[derive(Debug)]
pub struct Wire {
    executor: Executor,
    rng: RefCell<fastrand::Rng>,
    is_cut: Cell<bool>,
    is_mute: Cell<bool>,
    slowness: Cell<Duration>,
    loss_permille: Cell<u32>,
}

/// Why there is no answer. Whether a write was applied is not known, unless the lease is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The store cannot be reached.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The lease is gone.
    LeaseGone,
}

impl From<LeaseGone> for Failure {
    fn from(_: LeaseGone) -> Self {
        Self::LeaseGone
    }
}

impl Wire {
    /// A way without faults.
    pub fn new(executor: Executor, rng: fastrand::Rng) -> Self {
        Self {
            executor,
            rng: RefCell::new(rng),
            is_cut: Cell::default(),
            is_mute: Cell::default(),
            slowness: Cell::default(),
            loss_permille: Cell::default(),
        }
    }

    /// Whether nothing gets through.
    pub fn is_cut(&self) -> bool {
        self.is_cut.get()
    }

    /// Whether watches say nothing while requests get through.
    pub fn is_mute(&self) -> bool {
        self.is_mute.get()
    }

    /// Lets nothing through, or heals.
    pub fn cut(&self, is_cut: bool) {
        self.is_cut.set(is_cut);
    }

    /// Keeps watches silent, or heals.
    pub fn mute(&self, is_mute: bool) {
        self.is_mute.set(is_mute);
    }

    /// Makes each way up to `slowness` longer, and loses that many of a thousand messages.
    pub fn disturb(&self, slowness: Duration, loss_permille: u32) {
        self.slowness.set(slowness);
        self.loss_permille.set(loss_permille);
    }

    /// How long one message takes.
    pub fn latency(&self) -> Duration {
        let mut rng = self.rng.borrow_mut();
        let slow = u64::try_from(self.slowness.get().as_micros()).unwrap_or(u64::MAX);
        let slow = if slow > 0 { rng.u64(..slow) } else { 0 };
        Duration::from_micros(rng.u64(200..3000) + slow)
    }

    fn loses(&self) -> bool {
        self.is_cut.get()
            || self.loss_permille.get() > 0
                && self.rng.borrow_mut().u32(..1000) < self.loss_permille.get()
    }

    /// One request. Each way takes its time; what arrives late is applied late, and an answer may be lost.
    pub async fn call<T: 'static>(
        self: &Rc<Self>,
        clock: &Clock,
        store: &Rc<Store>,
        apply: impl FnOnce(&Rc<Store>) -> Result<T, Failure> + 'static,
    ) -> Result<T, Failure> {
        if self.is_cut.get() && self.rng.borrow_mut().bool() {
            self.executor.sleep(self.latency()).await;
            return Err(Failure::Unreachable);
        }
        let (sender, receiver) = oneshot::channel();
        if !self.loses() {
            let (wire, store) = (self.clone(), store.clone());
            self.executor.after(self.latency(), move || {
                if wire.loses() {
                    return;
                }
                let answer = apply(&store);
                if wire.loses() {
                    return;
                }
                let way = wire.latency();
                let back = wire.clone();
                wire.executor.after(way, move || {
                    if !back.is_cut.get() {
                        // Whoever asked may have given up.
                        let _ = sender.send(answer);
                    }
                });
            });
        }
        let answer = async {
            match receiver.await {
                Ok(answer) => answer,
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            () = clock.sleep(TIMEOUT) => Err(Failure::TimedOut),
        }
    }
}
