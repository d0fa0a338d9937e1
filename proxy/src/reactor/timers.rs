//! The timers of one thread. They are kept apart from tasks, so that a thread that has none waits without a clock.

use super::Reactor;
use super::tasks::TaskId;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

/// A bound has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time is over")]
pub struct Elapsed;

/// When it is due, and a number that makes it unique.
type Key = (Instant, u64);

/// The armed timers of one thread, the next first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    armed: RefCell<BTreeMap<Key, TaskId>>,
    serials: Cell<u64>,
}

impl Timers {
    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.armed.borrow().first_key_value().map(|((due, _), _)| *due)
    }

    /// Tells the tasks of all that are due.
    pub(super) fn expire(&self, mut tell: impl FnMut(TaskId)) {
        let mut armed = self.armed.borrow_mut();
        if armed.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(first) = armed.first_entry()
            && first.key().0 <= now
        {
            tell(first.remove());
        }
    }
}

/// A timer of the task that polls it first. Dropping it disarms it.
#[derive(Debug)]
pub struct Timer {
    reactor: Rc<Reactor>,
    due: Option<Instant>,
    /// Its place among the armed ones.
    key: Option<Key>,
}

impl Timer {
    pub(super) fn new(reactor: &Rc<Reactor>) -> Self {
        Self { reactor: Rc::clone(reactor), due: None, key: None }
    }

    /// It will be due then, and not before.
    pub fn arm(&mut self, due: Instant) {
        self.disarm();
        self.due = Some(due);
    }

    /// It will not be due.
    pub fn disarm(&mut self) {
        self.due = None;
        if let Some(key) = self.key.take() {
            self.reactor.timers.armed.borrow_mut().remove(&key);
        }
    }

    /// Whether it is armed.
    pub fn is_armed(&self) -> bool {
        self.due.is_some()
    }

    /// Ready once it is due; it is disarmed then. Never ready while it is not armed.
    pub fn poll_due(&mut self) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        let timers = &self.reactor.timers;
        match self.key {
            None => {
                let Some(task) = self.reactor.tasks.current() else { return Poll::Pending };
                let key = (due, timers.serials.get());
                timers.serials.set(key.1 + 1);
                timers.armed.borrow_mut().insert(key, task);
                self.key = Some(key);
                Poll::Pending
            }
            Some(key) if timers.armed.borrow().contains_key(&key) => Poll::Pending,
            Some(_) => {
                (self.due, self.key) = (None, None);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
    }
}
