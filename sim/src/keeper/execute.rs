//! What actions do in this world.

use crate::node::{DataDirectory, Node};
use crate::postgres;
use crate::replication;
use crate::wal::Wal;
use crate::world::World;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::plan::action::Action;
use stolon_model::plan::{Desired, DesiredDb};
use stolon_model::postgres::command::StopMode;
use stolon_model::postgres::conf::{Config, FileChange, Target};
use stolon_model::uid::DbUid;

/// Does one action. Whether it succeeded.
pub async fn execute(
    world: &Rc<World>,
    node: &Rc<Node>,
    action: &Action,
    desired: &Desired,
) -> bool {
    match action {
        Action::SaveKeeperState(state) => {
            node.disk.borrow_mut().keeper_state = state.clone();
            true
        }
        Action::SaveDbState(state) => {
            node.disk.borrow_mut().db_state = state.clone();
            true
        }
        Action::Stop(stop) if stop.mode == StopMode::Immediate => {
            let frozen = node.server().is_some_and(|s| world.executor.is_frozen(s.process));
            if frozen {
                world.executor.sleep(stop.timeout).await;
                return node.server().is_none();
            }
            postgres::kill(world, node);
            true
        }
        Action::Stop(stop) => postgres::stop(world, node, stop.timeout).await,
        Action::DeletePgData => {
            if node.server().is_some() {
                return false;
            }
            world.executor.sleep(world.span(5, 50)).await;
            node.disk.borrow_mut().data = None;
            true
        }
        Action::InitDb { .. } => init(world, node).await,
        Action::Restore { .. } | Action::WaitRecovery { .. } => false,
        Action::Rewind { source, .. } => rewind(world, node, &host_of(desired, source)).await,
        // The simulated pg_rewind sees every promotion.
        Action::Checkpoint { .. } => true,
        Action::AwaitSlot { timeout, .. } => {
            node.clock.sleep(*timeout).await;
            true
        }
        Action::BaseBackup { source, .. } => {
            let db = desired.db().map(|db| db.uid.clone()).unwrap_or_default();
            copy(world, node, &host_of(desired, source), &db).await
        }
        Action::Start(start) => {
            let is_standby = has_standby_signal(&start.files);
            start_server(world, node, &start.config, start.target, is_standby).await
        }
        Action::WaitReady { timeout } => wait_ready(world, node, *timeout).await,
        Action::SaveInitParameters { state, .. } => {
            if !is_ready(world, node) {
                return false;
            }
            let mut state = state.clone();
            state.init_pg_parameters = Some(Default::default());
            node.disk.borrow_mut().db_state = state;
            true
        }
        Action::SetUpRoles { .. } | Action::Remember(_) => {
            matches!(action, Action::Remember(_)) || is_ready(world, node)
        }
        Action::Promote { timeout, .. } => postgres::promote(world, node, *timeout).await,
        Action::Reload(reload) => {
            world.executor.sleep(world.span(1, 60)).await;
            !world.fails(20) && postgres::reload(node, reload.config.clone())
        }
        Action::DropSlot { name } => change_slots(world, node, |data| {
            data.slots.remove(name);
        }),
        Action::CreateSlot { name, .. } => change_slots(world, node, |data| {
            let position = data.wal.len();
            data.slots.insert(name.clone(), position);
        }),
    }
}

/// A short name for the trace.
pub fn describe(action: &Action) -> String {
    match action {
        Action::SaveDbState(state) => format!(
            "SaveDbState {} generation {} initializing {}",
            state.uid, state.generation, state.initializing
        ),
        Action::Start(start) => {
            format!("Start {:?} {:?} {}", start.target, start.config.access, sync(&start.config))
        }
        Action::Reload(reload) => {
            format!("Reload {:?} {}", reload.config.access, sync(&reload.config))
        }
        Action::BaseBackup { source, .. } => format!("BaseBackup from {source}"),
        Action::Rewind { source, .. } => format!("Rewind from {source}"),
        Action::CreateSlot { name, .. } => format!("CreateSlot {name}"),
        Action::DropSlot { name } => format!("DropSlot {name}"),
        Action::Remember(progress) => format!("Remember {:?}", progress.stage),
        other => {
            let text = format!("{other:?}");
            let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
            text.chars().take(end).collect()
        }
    }
}

