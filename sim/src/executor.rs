//! A virtual clock and the tasks that run on it: one thread, no waiting, the same order in each run.
//!
//! Events happen in the order of (time, sequence). A task belongs to a process; one that is frozen is not polled, its timers
//! and answers pile up, and when it thaws it goes on with what it remembers.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// One run of a program. The environment is [`ProcessId::WORLD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(u64);

impl ProcessId {
    /// Users, operators and faults: never frozen, never ended.
    pub const WORLD: Self = Self(0);
}

/// The clock, the events to come, and the tasks.
#[derive(Clone)]
pub struct Executor {
    state: Rc<RefCell<State>>,
    ready: Ready,
}

type Ready = Arc<Mutex<VecDeque<u64>>>;
type Work = Pin<Box<dyn Future<Output = ()>>>;
type Event = Box<dyn FnOnce()>;

#[derive(Default)]
struct State {
    now: Duration,
    last_event: u64,
    events: BTreeMap<(Duration, u64), Event>,
    last_task: u64,
    tasks: BTreeMap<u64, Task>,
    last_process: u64,
    processes: BTreeMap<ProcessId, Process>,
}

struct Task {
    owner: ProcessId,
    work: Option<Work>,
    waker: Arc<TaskWaker>,
}

#[derive(Default)]
struct Process {
    is_frozen: bool,
    parked: Vec<u64>,
    changed: Rc<Notify>,
}

struct TaskWaker {
    task: u64,
    is_queued: AtomicBool,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.task);
        }
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Default for Executor {
    fn default() -> Self {
        let state = State {
            processes: BTreeMap::from([(ProcessId::WORLD, Process::default())]),
            ..State::default()
        };
        Self { state: Rc::new(RefCell::new(state)), ready: Ready::default() }
    }
}

impl Executor {
    /// The time since the beginning of the world.
    pub fn now(&self) -> Duration {
        self.state.borrow().now
    }

    /// A new process.
    pub fn process(&self) -> ProcessId {
        let mut state = self.state.borrow_mut();
        state.last_process += 1;
        let id = ProcessId(state.last_process);
        state.processes.insert(id, Process::default());
        id
    }

    /// Ends a process at once, as SIGKILL does.
    pub fn kill(&self, process: ProcessId) {
        let (tasks, changed) = {
            let mut state = self.state.borrow_mut();
            let own: Vec<u64> = state
                .tasks
                .iter()
                .filter(|(_, task)| task.owner == process)
                .map(|(id, _)| *id)
                .collect();
            let tasks: Vec<_> = own.iter().filter_map(|id| state.tasks.remove(id)).collect();
            (tasks, state.processes.remove(&process).map(|process| process.changed))
        };
        drop(tasks);
        if let Some(changed) = changed {
            changed.notify_waiters();
        }
    }

