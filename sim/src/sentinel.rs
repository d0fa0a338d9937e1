//! A sentinel process: its election, and pass after pass, as the shell of the real one makes them.

mod election;

use crate::clock::Clock;
use crate::executor::ProcessId;
use crate::oracle::Author;
use crate::store::{CLUSTER_DATA, EVERYTHING, Expected, KEEPERS, Meaning, PROXIES};
use crate::wire::{Failure, Wire};
use crate::world::World;
use election::{Election, Leader};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::check;
use stolon_model::cluster::ClusterData;
use stolon_model::decide::{Decision, Observer, Reason, Snapshot, Write, decide};
use stolon_model::json;
use stolon_model::time::Mono;
use stolon_model::uid::{KeeperUid, ProxyUid};

/// Passes begin at least this far apart.
const SHORTEST_GAP: Duration = Duration::from_millis(20);
const SHORTEST_GAP_OF_FOLLOWER: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A machine with a sentinel.
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
}

/// How a pass ended.
enum Outcome {
    Done { wake_at: Option<Mono>, sleep_interval: Option<Duration> },
    Overtaken,
    Failed,
}

struct Sentinel {
    world: Rc<World>,
    machine: Rc<Machine>,
    election: Rc<Election>,
    observer: Observer,
    rng: fastrand::Rng,
    said: Vec<Reason>,
}

/// Starts the process.
pub fn start(world: &Rc<World>, machine: &Rc<Machine>) {
    let process = world.executor.process();
    machine.process.set(Some(process));
    let election = Rc::new(Election::default());
    world
        .executor
        .spawn(process, election::run(world.clone(), machine.clone(), election.clone(), process));
    let sentinel = Sentinel {
        world: world.clone(),
        machine: machine.clone(),
        election,
        observer: Observer::default(),
        rng: world.fork_rng(),
        said: Vec::new(),
    };
    world.executor.spawn(process, sentinel.run());
}

impl Sentinel {
    async fn run(mut self) {
        let changes = self.world.store.watch(EVERYTHING, &self.machine.wire);
        let clock = self.machine.clock.clone();
        let mut sleep_interval = Duration::from_secs(5);
        let mut failures = 0u32;
        loop {
            let began = clock.mono();
            let leader = self.election.leads(clock.mono());
            let is_leader = leader.is_some();
            let outcome = self.pass(leader).await;
            let now = clock.mono();
            let (longest, is_patient, gap) = match outcome {
                Outcome::Done { wake_at, sleep_interval: wanted } => {
                    sleep_interval = wanted.unwrap_or(sleep_interval);
                    failures = 0;
                    let until_timer = wake_at.map_or(Duration::MAX, |at| at.since(now));
                    let gap = if is_leader { SHORTEST_GAP } else { SHORTEST_GAP_OF_FOLLOWER };
                    (until_timer.min(sleep_interval), false, gap)
                }
                Outcome::Overtaken => (Duration::ZERO, false, SHORTEST_GAP),
                Outcome::Failed => {
                    let pause = SHORTEST_PAUSE.saturating_mul(2u32.saturating_pow(failures));
                    failures = failures.saturating_add(1);
                    (pause.min(LONGEST_PAUSE).min(sleep_interval), true, SHORTEST_GAP)
                }
            };
            let wait = async {
                tokio::select! {
                    biased;
                    () = changes.notified(), if !is_patient => {}
                    () = clock.sleep(longest) => {}
                }
                clock.sleep_until(began.plus(gap)).await;
            };
            tokio::select! {
                biased;
                () = wait => {}
                () = self.election.changed.notified() => {}
            }
        }
    }

    async fn pass(&mut self, leader: Option<Leader>) -> Outcome {
        let Ok((mut snapshot, expected)) = self.observe(leader.is_some()).await else {
            return Outcome::Failed;
        };
        snapshot.term = leader.as_ref().map(|leader| leader.term);
        snapshot.initial_spec = Some(self.world.settings.spec.clone());
        snapshot.seed = self.rng.u64(..);
        let decision = decide(&snapshot, &self.observer, self.machine.clock.now());
        let read = snapshot.cluster_data.as_ref();
        if let Err(outcome) = self.write(&decision, read, expected, leader).await {
            self.observer = decision.observer_if_not_written;
            return outcome;
        }
        self.tell(&decision.reasons);
        self.observer = decision.observer;
        Outcome::Done { wake_at: decision.wake_at, sleep_interval: decision.sleep_interval }
    }