fn sync(config: &Config) -> String {
    let names = config.parameters.get("synchronous_standby_names");
    names.map_or(String::new(), |names| format!("sync [{names}]"))
}

fn host_of(desired: &Desired, source: &DbUid) -> String {
    let peer = |db: &DesiredDb| {
        let followed = db.followed().cloned();
        let mut peers = followed.into_iter().chain(db.master.clone());
        peers.find(|peer| peer.uid == *source).map(|peer| peer.status.listen_address)
    };
    desired.db().and_then(peer).unwrap_or_default()
}

fn has_standby_signal(files: &[FileChange]) -> bool {
    files.iter().any(|file| matches!(file, FileChange::Write { name: "standby.signal", .. }))
}

fn is_ready(world: &World, node: &Node) -> bool {
    node.server().is_some_and(|server| {
        server.is_ready.get()
            && !server.is_stopping.get()
            && !world.executor.is_frozen(server.process)
    })
}

fn change_slots(world: &World, node: &Node, change: impl FnOnce(&mut DataDirectory)) -> bool {
    if !is_ready(world, node) || world.fails(20) {
        return false;
    }
    node.disk.borrow_mut().data.as_mut().map(change).is_some()
}

async fn init(world: &Rc<World>, node: &Rc<Node>) -> bool {
    world.executor.sleep(world.span(500, 3000)).await;
    if world.fails(50) {
        node.disk.borrow_mut().data = None;
        return false;
    }
    let id = world.fresh_id();
    let data = DataDirectory {
        system_id: format!("7{id:012}"),
        wal: Wal::new(id),
        ..DataDirectory::default()
    };
    node.disk.borrow_mut().data = Some(data);
    true
}

/// From its beginning to its success the data are in pieces, whether it fails, is cut short or dies with the keeper.
async fn rewind(world: &Rc<World>, node: &Rc<Node>, host: &str) -> bool {
    if let Some(data) = &mut node.disk.borrow_mut().data {
        data.is_half_made = true;
    }
    let outcome = replication::rewind(world, node, host).await;
    if let Some(data) = &mut node.disk.borrow_mut().data {
        data.is_half_made = outcome == Err(true);
    }
    outcome.is_ok()
}

async fn copy(world: &Rc<World>, node: &Rc<Node>, host: &str, db: &DbUid) -> bool {
    if world.chance(500) {
        // From early on everything is there by name.
        let data = DataDirectory { is_half_made: true, ..DataDirectory::default() };
        node.disk.borrow_mut().data = Some(data);
    }
    match replication::base_backup(world, node, host, db).await {
        Ok(data) => {
            node.disk.borrow_mut().data = Some(data);
            true
        }
        Err(why) => {
            world.say(node.uid.as_str(), || format!("pg_basebackup: {why}"));
            false
        }
    }
}

async fn start_server(
    world: &Rc<World>,
    node: &Rc<Node>,
    config: &Config,
    target: Target,
    is_standby: bool,
) -> bool {
    world.executor.sleep(world.span(20, 200)).await;
    if node.server().is_some() || world.fails(20) {
        return false;
    }
    match &mut node.disk.borrow_mut().data {
        Some(data) => {
            data.is_standby |= is_standby;
            if data.is_half_made {
                let text = format!("{} starts PostgreSQL on data that are half made", node.uid);
                world.oracle.broken(world, "data are whole when they are run", text);
            }
        }
        None => return false,
    }
    postgres::start(world, node, config.clone(), target == Target::Temporary);
    true
}

async fn wait_ready(world: &Rc<World>, node: &Rc<Node>, timeout: Option<Duration>) -> bool {
    let Some(server) = node.server() else { return false };
    let ready = async {
        loop {
            if !node.runs(&server) {
                return false;
            }
            if is_ready(world, node) {
                return true;
            }
            world.executor.sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        biased;
        is_ready = ready => is_ready,
        () = node.clock.sleep(timeout.unwrap_or(Duration::MAX)) => false,
    }
}
