//! Streaming replication, base backups and pg_rewind.

use crate::executor::ProcessId;
use crate::node::{DataDirectory, Node};
use crate::server::{Sender, Server};
use crate::wal::Tail;
use crate::world::World;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::postgres::name_of;
use stolon_model::uid::DbUid;

/// `wal_retrieve_retry_interval` as the keeper sets it.
const RETRY: Duration = Duration::from_millis(500);
/// `wal_sender_timeout`: for so long a sender stays when its standby says nothing more.
const SENDER_TIMEOUT: Duration = Duration::from_secs(60);

/// The WAL receiver of a standby: connects, streams, and again.
pub async fn receive(world: Rc<World>, node: Rc<Node>, server: Rc<Server>) {
    let mut said = String::new();
    while is_standby(&node) {
        world.executor.sleep(world.span(1, 10)).await;
        let upstream = server
            .primary_host()
            .and_then(|host| world.node_at(&host))
            .ok_or("no primary is named");
        let outcome: Result<(), String> = match upstream {
            Ok(upstream) => match connect(&world, &node, &server, &upstream) {
                Ok(primary) => {
                    said.clear();
                    stream(&world, &node, &server, &upstream, &primary).await;
                    Err("the stream has ended".to_owned())
                }
                Err(why) => Err(format!("cannot stream from {}: {why}", upstream.uid)),
            },
            Err(why) => Err(why.to_owned()),
        };
        if let Err(why) = outcome
            && why != said
        {
            world.say(node.uid.as_str(), || why.clone());
            said = why;
        }
        world.executor.sleep(RETRY).await;
    }
}

fn is_standby(node: &Node) -> bool {
    node.disk.borrow().data.as_ref().is_some_and(|data| data.is_standby)
}

/// Whether two machines reach each other.
pub fn is_linked(a: &Node, b: &Node) -> bool {
    !a.is_cut.get() && !b.is_cut.get()
}

fn connect(
    world: &World,
    node: &Node,
    server: &Server,
    upstream: &Node,
) -> Result<Rc<Server>, String> {
    let primary = answering(world, node, upstream)?;
    let name = server.application_name();
    let (mut own, its) = (node.disk.borrow_mut(), upstream.disk.borrow());
    let (Some(own), Some(its)) = (own.data.as_mut(), its.data.as_ref()) else {
        return Err("there are no data".to_owned());
    };
    if own.system_id != its.system_id {
        return Err("it is another system".to_owned());
    }
    let slot = server.recovery_setting("primary_slot_name");
    if !its.slots.contains_key(&slot) {
        return Err(format!("there is no slot {slot}"));
    }
    own.wal.can_follow(&its.wal).map_err(|mismatch| format!("{mismatch:?}"))?;
    let sender = Sender { receiver: server.process, is_streaming: false, flushed: own.wal.len() };
    primary.senders.borrow_mut().insert(name, sender);
    Ok(primary)
}

/// The server of `upstream`, if it can be reached and takes replication connections.
fn answering(world: &World, node: &Node, upstream: &Node) -> Result<Rc<Server>, String> {
    if node.index == upstream.index {
        return Err("it is this very machine".to_owned());
    }
    if !is_linked(node, upstream) {
        return Err("it cannot be reached".to_owned());
    }
    let primary = upstream.server().ok_or("it does not run")?;
    if !primary.is_ready.get() || primary.is_stopping.get() {
        return Err("it does not answer yet".to_owned());
    }
    if world.executor.is_frozen(primary.process) {
        return Err("it hangs".to_owned());
    }
    Ok(primary)
}

/// Takes what the primary sends until the stream ends.
async fn stream(
    world: &Rc<World>,
    node: &Rc<Node>,
    server: &Rc<Server>,
    upstream: &Rc<Node>,
    primary: &Rc<Server>,
) {
    let (host, name) = (server.primary_host(), server.application_name());
    let slot = server.recovery_setting("primary_slot_name");
    let mut cut_since = None;
    while upstream.runs(primary) && is_standby(node) && server.primary_host() == host {
        if !is_linked(node, upstream) {
            let since = *cut_since.get_or_insert(world.executor.now());
            if world.executor.now().saturating_sub(since) >= SENDER_TIMEOUT {
                break;
            }
            world.executor.sleep(Duration::from_millis(500)).await;
            continue;
        }
        cut_since = None;
        if world.executor.is_frozen(primary.process) {
            world.executor.until_running(primary.process).await;
            continue;
        }
        let from = own_len(node);
        let sent = upstream.disk.borrow().data.as_ref().map(|data| data.wal.tail(from));
        let Some(sent) = sent else { break };
        if !sent.is_empty() {
            world.executor.sleep(world.span(0, 4)).await;
            if !is_linked(node, upstream) {
                continue;
            }
            if !take(node, &sent) {
                break;
            }
            server.changed.notify_waiters();
            // The answer on its way.
            world.executor.sleep(world.span(0, 4)).await;
            if !is_linked(node, upstream) || !upstream.runs(primary) {
                continue;
            }
        }
        let flushed = own_len(node);
        let available = own_len(upstream);
        let is_news = {
            let mut senders = primary.senders.borrow_mut();
            match senders.get_mut(&name) {
                Some(sender) if sender.receiver == server.process => {
                    let before = *sender;
                    sender.flushed = flushed;
                    sender.is_streaming |= flushed >= available;
                    *sender != before
                }
                _ => break,
            }
        };
        if let Some(data) = &mut upstream.disk.borrow_mut().data {
            match data.slots.get_mut(&slot) {
                Some(position) => *position = flushed,
                None => break,
            }
        }
        if is_news {
            primary.changed.notify_waiters();
        }
        if flushed >= available {
            tokio::select! {
                biased;
                () = primary.changed.notified() => {}
                () = server.changed.notified() => {}
                () = world.executor.sleep(Duration::from_secs(5)) => {}
            }
        }
    }
    let mut senders = primary.senders.borrow_mut();
    if senders.get(&name).is_some_and(|sender| sender.receiver == server.process) {
        senders.remove(&name);
    }
    drop(senders);
    primary.changed.notify_waiters();
}