    /// Stops a process, as SIGSTOP does, or lets it go on.
    pub fn freeze(&self, process: ProcessId, is_frozen: bool) {
        let parked = {
            let mut state = self.state.borrow_mut();
            let Some(process) = state.processes.get_mut(&process) else { return };
            process.is_frozen = is_frozen;
            if is_frozen {
                return;
            }
            process.changed.notify_waiters();
            std::mem::take(&mut process.parked)
        };
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).extend(parked);
    }

    /// Whether the process exists.
    pub fn is_alive(&self, process: ProcessId) -> bool {
        self.state.borrow().processes.contains_key(&process)
    }

    /// Whether the process exists and is stopped.
    pub fn is_frozen(&self, process: ProcessId) -> bool {
        self.state.borrow().processes.get(&process).is_some_and(|process| process.is_frozen)
    }

    /// Waits until the process is not stopped. `false` when it has ended.
    pub async fn until_running(&self, process: ProcessId) -> bool {
        loop {
            let changed = match self.state.borrow().processes.get(&process) {
                None => return false,
                Some(process) if !process.is_frozen => return true,
                Some(process) => process.changed.clone(),
            };
            changed.notified().await;
        }
    }

    /// Starts a task of a process.
    pub fn spawn(&self, owner: ProcessId, work: impl Future<Output = ()> + 'static) {
        let mut state = self.state.borrow_mut();
        if !state.processes.contains_key(&owner) {
            return;
        }
        state.last_task += 1;
        let id = state.last_task;
        let waker = Arc::new(TaskWaker {
            task: id,
            is_queued: AtomicBool::new(false),
            ready: self.ready.clone(),
        });
        state.tasks.insert(id, Task { owner, work: Some(Box::pin(work)), waker: waker.clone() });
        drop(state);
        waker.wake();
    }

    /// Lets something happen `span` from now.
    pub fn after(&self, span: Duration, event: impl FnOnce() + 'static) {
        let mut state = self.state.borrow_mut();
        let at = state.now.saturating_add(span);
        state.last_event += 1;
        let key = (at, state.last_event);
        state.events.insert(key, Box::new(event));
    }

    /// Waits.
    pub async fn sleep(&self, span: Duration) {
        let (sender, receiver) = oneshot::channel();
        self.after(span, move || {
            // Whoever waited may be gone.
            let _ = sender.send(());
        });
        let _ = receiver.await;
    }

    /// Runs until `end`, or until `is_over` says so after an event. Says whether it ran to the end.
    pub fn run_until(&self, end: Duration, mut is_over: impl FnMut() -> bool) -> bool {
        loop {
            self.run_ready();
            if is_over() {
                return false;
            }
            let event = {
                let mut state = self.state.borrow_mut();
                match state.events.first_key_value() {
                    Some(((at, _), _)) if *at <= end => {}
                    _ => {
                        state.now = end;
                        return true;
                    }
                }
                let Some(((at, _), event)) = state.events.pop_first() else { return true };
                state.now = at;
                event
            };
            event();
        }
    }

    /// Drops every task and event: they hold the world that holds this.
    pub fn clear(&self) {
        let (tasks, events) = {
            let mut state = self.state.borrow_mut();
            (std::mem::take(&mut state.tasks), std::mem::take(&mut state.events))
        };
        drop((tasks, events));
    }

    fn run_ready(&self) {
        loop {
            let next = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(id) = next else { return };
            self.poll(id);
        }
    }

    fn poll(&self, id: u64) {
        let (mut work, waker) = {
            let mut state = self.state.borrow_mut();
            let State { tasks, processes, .. } = &mut *state;
            let Some(task) = tasks.get_mut(&id) else { return };
            let Some(process) = processes.get_mut(&task.owner) else { return };
            if process.is_frozen {
                process.parked.push(id);
                return;
            }
            task.waker.is_queued.store(false, Ordering::Relaxed);
            let Some(work) = task.work.take() else { return };
            (work, task.waker.clone())
        };
        let waker = Waker::from(waker);
        let is_done = work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let mut state = self.state.borrow_mut();
        if is_done {
            state.tasks.remove(&id);
        } else if let Some(task) = state.tasks.get_mut(&id) {
            task.work = Some(work);
            return;
        }
        // The task has ended, or was killed while it ran.
        drop(state);
        drop(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_process_goes_on_when_it_thaws() {
        let executor = Executor::default();
        let process = executor.process();
        let log = Rc::new(RefCell::new(Vec::new()));
        let (its_log, its_clock) = (log.clone(), executor.clone());
        executor.spawn(process, async move {
            for _ in 0..3 {
                its_clock.sleep(Duration::from_secs(1)).await;
                its_log.borrow_mut().push(its_clock.now().as_secs());
            }
        });
        let other = executor.clone();
        executor.after(Duration::from_millis(1500), move || other.freeze(process, true));
        let other = executor.clone();
        executor.after(Duration::from_secs(10), move || other.freeze(process, false));
        assert!(executor.run_until(Duration::from_secs(60), || false));
        assert_eq!(*log.borrow(), [1, 10, 11]);
    }

    #[test]
    fn a_killed_process_does_nothing_more() {
        let executor = Executor::default();
        let process = executor.process();
        let ran = Rc::new(RefCell::new(false));
        let (its, clock) = (ran.clone(), executor.clone());
        executor.spawn(process, async move {
            clock.sleep(Duration::from_secs(1)).await;
            *its.borrow_mut() = true;
        });
        executor.run_until(Duration::from_millis(500), || false);
        executor.kill(process);
        executor.run_until(Duration::from_secs(5), || false);
        assert!(!*ran.borrow());
        assert!(!executor.is_alive(process));
    }
}
