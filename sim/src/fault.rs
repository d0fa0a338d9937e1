//! What goes wrong, and how it heals.

mod operator;

use crate::executor::ProcessId;
use crate::keeper;
use crate::node::Node;
use crate::postgres;
use crate::proxy;
use crate::sentinel;
use crate::store::{KEEPERS, PROXIES};
use crate::user::Progress;
use crate::wire::Wire;
use crate::world::World;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

pub use operator::Operator;

/// Everybody to whom something can happen.
#[derive(Debug)]
pub struct Inhabitants {
    /// Machines with sentinels.
    pub sentinels: Vec<Rc<sentinel::Machine>>,
    /// Machines with keepers.
    pub nodes: Vec<Rc<Node>>,
    /// Machines with proxies, and what users got done through each.
    pub proxies: Rc<Vec<(Rc<proxy::Machine>, Progress)>>,
}

/// Lets things go wrong, one after the other.
#[derive(Debug)]
pub struct Chaos {
    world: Rc<World>,
    inhabitants: Rc<Inhabitants>,
    operator: Rc<Operator>,
    is_over: Cell<bool>,
}

impl Chaos {
    /// Nothing has gone wrong yet.
    pub fn new(world: &Rc<World>, inhabitants: Rc<Inhabitants>) -> Rc<Self> {
        Rc::new(Self {
            world: world.clone(),
            inhabitants,
            operator: Rc::new(Operator::new(world)),
            is_over: Cell::default(),
        })
    }

    /// Lets things go wrong until [`Chaos::heal`].
    pub async fn run(self: Rc<Self>) {
        let world = &self.world;
        let mean = u64::try_from(world.settings.fault_interval.as_millis()).unwrap_or(u64::MAX);
        while !self.is_over.get() {
            world.executor.sleep(world.span(mean / 4, mean * 2)).await;
            if !self.is_over.get() {
                self.one();
            }
        }
    }

    /// Heals everything.
    pub fn heal(self: &Rc<Self>) {
        self.is_over.set(true);
        self.world.say("FAULT", || "everything heals".to_owned());
        self.world.is_faulty.set(false);
        self.operator.restore();
        for wire in self.wires() {
            wire.cut(false);
            wire.mute(false);
            wire.disturb(Duration::ZERO, 0);
            self.world.store.rewatch(&wire);
        }
        for node in &self.inhabitants.nodes {
            node.is_cut.set(false);
        }
        for process in self.processes() {
            self.world.executor.freeze(process, false);
        }
        for machine in &self.inhabitants.sentinels {
            if machine.process.get().is_none() {
                sentinel::start(&self.world, machine);
            }
        }
        for node in &self.inhabitants.nodes {
            if node.keeper.get().is_none() {
                keeper::start(&self.world, node);
            }
        }
        for (machine, _) in self.inhabitants.proxies.iter() {
            if machine.process.get().is_none() {
                proxy::start(&self.world, machine);
            }
        }
    }

    fn wires(&self) -> Vec<Rc<Wire>> {
        let sentinels = self.inhabitants.sentinels.iter().map(|machine| machine.wire.clone());
        let nodes = self.inhabitants.nodes.iter().map(|node| node.wire.clone());
        let proxies = self.inhabitants.proxies.iter().map(|(machine, _)| machine.wire.clone());
        sentinels.chain(nodes).chain(proxies).collect()
    }

    fn processes(&self) -> Vec<ProcessId> {
        let sentinels = self.inhabitants.sentinels.iter().filter_map(|m| m.process.get());
        let keepers = self.inhabitants.nodes.iter().filter_map(|node| node.keeper.get());
        let servers =
            self.inhabitants.nodes.iter().filter_map(|node| node.server().map(|s| s.process));
        let proxies = self.inhabitants.proxies.iter().filter_map(|(m, _)| m.process.get());
        sentinels.chain(keepers).chain(servers).chain(proxies).collect()
    }

    fn say(&self, what: impl FnOnce() -> String) {
        self.world.say("FAULT", what);
    }

