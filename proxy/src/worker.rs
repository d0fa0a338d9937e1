//! The worker threads: each has an event loop, a listener, a registry and buffers of its own, and shares nothing on the data path.

mod accept;
mod balance;
mod door;

pub use door::Door;

use crate::counters::{Counters, Totals};
use crate::outcome::End;
use crate::reactor::Reactor;
use crate::registry::Registry;
use crate::relay::Resources;
use crate::session::{self, Parcel};
use crate::settings::Settings;
use crate::spread::{Order, Share, WorkerId};
use crate::target::{Epoch, Routing};
use accept::Acceptor;
use balance::{CpuClock, Watched, balance};
use door::Doors;
use std::cell::RefCell;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle as Task;

/// Commands that wait for a thread. The control plane sends one at a time, and now and then a look for dead peers.
const COMMANDS: usize = 16;
/// Sessions that wait for a thread. What there is no place for stays where it is.
const MOVING: usize = 1024;
/// How often each session's peers are looked at: 1 µs for a session.
const MIN_LOOK: Duration = Duration::from_millis(50);
const MAX_LOOK: Duration = Duration::from_secs(2);

/// What the sessions of one thread share.
#[derive(Debug)]
pub struct Thread {
    /// What runs the thread.
    pub reactor: Rc<Reactor>,
    /// What is lent to the session that is polled.
    pub resources: RefCell<Resources>,
    /// The sessions.
    pub registry: Rc<Registry>,
    /// The counters, which other threads read.
    pub counts: Arc<Counters>,
    /// Where connections go.
    pub routing: Arc<Routing>,
    /// What sessions are made with.
    pub settings: Arc<Settings>,
    doors: Doors,
}

#[derive(Debug)]
enum Command {
    Listen(TcpListener),
    StopListening(oneshot::Sender<()>),
    /// End the sessions of targets older than the epoch.
    Retire(Epoch, End, oneshot::Sender<()>),
    /// End the connections that have no master.
    StopWaiting,
    StopAll(End),
    /// End the sessions that have a peer which has answered nothing for so long.
    StopDead(Duration),
    WaitEmpty(oneshot::Sender<()>),
    /// Measure the work of each session anew.
    Weigh,
    /// Let active sessions go on on another thread.
    HandOver(Share, WorkerId),
    /// Carry a session on.
    Adopt(Box<Parcel>),
}

impl Command {
    /// What an order says, and to which thread.
    fn of(order: Order) -> (WorkerId, Self) {
        match order {
            Order::Weigh(thread) => (thread, Self::Weigh),
            Order::HandOver { from, to, share } => (from, Self::HandOver(share, to)),
        }
    }
}

#[derive(Debug)]
struct Worker {
    commands: mpsc::Sender<Command>,
    counts: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

/// All worker threads. Dropping it ends them, and every session with them.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    /// Asks the threads now and then to look for peers that have vanished. Not a matter of theirs: a thread that waits for a
    /// timer pays for the timer each time it waits.
    looks: Option<Task<()>>,
    /// Moves sessions between the threads, if there are several.
    balance: Option<Task<()>>,
    in_use: Arc<AtomicUsize>,
    settings: Arc<Settings>,
}

impl Workers {
    /// Starts `count` threads, which listen nowhere yet. Called in a runtime of tokio that has a
    /// clock, which asks the threads to look for dead peers and balances them.
    pub fn start(
        count: usize,
        routing: &Arc<Routing>,
        settings: &Arc<Settings>,
    ) -> io::Result<Self> {
        let (inboxes, outboxes): (Vec<_>, Vec<_>) =
            (0..count.max(1)).map(|_| mpsc::channel::<Command>(COMMANDS + MOVING)).unzip();
        let doors = Doors::new(inboxes.iter().map(mpsc::Sender::downgrade));
        let mut watched = Vec::new();
        let workers: Vec<_> = std::iter::zip(inboxes, outboxes)
            .enumerate()
            .map(|(number, (commands, inbox))| {
                let counts = Arc::new(Counters::default());
                let clock = CpuClock::default();
                watched.push(Watched {
                    commands: commands.downgrade(),
                    counts: Arc::clone(&counts),
                    clock: clock.clone(),
                });
                let shared = (Arc::clone(&counts), Arc::clone(routing), Arc::clone(settings));
                let doors = doors.clone();
                let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(
                    move || {
                        clock.of_this_thread();
                        let (counts, routing, settings) = shared;
                        let ran = Reactor::new().and_then(|reactor| {
                            let thread = Thread::new(&reactor, counts, routing, settings, doors);
                            reactor.run(obey(Rc::new(thread), inbox))
                        });
                        if let Err(error) = ran {
                            tracing::error!(%error, "the event loop of a worker thread failed");
                        }
                    },
                )?;
                Ok(Worker { commands, counts, thread: Some(thread) })
            })
            .collect::<io::Result<_>>()?;
        let inboxes: Vec<_> = workers.iter().map(|worker| worker.commands.downgrade()).collect();
        let looks =
            settings.peer_timeout.map(|bound| tokio::spawn(look_for_the_dead(inboxes, bound)));
        let in_use = Arc::new(AtomicUsize::new(1));
        let balance =
            (workers.len() > 1).then(|| tokio::spawn(balance(watched, Arc::clone(&in_use))));
        Ok(Self { workers, looks, balance, in_use, settings: Arc::clone(settings) })
    }

    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// How many of them carry what is going on.
    pub fn in_use(&self) -> usize {
        self.in_use.load(Relaxed)
    }

