//! Users: they write through any proxy, and reconnect.

use crate::proxy::{Machine, Session};
use crate::wal::WriteId;
use crate::world::World;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How long a user waits for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What users have got done through one proxy.
#[derive(Debug, Default)]
pub struct Progress {
    /// When a commit was last acknowledged.
    pub last: Cell<Duration>,
}

/// Writes for ever, through one proxy after the other.
pub async fn run(world: Rc<World>, proxies: Rc<Vec<(Rc<Machine>, Progress)>>) {
    loop {
        let Some((machine, progress)) = proxies.get(world.pick(proxies.len())) else { return };
        let opened = tokio::select! {
            biased;
            opened = Session::open(&world, machine) => opened,
            () = world.executor.sleep(PATIENCE) => None,
        };
        let Some(session) = opened else {
            world.executor.sleep(world.span(100, 600)).await;
            continue;
        };
        let commits = 1 + world.pick(40);
        for _ in 0..commits {
            let write = WriteId(world.fresh_id());
            let is_bulk = world.chance(5);
            let size =
                if is_bulk { 1 << (20 + world.pick(8)) } else { 100 + world.pick(400) as u64 };
            let outcome = tokio::select! {
                biased;
                outcome = session.commit(write, size) => outcome,
                () = world.executor.sleep(PATIENCE) => None,
            };
            let Some(commit) = outcome else { break };
            progress.last.set(world.executor.now());
            world.oracle.acknowledged(&world, commit);
            world.executor.sleep(world.span(5, 400)).await;
        }
    }
}