    fn span(&self) -> Duration {
        match self.world.pick(4) {
            0 => self.world.span(100, 2000),
            1 => self.world.span(1000, 10_000),
            _ => self.world.span(5000, 50_000),
        }
    }

    fn later(self: &Rc<Self>, what: impl FnOnce(&Rc<Self>) + 'static) {
        let chaos = self.clone();
        self.world.executor.after(self.span(), move || {
            if !chaos.is_over.get() {
                what(&chaos);
            }
        });
    }

    fn one(self: &Rc<Self>) {
        match self.world.pick(20) {
            0 | 1 => self.cut_from_store(),
            2 => self.disturb(),
            3 => self.mute(),
            4 => self.end_sentinel(),
            5 => self.end_keeper(false),
            6 => self.end_keeper(true),
            7 => self.end_server(),
            8 | 9 => self.freeze_one(),
            10 => self.freeze_machine(),
            11 | 12 => self.cut_node(),
            13 => self.end_proxy(),
            14 => self.write_garbage(),
            15 => {
                let wires = self.wires();
                // A lease that is lost while its owner cannot know it takes away the sentinel's only sign of a proxy.
                if wires.iter().all(|wire| !wire.is_cut()) && self.world.chance(300) {
                    self.say(|| "every lease is revoked".to_owned());
                    self.world.store.revoke_all();
                }
            }
            16 if self.world.settings.are_clocks_odd => {
                let node = self.node();
                let jump = if self.world.chance(500) { 3_600_000 } else { -3_600_000 };
                node.clock.jump(jump);
            }
            17 | 18 if self.world.settings.are_operators_busy => self.operator.act(),
            _ => self.end_server(),
        }
    }

    fn node(&self) -> Rc<Node> {
        let nodes = &self.inhabitants.nodes;
        // The master is the most interesting one.
        let writable = nodes.iter().find(|node| node.is_writable());
        match writable {
            Some(node) if self.world.chance(400) => node.clone(),
            _ => nodes[self.world.pick(nodes.len())].clone(),
        }
    }

    fn proxy(&self) -> Rc<proxy::Machine> {
        let proxies = &self.inhabitants.proxies;
        proxies[self.world.pick(proxies.len())].0.clone()
    }

    fn cut_from_store(self: &Rc<Self>) {
        let wires = self.wires();
        let index = self.world.pick(wires.len());
        let wire = wires[index].clone();
        if wire.is_cut() {
            return;
        }
        self.say(|| format!("component {index} is cut off from the store"));
        wire.cut(true);
        self.later(move |chaos| {
            chaos.say(|| format!("component {index} reaches the store again"));
            wire.cut(false);
            chaos.world.store.rewatch(&wire);
        });
    }

    fn disturb(self: &Rc<Self>) {
        let wires = self.wires();
        let index = self.world.pick(wires.len());
        let wire = wires[index].clone();
        let (slowness, loss) = (self.world.span(100, 6000), self.world.pick(300) as u32);
        self.say(|| format!("component {index}: slow by {slowness:?}, loses {loss} of 1000"));
        wire.disturb(slowness, loss);
        self.later(move |_| wire.disturb(Duration::ZERO, 0));
    }

    fn mute(self: &Rc<Self>) {
        let wires = self.wires();
        let index = self.world.pick(wires.len());
        let wire = wires[index].clone();
        self.say(|| format!("component {index}: watches are silent"));
        wire.mute(true);
        self.later(move |chaos| {
            wire.mute(false);
            chaos.world.store.rewatch(&wire);
        });
    }

    fn end_sentinel(self: &Rc<Self>) {
        let sentinels = &self.inhabitants.sentinels;
        let machine = sentinels[self.world.pick(sentinels.len())].clone();
        let Some(process) = machine.process.take() else { return };
        self.say(|| format!("{} is killed", machine.name));
        self.world.executor.kill(process);
        self.later(move |chaos| {
            if machine.process.get().is_none() {
                sentinel::start(&chaos.world, &machine);
            }
        });
    }

