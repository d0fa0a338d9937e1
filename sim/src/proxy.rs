//! A proxy process: the checks of the real one, carried out in this world, and its fence.

mod session;

use crate::clock::Clock;
use crate::executor::ProcessId;
use crate::publisher::Publisher;
use crate::store::{CLUSTER_DATA, Meaning, PROXIES};
use crate::wire::{Failure, Wire};
use crate::world::World;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::generation::Generation;
use stolon_model::info::ProxyInfo;
use stolon_model::json;
use stolon_model::time::Mono;
use stolon_model::uid::{DbUid, InfoUid, ProxyUid, short_uid};
use stolon_proxy::check::{Master, OnFailure, Pace, Plan, Step, Wish, plan, wish};
use stolon_proxy::fence::Fence;
use stolon_proxy::target::{Epoch, Target};
use tokio::sync::Notify;

pub use session::Session;

const BREATH: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_secs(1);

/// A machine with a proxy.
#[derive(Debug)]
pub struct Machine {
    /// Its name in the trace.
    pub name: String,
    /// The way to the store.
    pub wire: Rc<Wire>,
    /// Its clocks.
    pub clock: Clock,
    /// The process, if it runs.
    pub process: Cell<Option<ProcessId>>,
    /// Where it forwards to.
    pub goal: RefCell<Option<Rc<Goal>>>,
    /// What the process published.
    pub publisher: RefCell<Option<(Duration, Rc<Publisher>)>>,
}

/// A destination, until it is dropped.
#[derive(Debug)]
pub struct Goal {
    /// The db.
    pub db: DbUid,
    /// Its address.
    pub address: SocketAddr,
    /// Bytes may go there until then.
    pub deadline: Cell<Mono>,
    /// It has been dropped, and its sessions with it.
    pub is_dropped: Cell<bool>,
    /// Notified when it is dropped.
    pub dropped: Notify,
}

struct Proxy {
    world: Rc<World>,
    machine: Rc<Machine>,
    process: ProcessId,
    uid: ProxyUid,
    rng: RefCell<fastrand::Rng>,
    pace: Cell<Pace>,
    falls_at: Cell<Option<Mono>>,
    moved: Notify,
}

/// Starts the process.
pub fn start(world: &Rc<World>, machine: &Rc<Machine>) {
    let process = world.executor.process();
    machine.process.set(Some(process));
    let mut rng = world.fork_rng();
    let pace = Pace::default();
    let proxy = Rc::new(Proxy {
        world: world.clone(),
        machine: machine.clone(),
        process,
        uid: ProxyUid::new(short_uid(&mut rng)),
        rng: RefCell::new(rng),
        pace: Cell::new(pace),
        falls_at: Cell::new(Some(machine.clock.mono().plus(pace.timeout))),
        moved: Notify::new(),
    });
    world.say(&machine.name, || format!("starts as {}", proxy.uid));
    world.executor.spawn(process, proxy.clone().fall_in_time());
    world.executor.spawn(process, proxy.run());
}

/// Ends the process. Its connections end with it; one that ends in order takes back what it published.
pub fn end(world: &Rc<World>, machine: &Rc<Machine>, in_order: bool) {
    let Some(process) = machine.process.take() else { return };
    drop_goal(machine);
    let publisher = machine.publisher.take();
    if in_order
        && !machine.wire.is_cut()
        && let Some((_, publisher)) = publisher
    {
        // The last words, and what follows when the sentinel has had its time to read them.
        if let Some(Ok(info)) = publisher.last().map(|last| json::decode::<ProxyInfo>(&last)) {
            let info_uid = InfoUid::new(short_uid(&mut world.fork_rng()));
            publisher.put_last(&json::encode(&ProxyInfo { info_uid, is_closed: true, ..info }));
        }
        let patience = world.span(50, 1000);
        world.executor.after(patience, move || publisher.revoke());
    }
    world.executor.kill(process);
}

fn drop_goal(machine: &Machine) {
    if let Some(goal) = machine.goal.take() {
        goal.is_dropped.set(true);
        goal.dropped.notify_waiters();
    }
}

impl Machine {
    /// A machine on which nothing runs yet.
    pub fn new(name: String, wire: Rc<Wire>, clock: Clock) -> Self {
        Self {
            name,
            wire,
            clock,
            process: Cell::default(),
            goal: RefCell::default(),
            publisher: RefCell::default(),
        }
    }
}

impl Goal {
    /// Whether bytes may go there at this moment.
    pub fn is_open(&self, now: Mono) -> bool {
        !self.is_dropped.get() && now < self.deadline.get()
    }
}

impl Proxy {
    async fn run(self: Rc<Self>) {
        let wake = self.world.store.watch(CLUSTER_DATA, &self.machine.wire);
        let clock = &self.machine.clock;
        loop {
            let began = clock.mono();
            let outcome = self.check(began).await;
            self.conclude(began, &outcome);
            let interval = self.pace.get().check_interval;
            let pause = if outcome.is_err() { interval.min(RETRY) } else { interval };
            let ended = clock.mono();
            tokio::select! {
                biased;
                () = wake.notified() => clock.sleep_until(ended.plus(BREATH)).await,
                () = clock.sleep(pause) => {}
            }
        }
    }

