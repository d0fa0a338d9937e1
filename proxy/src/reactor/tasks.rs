//! The tasks of one thread, and the ways to wake them: from the thread itself without a lock, from elsewhere through an eventfd.

use super::Reactor;
use rustix::event::{EventfdFlags, eventfd};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// Names a task. The number of a task that has ended is used again, its serial never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskId {
    slot: usize,
    serial: u64,
}

/// Patient tasks that one turn takes up: a millisecond or two of closing sockets, no more than the events of a full turn take.
pub(super) const PATIENT_OF_A_TURN: usize = 128;

/// What a task does, and what it is woken by from elsewhere.
struct Work {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
}

struct Task {
    serial: u64,
    /// Away while it is polled.
    work: Option<Work>,
    is_ready: bool,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// The tasks of one thread.
#[derive(Debug)]
pub(super) struct Tasks {
    tasks: RefCell<Slab<Task>>,
    ready: RefCell<VecDeque<TaskId>>,
    /// Those that let the ready ones go first.
    patient: RefCell<VecDeque<TaskId>>,
    /// How many patient ones have been taken up since the beginning.
    taken_up: Cell<u64>,
    current: Cell<Option<TaskId>>,
    serials: Cell<u64>,
    inbox: Arc<Inbox>,
}

/// What other threads have woken. Each waker is in it once at most.
#[derive(Debug)]
struct Inbox {
    woken: Mutex<Vec<Arc<TaskWaker>>>,
    bell: OwnedFd,
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<TaskWaker>>> {
        // The vector is whole, whatever became of the thread that held the lock.
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of one task.
#[derive(Debug)]
struct TaskWaker {
    task: TaskId,
    inbox: Arc<Inbox>,
    /// It waits in the inbox.
    is_posted: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if Here::wake(&self.inbox, self.task) || self.is_posted.swap(true, Ordering::AcqRel) {
            return;
        }
        let is_first = {
            let mut woken = self.inbox.lock();
            woken.push(Arc::clone(self));
            woken.len() == 1
        };
        if is_first {
            // It fails only when the count is full, and then the bell rings already.
            let _ = rustix::io::write(&self.inbox.bell, &1_u64.to_ne_bytes());
        }
    }
}

thread_local! {
    static HERE: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// While it lives, wakers of the reactor that are used on this thread need no bell.
pub(super) struct Here;

impl Here {
    pub(super) fn enter(reactor: &Rc<Reactor>) -> Self {
        HERE.with_borrow_mut(|here| *here = Some(Rc::clone(reactor)));
        Self
    }

    /// True: the task is one of this thread, and has been woken.
    fn wake(inbox: &Arc<Inbox>, task: TaskId) -> bool {
        // A waker may outlive the thread's locals.
        HERE.try_with(|here| match &*here.borrow() {
            Some(reactor) if Arc::ptr_eq(&reactor.tasks.inbox, inbox) => {
                reactor.tasks.make_ready(task);
                true
            }
            _ => false,
        })
        .unwrap_or(false)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.with_borrow_mut(|here| *here = None);
    }
}

impl Tasks {
    pub(super) fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            tasks: RefCell::default(),
            ready: RefCell::default(),
            patient: RefCell::default(),
            taken_up: Cell::new(0),
            current: Cell::new(None),
            serials: Cell::new(0),
            inbox: Arc::new(Inbox { woken: Mutex::default(), bell }),
        })
    }