    /// The sum of what the threads have counted.
    pub fn totals(&self) -> Totals {
        Totals::of(self.workers.iter().map(|worker| &*worker.counts))
    }

    /// Accepts connections from now on: one listener for each thread.
    pub async fn listen(&self, listeners: Vec<TcpListener>) -> io::Result<()> {
        for (worker, listener) in self.workers.iter().zip(listeners) {
            worker.send(Command::Listen(listener)).await?;
        }
        Ok(())
    }

    /// Accepts no more, and returns when the listeners are closed.
    pub async fn stop_listening(&self) {
        self.tell_all(Command::StopListening).await;
    }

    /// Ends the sessions of targets older than `epoch`. True when not one of them can send a byte to its master any more; false
    /// when that took longer than `bound`.
    pub async fn retire(&self, epoch: Epoch, end: End, bound: Duration) -> bool {
        let retired = async || self.tell_all(|done| Command::Retire(epoch, end, done)).await;
        // A session on its way from one thread to another may be seen by neither. All that had left a thread before its first answer
        // are in the inbox of another before the second question, and told to end when they are taken out of it.
        let rounds = if self.workers.len() > 1 { 2 } else { 1 };
        let all_rounds = async {
            let mut all = true;
            for _ in 0..rounds {
                all &= retired().await;
            }
            all
        };
        tokio::time::timeout(bound, all_rounds).await.is_ok_and(|all| all)
    }

    /// Ends the connections that have no master.
    pub async fn stop_waiting(&self) {
        for worker in &self.workers {
            let _ = worker.send(Command::StopWaiting).await;
        }
    }

    /// Ends every session.
    pub async fn stop_all(&self, end: End) {
        for worker in &self.workers {
            let _ = worker.send(Command::StopAll(end)).await;
        }
    }

    /// Waits until there is no session.
    pub async fn empty(&self) {
        // A session on its way from one thread to another is in the registry of neither, but it has its place.
        while self.tell_all(Command::WaitEmpty).await && self.settings.connections.taken() > 0 {}
    }

    /// Gives a thread an order beside those of the balance. Sessions follow it when they have something to do.
    pub async fn order(&self, order: Order) -> io::Result<()> {
        let (WorkerId(place), command) = Command::of(order);
        let worker = self.workers.get(place);
        worker
            .ok_or_else(|| io::Error::other("there is no such worker thread"))?
            .send(command)
            .await
    }

    /// Tells every thread, and waits for all answers. False when a thread is gone.
    async fn tell_all(&self, command: impl Fn(oneshot::Sender<()>) -> Command) -> bool {
        let mut answers = Vec::with_capacity(self.workers.len());
        let mut all = true;
        for worker in &self.workers {
            let (done, answer) = oneshot::channel();
            all &= worker.send(command(done)).await.is_ok();
            answers.push(answer);
        }
        for answer in answers {
            all &= answer.await.is_ok();
        }
        all
    }
}