    async fn observe(&self, is_leader: bool) -> Result<(Snapshot, Expected), Failure> {
        let (clock, wire, store) = (&self.machine.clock, &self.machine.wire, &self.world.store);
        let read = wire.call(clock, store, |store| Ok(store.get(CLUSTER_DATA))).await?;
        let mut snapshot = Snapshot::default();
        let expected = read.as_ref().map_or(0, |record| record.modified);
        match read.map(|record| record.meaning) {
            None => {}
            Some(Meaning::ClusterData(data)) => {
                snapshot.cluster_data = Some(ClusterData::clone(&data));
            }
            Some(_) => return Err(Failure::Unreachable),
        }
        if !is_leader || snapshot.cluster_data.is_none() {
            return Ok((snapshot, expected));
        }
        for (key, record) in wire.call(clock, store, |store| Ok(store.list(KEEPERS))).await? {
            let uid = KeeperUid::new(key.strip_prefix(KEEPERS).unwrap_or_default());
            match record.meaning {
                Meaning::Keeper(info) => {
                    snapshot.keeper_infos.insert(uid, info.as_ref().clone());
                }
                _ => {
                    snapshot.unreadable_keepers.insert(uid);
                }
            }
        }
        for (key, record) in wire.call(clock, store, |store| Ok(store.list(PROXIES))).await? {
            let uid = ProxyUid::new(key.strip_prefix(PROXIES).unwrap_or_default());
            match record.meaning {
                Meaning::Proxy(info) => {
                    snapshot.proxy_infos.insert(uid, info.as_ref().clone());
                }
                _ => {
                    snapshot.unreadable_proxies.insert(uid);
                }
            }
        }
        Ok((snapshot, expected))
    }

    async fn write(
        &self,
        decision: &Decision,
        read: Option<&ClusterData>,
        expected: Expected,
        leader: Option<Leader>,
    ) -> Result<(), Outcome> {
        let data = match &decision.cluster_data {
            Some(data) if decision.write != Write::Nothing => data.clone(),
            _ => return Ok(()),
        };
        let violations = check::introduced(read, &data);
        if let Some(violation) = violations.first() {
            self.world.oracle.broken(
                &self.world,
                "decisions can be written",
                violation.to_string(),
            );
            return Err(Outcome::Failed);
        }
        let (world, name) = (self.world.clone(), self.machine.name.clone());
        let old = read.cloned();
        let is_fenced = !self.world.settings.are_sentinels_unfenced;
        let wire = &self.machine.wire;
        let swapped = wire.call(&self.machine.clock, &self.world.store, move |store| {
            let leads = leader.is_none_or(|leader| store.leads(&leader.key, leader.term));
            if old.is_some() && is_fenced && !leads || !store.is_as_expected(CLUSTER_DATA, expected)
            {
                world.say(&name, || "overtaken".to_owned());
                return Ok(false);
            }
            let bytes = json::encode(&data);
            store.put(CLUSTER_DATA, &bytes, None)?;
            world.oracle.written(&world, old.as_ref(), &data, Author::Sentinel);
            if let Some(Meaning::ClusterData(back)) =
                store.get(CLUSTER_DATA).map(|record| record.meaning)
                && *back != data
            {
                let text = "what is written reads otherwise".to_owned();
                world.oracle.broken(&world, "cluster data survives the wire", text);
            }
            Ok(true)
        });
        match swapped.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Outcome::Overtaken),
            Err(_) => Err(Outcome::Failed),
        }
    }

    fn tell(&mut self, reasons: &[Reason]) {
        for reason in reasons {
            if !self.said.iter().any(|said| said.repeats(reason)) {
                self.world.say(&self.machine.name, || {
                    let fields: Vec<String> = reason
                        .fields
                        .iter()
                        .map(|(name, value)| format!("{name}={value}"))
                        .collect();
                    format!("{} {}", reason.message, fields.join(" "))
                });
            }
        }
        self.said = reasons.to_vec();
    }
}