fn own_len(node: &Node) -> usize {
    node.disk.borrow().data.as_ref().map_or(0, |data| data.wal.len())
}

/// Adds what was sent to the own log. `false` when it does not follow on it.
fn take(node: &Node, sent: &Tail) -> bool {
    let mut disk = node.disk.borrow_mut();
    let Some(data) = disk.data.as_mut().filter(|data| data.is_standby) else { return false };
    data.wal.take(sent)
}

/// The server of `node` has ended: whoever sent to it sees the end of the connection, or only silence.
pub fn forget(world: &Rc<World>, node: &Rc<Node>, receiver: ProcessId) {
    for other in world.all_nodes() {
        let Some(primary) = other.server() else { continue };
        let is_its = primary.senders.borrow().values().any(|sender| sender.receiver == receiver);
        if !is_its {
            continue;
        }
        let after = if is_linked(node, &other) { Duration::from_millis(2) } else { SENDER_TIMEOUT };
        world.executor.after(after, move || {
            primary.senders.borrow_mut().retain(|_, sender| sender.receiver != receiver);
            primary.changed.notify_waiters();
        });
    }
}

/// Whether every standby that streams has what a server wrote before its end.
pub fn has_been_sent(server: &Server, count: usize) -> bool {
    let senders = server.senders.borrow();
    senders.values().all(|sender| !sender.is_streaming || sender.flushed >= count)
}

/// `pg_basebackup` from the machine at `host`.
pub async fn base_backup(
    world: &Rc<World>,
    node: &Rc<Node>,
    host: &str,
    db: &DbUid,
) -> Result<DataDirectory, String> {
    let source = world.node_at(host).ok_or("the host is not known")?;
    let primary = answering(world, node, &source)?;
    let slot = name_of(db);
    let began = source.disk.borrow().data.as_ref().map(|data| data.is_standby);
    let time = if world.fails(100) { world.span(5000, 60_000) } else { world.span(300, 6000) };
    world.executor.sleep(time).await;
    if !source.runs(&primary) || !is_linked(node, &source) {
        return Err("the connection is lost".to_owned());
    }
    if !world.executor.until_running(primary.process).await {
        return Err("the connection is lost".to_owned());
    }
    let data = source.disk.borrow().data.clone().ok_or("there are no data")?;
    if !data.slots.contains_key(&slot) {
        return Err(format!("there is no slot {slot}"));
    }
    if began != Some(data.is_standby) {
        return Err("the standby was promoted during the backup".to_owned());
    }
    let consistent_at = data.wal.len();
    Ok(DataDirectory {
        is_standby: true,
        slots: BTreeMap::new(),
        consistent_at,
        is_half_made: false,
        ..data
    })
}

/// `pg_rewind` from the master at `host`. `Err(true)` leaves the data in pieces.
pub async fn rewind(world: &Rc<World>, node: &Rc<Node>, host: &str) -> Result<(), bool> {
    let source = world.node_at(host).ok_or(false)?;
    let primary = answering(world, node, &source).map_err(|_| false)?;
    world.executor.sleep(world.span(100, 3000)).await;
    if !source.runs(&primary) || !is_linked(node, &source) || world.fails(30) {
        return Err(world.chance(500));
    }
    let its = source.disk.borrow().data.clone().ok_or(false)?;
    let mut disk = node.disk.borrow_mut();
    let Some(own) = &mut disk.data else { return Err(false) };
    if its.is_standby || own.system_id != its.system_id {
        return Err(false);
    }
    let is_needed = own.wal.timeline() != its.wal.timeline();
    own.wal.rewind_to(&its.wal);
    if is_needed {
        own.consistent_at = its.wal.len();
        own.slots.clear();
    }
    Ok(())
}