impl Worker {
    async fn send(&self, command: Command) -> io::Result<()> {
        let sent = self.commands.send(command).await;
        sent.map_err(|_| io::Error::other("a worker thread has ended"))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for task in [self.looks.take(), self.balance.take()].into_iter().flatten() {
            task.abort();
        }
        let threads: Vec<_> =
            self.workers.drain(..).filter_map(|mut worker| worker.thread.take()).collect();
        for thread in threads {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

impl Thread {
    /// The state of one thread.
    fn new(
        reactor: &Rc<Reactor>,
        counts: Arc<Counters>,
        routing: Arc<Routing>,
        settings: Arc<Settings>,
        doors: Doors,
    ) -> Self {
        Self {
            reactor: Rc::clone(reactor),
            resources: RefCell::new(Resources::new(settings.tuning, Arc::clone(&counts))),
            registry: Rc::default(),
            counts,
            routing,
            settings,
            doors,
        }
    }

    /// A place for a session on another thread, if that thread has one.
    pub fn door(&self, to: WorkerId) -> Option<Door> {
        self.doors.open(to)
    }
}

/// What sessions were told to end that were on the thread at the time. One that was on its way then is told when it comes.
#[derive(Debug, Default)]
struct Ended {
    older_than: Option<(Epoch, End)>,
    all: Option<End>,
}

impl Ended {
    fn reaches(&self, epoch: Epoch) -> Option<End> {
        let older_than = self.older_than.filter(|(bound, _)| epoch < *bound);
        self.all.or(older_than.map(|(_, end)| end))
    }
}

/// A connection that is counted; no longer when it is dropped, also by a panic.
#[derive(Debug)]
struct Counted {
    thread: Rc<Thread>,
    ends_here: bool,
}

impl Counted {
    /// One that is counted already.
    fn on(thread: &Rc<Thread>) -> Self {
        Self { thread: Rc::clone(thread), ends_here: true }
    }

    /// Says where the connection has gone.
    fn has_gone(mut self, end: session::Left) {
        self.ends_here = end == session::Left::ForGood;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.ends_here {
            self.thread.counts.gone();
        }
    }
}

/// Does what the control plane says until it is gone.
async fn obey(thread: Rc<Thread>, mut inbox: mpsc::Receiver<Command>) {
    let mut acceptor: Option<Acceptor> = None;
    let mut ended = Ended::default();
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Listen(listener) => {
                if let Some(acceptor) = acceptor.take() {
                    acceptor.stop().await;
                }
                acceptor = Some(Acceptor::start(&thread, listener));
            }
            Command::StopListening(done) => {
                if let Some(acceptor) = acceptor.take() {
                    acceptor.stop().await;
                }
                let _ = done.send(());
            }
            Command::Retire(epoch, end, done) => {
                ended.older_than = Some((epoch, end));
                thread.registry.stop_before(epoch, end);
                let registry = Rc::clone(&thread.registry);
                thread.reactor.spawn(async move {
                    registry.detached_before(epoch).await;
                    let _ = done.send(());
                });
            }
            Command::StopWaiting => thread.registry.stop_waiting(End::Drain),
            Command::StopAll(end) => {
                ended.all = Some(end);
                thread.registry.stop_all(end);
            }
            Command::StopDead(bound) => thread.registry.stop_dead(bound),
            Command::WaitEmpty(done) => {
                let registry = Rc::clone(&thread.registry);
                thread.reactor.spawn(async move {
                    registry.empty().await;
                    let _ = done.send(());
                });
            }
            Command::Weigh => thread.registry.weigh(),
            Command::HandOver(share, to) => thread.registry.hand_over(share, to),
            Command::Adopt(parcel) => {
                let end = ended.reaches(parcel.epoch());
                adopt(&thread, *parcel, end);
            }
        }
    }
}

/// Carries a session on that another thread has let go, or ends it if that is what the sessions here were told.
fn adopt(thread: &Rc<Thread>, parcel: Parcel, end: Option<End>) {
    let counted = Counted::on(thread);
    // It is a member before the next command is obeyed.
    let member = thread.registry.join();
    member.attach(parcel.epoch());
    if let Some(end) = end {
        member.stop(end);
    }
    thread.reactor.spawn(async move {
        let left = session::go_on(&counted.thread, member, parcel).await;
        counted.has_gone(left);
    });
}

/// Looks now and then for peers that have vanished. TCP_USER_TIMEOUT would do it without a walk, but it also takes a peer for
/// dead that only does not read for a while: a client that pages through a result, or a master whose COPY waits for a lock.
async fn look_for_the_dead(workers: Vec<mpsc::WeakSender<Command>>, bound: Duration) {
    let mut looks = tokio::time::interval((bound / 4).clamp(MIN_LOOK, MAX_LOOK));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        // A thread ends when nobody can send it commands any more, so they are not held on to.
        for worker in workers.iter().filter_map(mpsc::WeakSender::upgrade) {
            // A thread that is behind with its commands is asked at the next look: this one must not take the place of others.
            if worker.capacity() == worker.max_capacity() {
                let _ = worker.try_send(Command::StopDead(bound));
            }
        }
    }
}

#[cfg(test)]
mod tests;