    fn conclude(&self, began: Mono, outcome: &Result<(), Failure>) {
        let deadline = began.plus(self.pace.get().timeout);
        if outcome.is_ok() && self.machine.clock.mono() < deadline {
            if let Some(goal) = &*self.machine.goal.borrow() {
                goal.deadline.set(deadline);
            }
            self.falls_at.set(Some(deadline));
            self.moved.notify_one();
        }
    }

    async fn fall_in_time(self: Rc<Self>) {
        let clock = &self.machine.clock;
        loop {
            match self.falls_at.get() {
                Some(at) if clock.mono() >= at => {
                    self.falls_at.set(None);
                    self.world.say(&self.machine.name, || "the fence falls".to_owned());
                    drop_goal(&self.machine);
                }
                Some(at) => clock.sleep(at.since(clock.mono())).await,
                None => self.moved.notified().await,
            }
        }
    }

    async fn check(&self, began: Mono) -> Result<(), Failure> {
        let (clock, wire, store) = (&self.machine.clock, &self.machine.wire, &self.world.store);
        let read = wire.call(clock, store, |store| Ok(store.get(CLUSTER_DATA))).await?;
        let data = match read.map(|record| record.meaning) {
            None => None,
            Some(Meaning::ClusterData(data)) => Some(data),
            Some(_) => return Err(Failure::Unreachable),
        };
        let wish = wish(data.as_deref(), &self.uid);
        let resolved = match &wish {
            Wish::Master(Master { host, port, .. }) => {
                format!("{host}:{port}").parse().map_err(|_| format!("cannot resolve {host:?}"))
            }
            Wish::Rest(_) | Wish::Close(..) => Err(String::new()),
        };
        let current = self.machine.goal.borrow().as_ref().map(|goal| Target {
            epoch: Epoch::default(),
            generation: Generation::NONE,
            db: goal.db.clone(),
            address: goal.address,
            fence: Fence::until(Duration::ZERO),
        });
        self.carry_out(plan(wish, resolved, current.as_ref()), began).await
    }

    async fn carry_out(&self, plan: Plan, began: Mono) -> Result<(), Failure> {
        for step in plan.steps {
            match step {
                Step::Drop(absence) => {
                    if self.machine.goal.borrow().is_some() {
                        self.world.say(&self.machine.name, || format!("closes: {absence:?}"));
                        drop_goal(&self.machine);
                    }
                    self.world.executor.sleep(self.world.span(0, 3)).await;
                }
                Step::Publish(generation, pace, on_failure) => {
                    let outcome = self.publish(generation, pace).await;
                    if on_failure == OnFailure::Fail {
                        outcome?;
                    }
                }
                Step::Forward(_, db, address) => {
                    let deadline = began.plus(self.pace.get().timeout);
                    if self.machine.clock.mono() >= deadline {
                        return Err(Failure::TimedOut);
                    }
                    self.forward(db, address, deadline);
                }
            }
        }
        plan.fails.map_or(Ok(()), |_| Err(Failure::Unreachable))
    }

    fn forward(&self, db: DbUid, address: SocketAddr, deadline: Mono) {
        let same = self.machine.goal.borrow().clone();
        if let Some(goal) = same.filter(|goal| goal.db == db && goal.address == address) {
            goal.deadline.set(deadline);
            return;
        }
        drop_goal(&self.machine);
        self.world.say(&self.machine.name, || format!("forwards to {db} at {address}"));
        let goal = Goal {
            db,
            address,
            deadline: Cell::new(deadline),
            is_dropped: Cell::default(),
            dropped: Notify::new(),
        };
        *self.machine.goal.borrow_mut() = Some(Rc::new(goal));
    }

    async fn publish(&self, generation: Generation, pace: Pace) -> Result<(), Failure> {
        let timeout = self.pace.get().timeout.max(pace.timeout);
        let info = ProxyInfo {
            info_uid: InfoUid::new(short_uid(&mut self.rng.borrow_mut())),
            uid: self.uid.clone(),
            generation,
            proxy_timeout_nanos: i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX),
            is_closed: false,
        };
        let ttl = timeout * 2;
        let known = self.machine.publisher.borrow().clone().filter(|(its, _)| *its == ttl);
        let (publisher, outdated) = match known {
            Some((_, publisher)) => (publisher, None),
            None => {
                let key = format!("{PROXIES}{}", self.uid);
                let (wire, clock) = (&self.machine.wire, &self.machine.clock);
                let fresh = Publisher::new(&self.world, self.process, wire, clock, key, ttl);
                let outdated = self.machine.publisher.replace(Some((ttl, fresh.clone())));
                (fresh, outdated)
            }
        };
        publisher.publish(json::encode(&info)).await?;
        if let Some((_, outdated)) = outdated {
            outdated.revoke();
        }
        self.pace.set(pace);
        Ok(())
    }
}
