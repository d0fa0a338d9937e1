//! One run: a world is made from a seed, things go wrong in it, and it heals.

use crate::clock::{Clock, TRUE_RATE};
use crate::fault::{Chaos, Inhabitants};
use crate::keeper;
use crate::node::Node;
use crate::oracle::{Counts, Violation};
use crate::proxy;
use crate::sentinel;
use crate::settings::Settings;
use crate::store::{CLUSTER_DATA, Meaning};
use crate::trace::Trace;
use crate::user::{self, Progress};
use crate::wire::Wire;
use crate::world::World;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::cluster::{ClusterData, Phase};
use stolon_model::uid::KeeperUid;

/// How long the cluster may take to come to rest after everything has healed.
pub const LIVENESS_BOUND: Duration = Duration::from_secs(300);
/// For so long it has to stay at rest.
const REST: Duration = Duration::from_secs(15);
/// Old WAL is removed this often, all but so much.
const RECYCLE: (Duration, u64) = (Duration::from_secs(20), 128 << 20);

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// What happened.
    pub counts: Counts,
    /// How long the cluster took to come to rest.
    pub rest_after: Duration,
    /// The kind of world it was.
    pub settings: Settings,
}

/// A run that broke a rule.
#[derive(Debug)]
pub struct Failure {
    /// The rule.
    pub violation: Violation,
    /// What happened before.
    pub trace: String,
    /// The kind of world it was.
    pub settings: Settings,
}

/// Runs the world of `seed`, and keeps the last `lines` lines of its trace.
pub fn run(seed: u64, lines: usize) -> Result<Report, Box<Failure>> {
    let settings = Settings::of_seed(seed);
    let world = World::new(settings.clone(), seed, Trace::new(lines));
    let outcome = live(&world);
    world.executor.clear();
    outcome
        .map(|rest_after| Report {
            counts: world.oracle.counts(),
            rest_after,
            settings: settings.clone(),
        })
        .map_err(|violation| Box::new(Failure { violation, trace: world.trace.text(), settings }))
}

fn live(world: &Rc<World>) -> Result<Duration, Violation> {
    let inhabitants = Rc::new(people(world));
    let chaos = Chaos::new(world, inhabitants.clone());
    for _ in 0..world.settings.users {
        let user = user::run(world.clone(), inhabitants.proxies.clone());
        world.executor.spawn(crate::executor::ProcessId::WORLD, user);
    }
    world.executor.spawn(crate::executor::ProcessId::WORLD, recycle(world.clone()));
    let quiet = Duration::from_secs(30);
    advance(world, quiet)?;
    world.is_faulty.set(true);
    world.executor.spawn(crate::executor::ProcessId::WORLD, chaos.clone().run());
    let healed_at = quiet + world.settings.faults_for;
    advance(world, healed_at)?;
    chaos.heal();
    come_to_rest(world, &inhabitants, healed_at)
}

fn advance(world: &Rc<World>, end: Duration) -> Result<(), Violation> {
    world.executor.run_until(end, || world.oracle.violation().is_some());
    world.oracle.violation().map_or(Ok(()), Err)
}

fn come_to_rest(
    world: &Rc<World>,
    inhabitants: &Inhabitants,
    healed_at: Duration,
) -> Result<Duration, Violation> {
    let mut rest_since = None;
    loop {
        let now = world.executor.now();
        match unrest(inhabitants, world) {
            None => {
                let since = *rest_since.get_or_insert(now);
                if now - since >= REST {
                    if let Some(master) = inhabitants.nodes.iter().find(|node| node.is_writable()) {
                        world.oracle.has_everything(world, master, "is the last master");
                    }
                    advance(world, now)?;
                    return Ok(since - healed_at);
                }
            }
            Some(why) => {
                rest_since = None;
                world.say("UNREST", || why.clone());
                if now > healed_at + LIVENESS_BOUND {
                    let text = format!("not at rest {LIVENESS_BOUND:?} after healing: {why}");
                    return Err(Violation { rule: "I8 convergence", text });
                }
            }
        }
        advance(world, now + Duration::from_secs(1))?;
    }
}