    fn end_keeper(self: &Rc<Self>, with_server: bool) {
        let node = self.node();
        let Some(process) = node.keeper.take() else { return };
        self.say(|| format!("{} is killed, its server too: {with_server}", node.uid));
        self.world.executor.kill(process);
        if with_server {
            postgres::kill(&self.world, &node);
        }
        self.later(move |chaos| {
            if node.keeper.get().is_none() {
                chaos.say(|| format!("{} is started", node.uid));
                keeper::start(&chaos.world, &node);
            }
        });
    }

    fn end_server(&self) {
        let node = self.node();
        if node.server().is_some() {
            self.say(|| format!("the server of {} is killed", node.uid));
            postgres::kill(&self.world, &node);
        }
    }

    fn freeze_one(self: &Rc<Self>) {
        let processes = self.processes();
        if let Some(process) = processes.get(self.world.pick(processes.len())) {
            self.freeze(vec![*process]);
        }
    }

    /// A machine, with a proxy on it perhaps, stands still as a whole.
    fn freeze_machine(self: &Rc<Self>) {
        let node = self.node();
        let mut processes: Vec<ProcessId> = node.keeper.get().into_iter().collect();
        processes.extend(node.server().map(|server| server.process));
        if self.world.chance(500) {
            processes.extend(self.proxy().process.get());
        }
        self.say(|| format!("the machine of {} stands still", node.uid));
        self.freeze(processes);
    }

    fn freeze(self: &Rc<Self>, mut processes: Vec<ProcessId>) {
        self.say(|| format!("{processes:?} stand still: {}", self.names(&processes)));
        for process in &processes {
            self.world.executor.freeze(*process, true);
        }
        self.later(move |chaos| {
            chaos.say(|| format!("{processes:?} go on"));
            // Who runs first is anybody's guess.
            while !processes.is_empty() {
                let process = processes.swap_remove(chaos.world.pick(processes.len()));
                chaos.world.executor.freeze(process, false);
            }
        });
    }

    fn names(&self, processes: &[ProcessId]) -> String {
        let inhabitants = &self.inhabitants;
        let mut names = Vec::new();
        let mut add = |process: Option<ProcessId>, name: String| {
            if process.is_some_and(|process| processes.contains(&process)) {
                names.push(name);
            }
        };
        for machine in &inhabitants.sentinels {
            add(machine.process.get(), machine.name.clone());
        }
        for (machine, _) in inhabitants.proxies.iter() {
            add(machine.process.get(), machine.name.clone());
        }
        for node in &inhabitants.nodes {
            add(node.keeper.get(), node.uid.to_string());
            add(node.server().map(|server| server.process), format!("PostgreSQL of {}", node.uid));
        }
        names.join(", ")
    }

    fn cut_node(self: &Rc<Self>) {
        let node = self.node();
        let from_store = self.world.chance(500);
        self.say(|| format!("{} is cut off from the others, store too: {from_store}", node.uid));
        node.is_cut.set(true);
        if from_store {
            node.wire.cut(true);
        }
        self.later(move |chaos| {
            chaos.say(|| format!("{} is back", node.uid));
            node.is_cut.set(false);
            if from_store {
                node.wire.cut(false);
                chaos.world.store.rewatch(&node.wire);
            }
        });
    }

    fn end_proxy(self: &Rc<Self>) {
        let machine = self.proxy();
        if machine.process.get().is_none() {
            return;
        }
        let in_order = self.world.chance(500);
        self.say(|| format!("{} ends, in order: {in_order}", machine.name));
        proxy::end(&self.world, &machine, in_order);
        self.later(move |chaos| {
            if machine.process.get().is_none() {
                proxy::start(&chaos.world, &machine);
            }
        });
    }

    fn write_garbage(&self) {
        let prefix = if self.world.chance(500) { KEEPERS } else { PROXIES };
        let keys = self.world.store.list(prefix);
        if let Some((key, record)) = keys.get(self.world.pick(keys.len())) {
            self.say(|| format!("garbage at {key}"));
            self.world.store.spoil(key, record);
        }
    }
}