    /// Readable when another thread has woken a task.
    pub(super) fn wakes(&self) -> BorrowedFd<'_> {
        self.inbox.bell.as_fd()
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.borrow().is_empty() || !self.patient.borrow().is_empty()
    }

    /// The task that is polled.
    pub(super) fn current(&self) -> Option<TaskId> {
        self.current.get()
    }

    pub(super) fn spawn(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        let serial = self.serials.get();
        self.serials.set(serial + 1);
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let task = TaskId { slot: entry.key(), serial };
        let waker = Waker::from(Arc::new(TaskWaker {
            task,
            inbox: Arc::clone(&self.inbox),
            is_posted: AtomicBool::new(false),
        }));
        entry.insert(Task { serial, work: Some(Work { future, waker }), is_ready: true });
        self.ready.borrow_mut().push_back(task);
    }

    /// The task will be polled, once, whoever has a reason for it. Nothing happens to one that has ended.
    pub(super) fn make_ready(&self, task: TaskId) {
        if let Some(its) = self.tasks.borrow_mut().get_mut(task.slot)
            && its.serial == task.serial
            && !its.is_ready
        {
            its.is_ready = true;
            self.ready.borrow_mut().push_back(task);
        }
    }

    /// The task will be polled after those that are ready now, and not many of its kind in one turn. Gives the number of its turn.
    pub(super) fn queue_up(&self, task: TaskId) -> u64 {
        let mut patient = self.patient.borrow_mut();
        patient.push_back(task);
        self.taken_up.get() + patient.len() as u64
    }

    /// Whether the turn of this number has come. A task that waits for it may be polled before, for other reasons.
    pub(super) fn is_up(&self, number: u64) -> bool {
        self.taken_up.get() >= number
    }

    /// Takes over what other threads have woken.
    pub(super) fn take_wakes(&self) {
        let mut count = [0; 8];
        // It fails only when there is nothing to read.
        let _ = rustix::io::read(&self.inbox.bell, &mut count);
        let woken = std::mem::take(&mut *self.inbox.lock());
        for waker in woken {
            // Before the task is polled: what happens from now on is another reason. And a waker that has found itself posted
            // already relies on the poll to see what it did, hence the acquisition.
            waker.is_posted.swap(false, Ordering::AcqRel);
            self.make_ready(waker.task);
        }
    }

    /// Polls each task that is ready now, once, and then some of the patient ones. Those that become ready meanwhile come after the
    /// next look at the kernel.
    pub(super) fn poll_ready(&self) {
        for _ in 0..PATIENT_OF_A_TURN {
            let Some(task) = self.patient.borrow_mut().pop_front() else { break };
            self.taken_up.set(self.taken_up.get() + 1);
            self.make_ready(task);
        }
        let round = self.ready.borrow().len();
        for _ in 0..round {
            let Some(task) = self.ready.borrow_mut().pop_front() else { return };
            self.poll(task);
        }
    }

    fn poll(&self, task: TaskId) {
        let taken = match self.tasks.borrow_mut().get_mut(task.slot) {
            Some(its) if its.serial == task.serial => {
                its.is_ready = false;
                its.work.take()
            }
            _ => None,
        };
        let Some(mut work) = taken else { return };
        self.current.set(Some(task));
        let mut context = Context::from_waker(&work.waker);
        // What the work shares with others is in cells, each of them whole between two calls.
        let polled = catch_unwind(AssertUnwindSafe(|| work.future.as_mut().poll(&mut context)));
        if let Ok(std::task::Poll::Pending) = polled {
            if let Some(its) = self.tasks.borrow_mut().get_mut(task.slot) {
                its.work = Some(work);
            }
        } else {
            // The hook has said what panicked. Its end may wake others, so nothing is borrowed here.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
            let ended = self.tasks.borrow_mut().try_remove(task.slot);
            drop(ended);
        }
        self.current.set(None);
    }

    /// Drops every task, also those that are spawned by the end of others.
    pub(super) fn drop_all(&self) {
        loop {
            let all: Vec<Task> = self.tasks.borrow_mut().drain().collect();
            if all.is_empty() {
                break;
            }
            drop(all);
        }
        self.ready.borrow_mut().clear();
        self.patient.borrow_mut().clear();
        // A waker knows the inbox, and must not be kept by it.
        self.inbox.lock().clear();
    }
}