/// Why the cluster is not at rest.
fn unrest(inhabitants: &Inhabitants, world: &World) -> Option<String> {
    let data: Rc<ClusterData> = match world.store.get(CLUSTER_DATA).map(|record| record.meaning) {
        Some(Meaning::ClusterData(data)) => data,
        _ => return Some("there are no cluster data".to_owned()),
    };
    let (cluster, spec) = match data.validate() {
        Ok(valid) => valid,
        Err(error) => return Some(error.to_string()),
    };
    if cluster.status.phase != Some(Phase::Normal) {
        return Some("the cluster is not made yet".to_owned());
    }
    let keeper = data.master_db().and_then(|db| db.keeper_uid().cloned()).unwrap_or_default();
    let Some(master) = inhabitants.nodes.iter().find(|node| node.uid == keeper) else {
        return Some(format!("the master's keeper {keeper} is nobody"));
    };
    let writable: Vec<&KeeperUid> =
        inhabitants.nodes.iter().filter(|node| node.is_writable()).map(|node| &node.uid).collect();
    if writable != [&master.uid] {
        return Some(format!("{writable:?} take writes, the master is {}", master.uid));
    }
    let Some(server) = master.server().filter(|server| server.lets_users_in()) else {
        return Some("the master lets nobody in".to_owned());
    };
    let streaming = server.senders.borrow().values().filter(|sender| sender.is_streaming).count();
    let wanted = (inhabitants.nodes.len() - 1).min(usize::from(spec.max_standbys_per_sender));
    if streaming < wanted {
        return Some(format!("{streaming} of {wanted} standbys stream"));
    }
    for (machine, progress) in inhabitants.proxies.iter() {
        let goal = machine.goal.borrow().clone();
        let is_open = goal.is_some_and(|goal| {
            goal.address.ip().to_string() == Node::address_of(master.index)
                && goal.is_open(machine.clock.mono())
        });
        if !is_open {
            return Some(format!("{} does not forward to the master", machine.name));
        }
        if world.executor.now() - progress.last.get() > REST {
            return Some(format!("nobody gets anything done through {}", machine.name));
        }
    }
    None
}

async fn recycle(world: Rc<World>) {
    loop {
        world.executor.sleep(RECYCLE.0).await;
        for node in world.all_nodes() {
            if node.server().is_some()
                && let Some(data) = &mut node.disk.borrow_mut().data
            {
                let wanted = data.slots.values().min().copied();
                data.wal.recycle(RECYCLE.1, wanted);
            }
        }
    }
}

fn people(world: &Rc<World>) -> Inhabitants {
    let settings = world.settings.clone();
    let wire = || Rc::new(Wire::new(world.executor.clone(), world.fork_rng()));
    let clock = || {
        let rate = match settings.are_clocks_odd {
            true => TRUE_RATE * 9 / 10 + world.pick(250) as u32,
            false => TRUE_RATE,
        };
        Clock::new(world.executor.clone(), world.span(0, 10_000_000), rate)
    };
    let sentinels: Vec<_> = (0..settings.sentinels)
        .map(|index| {
            Rc::new(sentinel::Machine {
                name: format!("sentinel{index}"),
                wire: wire(),
                clock: clock(),
                process: Cell::default(),
            })
        })
        .collect();
    let nodes: Vec<_> = (0..settings.keepers)
        .map(|index| {
            let node = Node::new(index, wire(), clock());
            Rc::new(node)
        })
        .collect();
    let proxies: Vec<_> = (0..settings.proxies)
        .map(|index| {
            (
                Rc::new(proxy::Machine::new(format!("proxy{index}"), wire(), clock())),
                Progress::default(),
            )
        })
        .collect();
    world.nodes.borrow_mut().clone_from(&nodes);
    sentinels.iter().for_each(|machine| sentinel::start(world, machine));
    nodes.iter().for_each(|node| keeper::start(world, node));
    proxies.iter().for_each(|(machine, _)| proxy::start(world, machine));
    Inhabitants { sentinels, nodes, proxies: Rc::new(proxies) }
}
