//! One connection of a user through a proxy, as far as the network and the kernels matter.
//!
//! What a kernel has taken is delivered, whatever becomes of the process that wrote it: bytes wait in a frozen proxy, in a
//! frozen server, and on a link that is cut until it heals or the proxy closes its socket.

use super::{Goal, Machine};
use crate::node::Node;
use crate::postgres::{self, Commit};
use crate::server::Server;
use crate::wal::WriteId;
use crate::world::World;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A connection.
#[derive(Debug)]
pub struct Session {
    world: Rc<World>,
    machine: Rc<Machine>,
    goal: Rc<Goal>,
    node: Rc<Node>,
    server: Rc<Server>,
}

impl Session {
    /// Connects through the proxy. `None` when that does not work now.
    pub async fn open(world: &Rc<World>, machine: &Rc<Machine>) -> Option<Self> {
        world.executor.sleep(world.span(0, 2)).await;
        let process = machine.process.get()?;
        if !world.executor.until_running(process).await {
            return None;
        }
        let goal = machine.goal.borrow().clone()?;
        if !goal.is_open(machine.clock.mono()) {
            return None;
        }
        let node = world.node_at(&goal.address.ip().to_string())?;
        world.executor.sleep(world.span(0, 2)).await;
        let server = node.server()?;
        if node.is_cut.get() || !server.lets_users_in() || goal.is_dropped.get() {
            return None;
        }
        if node.is_writable() {
            world.oracle.opened(world, &node);
        }
        Some(Self { world: world.clone(), machine: machine.clone(), goal, node, server })
    }

    /// One commit. `None` when the connection ends before it is acknowledged.
    pub async fn commit(&self, write: WriteId, size: u64) -> Option<Commit> {
        let (world, machine) = (&self.world, &self.machine);
        world.executor.sleep(world.span(0, 2)).await;
        if !world.executor.until_running(machine.process.get()?).await {
            return None;
        }
        if !self.goal.is_open(machine.clock.mono()) {
            return None;
        }
        self.cross().await?;
        let (sender, receiver) = oneshot::channel();
        postgres::commit(world, &self.node, &self.server, write, size, sender);
        let commit = receiver.await.ok()?;
        self.cross().await?;
        // The kernel has it, so the client gets it, however late the proxy runs again.
        if !world.executor.until_running(machine.process.get()?).await {
            return None;
        }
        world.executor.sleep(world.span(0, 2)).await;
        Some(commit)
    }

    /// The way between proxy and server. `None` when the socket of the proxy is closed before.
    async fn cross(&self) -> Option<()> {
        self.world.executor.sleep(self.world.span(0, 2)).await;
        loop {
            if self.goal.is_dropped.get() {
                return None;
            }
            if !self.node.is_cut.get() {
                return Some(());
            }
            tokio::select! {
                biased;
                () = self.goal.dropped.notified() => return None,
                () = self.world.executor.sleep(Duration::from_millis(300)) => {}
            }
        }
    }
}
