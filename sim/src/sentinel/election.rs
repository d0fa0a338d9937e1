//! The election: candidates queue by the create revision of their keys, and the oldest leads.

use super::Machine;
use crate::executor::ProcessId;
use crate::store::CANDIDATES;
use crate::wire::Failure;
use crate::world::World;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use stolon_model::time::Mono;
use tokio::sync::Notify;

const TTL: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(500);

/// Whether this sentinel leads.
#[derive(Debug, Default)]
pub struct Election {
    leader: RefCell<Option<Leader>>,
    valid_until: Cell<Mono>,
    /// Notified when leadership is gained or lost.
    pub changed: Notify,
}

/// By what it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The key.
    pub key: String,
    /// Its create revision, which is the term.
    pub term: u64,
}

impl Election {
    /// By what it leads at this moment.
    pub fn leads(&self, now: Mono) -> Option<Leader> {
        self.leader.borrow().clone().filter(|_| now < self.valid_until.get())
    }

    fn set(&self, leader: Option<Leader>) {
        if *self.leader.borrow() != leader {
            *self.leader.borrow_mut() = leader;
            self.changed.notify_one();
        }
    }
}

/// Stands for election for ever.
pub async fn run(
    world: Rc<World>,
    machine: Rc<Machine>,
    election: Rc<Election>,
    process: ProcessId,
) {
    loop {
        // A failure is one like any other end: the next campaign begins after the pause.
        let _ = campaign(&world, &machine, &election, process).await;
        election.set(None);
        machine.clock.sleep(PAUSE).await;
    }
}

async fn campaign(
    world: &Rc<World>,
    machine: &Rc<Machine>,
    election: &Rc<Election>,
    process: ProcessId,
) -> Result<(), Failure> {
    let (clock, wire, store) = (&machine.clock, &machine.wire, &world.store);
    let asked = clock.mono();
    let lease = wire.call(clock, store, |store| Ok(store.grant(TTL))).await?;
    election.valid_until.set(asked.plus(TTL));
    let key = format!("{CANDIDATES}{lease:x}");
    let own = key.clone();
    let created = wire.call(clock, store, move |store| {
        store.put(&own, b"sentinel", Some(lease))?;
        Ok(store.get(&own).map_or(0, |record| record.created))
    });
    let term = u64::try_from(created.await?).unwrap_or_default();
    let is_lost = Rc::new(Notify::new());
    world.executor.spawn(
        process,
        keep(world.clone(), machine.clone(), election.clone(), lease, is_lost.clone()),
    );
    let wake = store.watch(CANDIDATES, wire);
    loop {
        let queue = wire.call(clock, store, |store| Ok(store.list(CANDIDATES))).await;
        if let Ok(queue) = queue {
            let is_there = queue.iter().any(|(its, _)| *its == key);
            let oldest = queue.iter().map(|(_, record)| record.created).min().unwrap_or_default();
            if !is_there {
                return Ok(());
            }
            if u64::try_from(oldest).unwrap_or_default() == term
                && clock.mono() < election.valid_until.get()
                && election.leader.borrow().is_none()
            {
                world.say(&machine.name, || format!("leads, term {term}"));
                election.set(Some(Leader { key: key.clone(), term }));
            }
        }
        tokio::select! {
            biased;
            () = is_lost.notified() => return Ok(()),
            () = wake.notified() => {}
            () = clock.sleep(PAUSE * 4) => {}
        }
    }
}

/// Keeps the lease of one campaign alive until it is gone.
async fn keep(
    world: Rc<World>,
    machine: Rc<Machine>,
    election: Rc<Election>,
    lease: i64,
    is_lost: Rc<Notify>,
) {
    let clock = &machine.clock;
    let mut valid_until = election.valid_until.get();
    let mut pause = TTL / 3;
    loop {
        clock.sleep(pause).await;
        let asked = clock.mono();
        let renewed =
            machine.wire.call(clock, &world.store, move |store| Ok(store.keep_alive(lease)?)).await;
        match renewed {
            Ok(()) => {
                valid_until = asked.plus(TTL);
                election.valid_until.set(valid_until);
                pause = TTL / 3;
            }
            Err(Failure::LeaseGone) => break,
            Err(_) => pause = PAUSE,
        }
        if clock.mono() >= valid_until {
            break;
        }
    }
    is_lost.notify_one();
}
