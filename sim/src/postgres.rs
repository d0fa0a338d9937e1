//! What PostgreSQL does: start, recover, promote, commit, stop, die.

use crate::node::Node;
use crate::replication;
use crate::server::Server;
use crate::wal::WriteId;
use crate::world::World;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::lsn::TimelineId;
use stolon_model::postgres::conf::Config;
use tokio::sync::oneshot;

/// The instance that acknowledged a commit: a machine, and the timeline it wrote on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Writer {
    /// The machine.
    pub node: usize,
    /// The record with which its timeline begins.
    pub origin: u64,
    /// The timeline.
    pub timeline: TimelineId,
}

/// A commit, as the backend that made it knows it.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    /// Which.
    pub write: WriteId,
    /// Who wrote it.
    pub writer: Writer,
    /// When it was written.
    pub at: Duration,
    /// Whether standbys were waited for.
    pub is_synchronous: bool,
}

/// Starts a server on the data of `node`. The keeper has made sure that none runs.
pub fn start(world: &Rc<World>, node: &Rc<Node>, config: Config, is_temporary: bool) {
    let process = world.executor.process();
    let server = Rc::new(Server::new(process, config, is_temporary));
    *node.server.borrow_mut() = Some(server.clone());
    world.executor.spawn(process, recover(world.clone(), node.clone(), server.clone()));
    world.executor.spawn(process, replication::receive(world.clone(), node.clone(), server));
}

/// Replays the log until it is consistent, and then lets connections in.
async fn recover(world: Rc<World>, node: Rc<Node>, server: Rc<Server>) {
    let time = if world.fails(50) { world.span(1000, 20_000) } else { world.span(50, 600) };
    world.executor.sleep(time).await;
    loop {
        let is_consistent = node
            .disk
            .borrow()
            .data
            .as_ref()
            .is_some_and(|data| !data.is_standby || data.wal.len() >= data.consistent_at);
        if is_consistent {
            break;
        }
        server.changed.notified().await;
    }
    server.is_ready.set(true);
    server.changed.notify_waiters();
    world.say(node.uid.as_str(), || "PostgreSQL answers".to_owned());
}

/// Ends the server at once.
pub fn kill(world: &Rc<World>, node: &Rc<Node>) {
    let Some(server) = node.server.borrow_mut().take() else { return };
    world.executor.kill(server.process);
    server.changed.notify_waiters();
    replication::forget(world, node, server.process);
    node.server_died.notify_one();
}

/// `pg_ctl stop -m fast`: a master sends everything to its standbys first. Takes what `pg_ctl` waits at most.
pub async fn stop(world: &Rc<World>, node: &Rc<Node>, limit: Duration) -> bool {
    let Some(server) = node.server() else { return true };
    let work = async {
        if !world.executor.until_running(server.process).await {
            return;
        }
        server.is_stopping.set(true);
        server.changed.notify_waiters();
        world.executor.sleep(world.span(20, 300)).await;
        let size = append(world, node, 120, None);
        server.changed.notify_waiters();
        if let Some(count) = size {
            while node.runs(&server) && !replication::has_been_sent(&server, count) {
                server.changed.notified().await;
            }
        }
        world.executor.until_running(server.process).await;
    };
    let is_done = tokio::select! {
        biased;
        () = work => true,
        () = world.executor.sleep(limit) => false,
    };
    if is_done && node.runs(&server) {
        kill(world, node);
    }
    is_done || !node.runs(&server)
}

/// Writes a record if the instance takes writes. The number of records afterwards.
fn append(world: &World, node: &Node, size: u64, write: Option<WriteId>) -> Option<usize> {
    let mut disk = node.disk.borrow_mut();
    let data = disk.data.as_mut().filter(|data| !data.is_standby)?;
    data.wal.append(world.fresh_id(), size, write);
    Some(data.wal.len())
}

/// Makes a master of a standby.
pub async fn promote(world: &Rc<World>, node: &Rc<Node>, limit: Duration) -> bool {
    let Some(server) = node.server() else { return false };
    let work = async {
        if world.fails(50) {
            world.executor.sleep(world.span(1000, 40_000)).await;
        }
        world.executor.sleep(world.span(20, 800)).await;
        world.executor.until_running(server.process).await
            && node.runs(&server)
            && server.is_ready.get()
    };
    let can = tokio::select! {
        biased;
        can = work => can,
        () = world.executor.sleep(limit) => false,
    };
    if !can {
        return false;
    }
    if let Some(data) = &mut node.disk.borrow_mut().data
        && data.is_standby
    {
        data.is_standby = false;
        data.wal.promote(world.fresh_id());
        world.say(node.uid.as_str(), || {
            format!("promoted to timeline {} at {}", data.wal.timeline(), data.wal.position())
        });
    }
    server.changed.notify_waiters();
    true
}

/// Runs a user's commit in a backend. The answer comes when it is acknowledged; none comes when the backend dies first.
pub fn commit(
    world: &Rc<World>,
    node: &Rc<Node>,
    server: &Rc<Server>,
    write: WriteId,
    size: u64,
    answer: oneshot::Sender<Commit>,
) {
    let (its_world, node, its_server) = (world.clone(), node.clone(), server.clone());
    world.executor.spawn(server.process, async move {
        let (world, server) = (its_world, its_server);
        if !node.runs(&server) || !server.is_ready.get() || server.is_stopping.get() {
            return;
        }
        let Some(count) = append(&world, &node, size, Some(write)) else { return };
        server.changed.notify_waiters();
        let Some(writer) = writer(&node) else { return };
        let at = world.executor.now();
        while !server.is_acknowledged(count) {
            server.changed.notified().await;
            if server.is_stopping.get() {
                return;
            }
        }
        let is_synchronous = !server.required().is_empty();
        // Whoever asked may be gone.
        let _ = answer.send(Commit { write, writer, at, is_synchronous });
    });
}

/// Who writes on this machine.
pub fn writer(node: &Node) -> Option<Writer> {
    let disk = node.disk.borrow();
    let data = disk.data.as_ref()?;
    let timeline = data.wal.timeline();
    let first = data.wal.records().partition_point(|record| record.timeline < timeline);
    let origin = data.wal.records().get(first)?.id;
    Some(Writer { node: node.index, origin, timeline })
}

/// Loads a configuration into the running server.
pub fn reload(node: &Node, config: Config) -> bool {
    let Some(server) = node.server() else { return false };
    server.load(config);
    server.changed.notify_waiters();
    true
}
