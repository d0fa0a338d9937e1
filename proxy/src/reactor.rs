//! What a worker thread runs: one epoll instance, its sockets, its tasks and its timers, all of one thread.
//!
//! Why not a runtime of the ecosystem: the data path is what this proxy is for, and half of what a small message cost it in user
//! space was the way from an event to a task that any thread might have woken. Here a socket belongs to the task
//! that waits for it. An event sets two bits of the socket and puts its task into a queue; nothing is locked, counted or
//! registered anew for a message, and a thread without timers waits without one. `make callgrind` shows what is left.
//!
//! Everything but a [`std::task::Waker`] stays on its thread. A waker may be used anywhere, so the channels of tokio work in
//! these tasks, and `tokio::select!` too; sockets and timers of tokio do not. Sockets and timers wake the whole task, so what
//! polls only the part of a task that was woken, as `FuturesUnordered` does, waits for ever here.

mod source;
mod stream;
mod tasks;
mod timers;

pub use source::Source;
pub use stream::{TcpListener, TcpStream};
pub use timers::{Elapsed, Timer};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event};
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tasks::Tasks;
use timers::Timers;

/// Events that one look at the kernel fetches. More wait for the next look, which is not delayed by them.
const EVENTS: usize = 256;

/// The longest wait for events while a timer is armed.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Set when it is dropped, so that a main task that panics ends the thread too.
struct Over(Rc<Cell<bool>>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// The event loop of one thread.
#[derive(Debug)]
pub struct Reactor {
    sources: source::Sources,
    tasks: Tasks,
    timers: Timers,
}

impl Reactor {
    /// An event loop for the calling thread. Fails when there are no descriptors.
    pub fn new() -> io::Result<Rc<Self>> {
        let sources = source::Sources::new()?;
        let tasks = Tasks::new()?;
        sources.watch_wakes(tasks.wakes())?;
        Ok(Rc::new(Self { sources, tasks, timers: Timers::default() }))
    }

    /// Runs `main`, and beside it every task that is spawned meanwhile. Ends when `main` does; tasks that are left are dropped.
    /// Fails when the kernel refuses to be asked for events.
    pub fn run(self: &Rc<Self>, main: impl Future<Output = ()> + 'static) -> io::Result<()> {
        let here = tasks::Here::enter(self);
        let is_over = Rc::new(Cell::new(false));
        let over = Over(Rc::clone(&is_over));
        self.spawn(async move {
            let _over = over;
            main.await;
        });
        let mut events = Vec::with_capacity(EVENTS);
        let mut result = Ok(());
        while result.is_ok() && !is_over.get() {
            result = self.turn(&mut events);
        }
        self.tasks.drop_all();
        drop(here);
        result
    }

    /// One look at the kernel, and one poll of each task that has a reason.
    fn turn(&self, events: &mut Vec<Event>) -> io::Result<()> {
        let patience = if self.tasks.has_ready() {
            Some(Duration::ZERO)
        } else {
            self.timers.next().map(|due| due.saturating_duration_since(Instant::now()))
        };
        // Kernels before 5.11 do not know longer waits than some days.
        let patience = patience.and_then(|patience| patience.min(LONGEST_WAIT).try_into().ok());
        events.clear();
        match epoll::wait(&self.sources.epoll, spare_capacity(events), patience.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.iter() {
            match self.sources.note(event) {
                source::Noted::Wakes => self.tasks.take_wakes(),
                source::Noted::Owner(task) => self.tasks.make_ready(task),
                source::Noted::Nobody => {}
            }
        }
        self.timers.expire(|task| self.tasks.make_ready(task));
        self.tasks.poll_ready();
        Ok(())
    }

    /// Runs a task on this thread until it ends. A task that panics ends, and no other with it.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.tasks.spawn(Box::pin(future));
    }

    /// A timer for the task that polls it first.
    pub fn timer(self: &Rc<Self>) -> Timer {
        Timer::new(self)
    }

    /// Waits until then.
    pub async fn sleep_until(self: &Rc<Self>, deadline: Instant) {
        let mut timer = self.timer();
        timer.arm(deadline);
        std::future::poll_fn(|_| timer.poll_due()).await;
    }

    /// Waits so long.
    pub async fn sleep(self: &Rc<Self>, span: Duration) {
        self.sleep_until(Instant::now() + span).await;
    }

    /// What `future` comes to, unless it takes longer than `bound`.
    pub async fn timeout<F: Future>(
        self: &Rc<Self>,
        bound: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        self.timeout_at(Instant::now() + bound, future).await
    }

    /// What `future` comes to, unless that is later than `deadline`.
    pub async fn timeout_at<F: Future>(
        self: &Rc<Self>,
        deadline: Instant,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        let mut timer = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let timer = timer.get_or_insert_with(|| {
                let mut timer = self.timer();
                timer.arm(deadline);
                timer
            });
            timer.poll_due().map(|()| Err(Elapsed))
        })
        .await
    }

    /// Lets the other tasks have their turn.
    pub async fn yield_now(&self) {
        let mut has_yielded = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut has_yielded, true) {
                return Poll::Ready(());
            }
            if let Some(task) = self.tasks.current() {
                self.tasks.make_ready(task);
            }
            Poll::Pending
        })
        .await;
    }

    /// Lets the others go first, and what comes meanwhile: for what very many tasks have to do at once and others should not have to
    /// wait for. Those that wait here go on in their order, a few in each turn, whatever events their sockets have.
    pub async fn after_others(&self) {
        let number = self.tasks.current().map(|task| self.tasks.queue_up(task));
        std::future::poll_fn(|_| match number {
            Some(number) if !self.tasks.is_up(number) => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
    }
}

#[cfg(test)]
pub(crate) mod tests;
