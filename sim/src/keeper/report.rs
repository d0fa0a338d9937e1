//! What a keeper tells the cluster: one task collects, one publishes.

use super::look::VERSION;
use crate::executor::ProcessId;
use crate::node::Node;
use crate::publisher::Publisher;
use crate::store::KEEPERS;
use crate::world::World;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::cluster::PostgresBinaryVersion;
use stolon_model::info::{KeeperInfo, PostgresState};
use stolon_model::json;
use stolon_model::lsn::Lsn;
use stolon_model::postgres::timeline;
use stolon_model::spec::PgParameters;
use stolon_model::time::Mono;
use stolon_model::uid::{DbUid, InfoUid, short_uid};
use tokio::sync::Notify;

const UNTIL_HEALTHY: Duration = Duration::from_millis(100);
const UNTIL_IN_SYNC: Duration = Duration::from_millis(250);
const CLOSE_LOOK: Duration = Duration::from_secs(60);
const LEAST: Duration = Duration::from_millis(50);
const RETRY: Duration = Duration::from_millis(500);
/// What an unanswered query takes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What the cluster data say that matters for reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The longest time between two infos.
    pub sleep_interval: Duration,
    /// The user's parameters.
    pub parameters: PgParameters,
    /// The synchronous standbys that are to be.
    pub synchronous_standbys: BTreeSet<DbUid>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            sleep_interval: Duration::from_secs(5),
            parameters: PgParameters::new(),
            synchronous_standbys: BTreeSet::new(),
        }
    }
}

/// Wakes both tasks.
#[derive(Debug, Default)]
pub struct Signals {
    collector: Notify,
    reporter: Notify,
}

impl Signals {
    /// Something was done or wanted.
    pub fn notify(&self) {
        self.collector.notify_one();
        self.reporter.notify_one();
    }
}

struct Reports {
    world: Rc<World>,
    node: Rc<Node>,
    wanted: Rc<RefCell<Wanted>>,
    signals: Rc<Signals>,
    state: RefCell<Option<PostgresState>>,
}

/// Starts both tasks.
pub fn start(
    world: &Rc<World>,
    node: &Rc<Node>,
    process: ProcessId,
    wanted: Rc<RefCell<Wanted>>,
    signals: Rc<Signals>,
    rng: fastrand::Rng,
) {
    let reports = Rc::new(Reports {
        world: world.clone(),
        node: node.clone(),
        wanted,
        signals,
        state: RefCell::default(),
    });
    world.executor.spawn(process, reports.clone().collect());
    world.executor.spawn(process, reports.publish(process, rng));
}

impl Reports {
    async fn collect(self: Rc<Self>) {
        let clock = self.node.clock.clone();
        let mut last_change = clock.mono();
        loop {
            let state = self.look().await;
            let wanted = self.wanted.borrow().clone();
            let in_sync: BTreeSet<DbUid> =
                state.synchronous_standbys.iter().flatten().cloned().collect();
            let is_close = clock.mono().since(last_change) < CLOSE_LOOK;
            let pause = if self.node.server().is_some() && !state.healthy && is_close {
                UNTIL_HEALTHY
            } else if !wanted.synchronous_standbys.is_subset(&in_sync) && is_close {
                UNTIL_IN_SYNC
            } else {
                wanted.sleep_interval / 2
            };
            let is_new = self.state.borrow().as_ref() != Some(&state);
            if is_new {
                *self.state.borrow_mut() = Some(state);
                self.signals.reporter.notify_one();
            }
            tokio::select! {
                biased;
                () = self.signals.collector.notified() => last_change = clock.mono(),
                () = clock.sleep(pause) => {}
            }
        }
    }

    async fn look(&self) -> PostgresState {
        let db_state = self.node.disk.borrow().db_state.clone();
        let mut state = PostgresState {
            uid: db_state.uid,
            generation: db_state.generation,
            listen_address: Node::address_of(self.node.index),
            port: "5432".to_owned(),
            ..PostgresState::default()
        };
        let Some(server) = self.node.server() else { return state };
        if self.world.executor.is_frozen(server.process) {
            tokio::select! {
                biased;
                _ = self.world.executor.until_running(server.process) => {}
                () = self.node.clock.sleep(REQUEST_TIMEOUT) => return state,
            }
        }
        // One query after the other: the world moves on in between.
        self.world.executor.sleep(self.world.span(1, 8)).await;
        if !self.node.runs(&server) || !server.is_ready.get() || server.is_stopping.get() {
            return state;
        }
        state.pg_parameters = self.wanted.borrow().parameters.clone();
        state.pg_parameters.insert("max_connections".to_owned(), "100".to_owned());
        let written = self.node.disk.borrow().data.as_ref().map_or(0, |data| data.wal.len());
        state.synchronous_standbys = Some(server.in_sync(written).into_iter().collect());
        self.world.executor.sleep(self.world.span(1, 8)).await;
        if !self.node.runs(&server) || self.world.fails(10) {
            return state;
        }
        let disk = self.node.disk.borrow();
        let Some(data) = &disk.data else { return state };
        state.system_id.clone_from(&data.system_id);
        state.timeline_id = data.wal.timeline();
        state.xlog_pos = data.wal.position();
        state.timelines_history = timeline::published(data.wal.history().to_vec());
        state.older_wal_file = data.wal.oldest_segment();
        state.healthy = true;
        state
    }

    async fn publish(self: Rc<Self>, process: ProcessId, mut rng: fastrand::Rng) {
        let (clock, wire) = (self.node.clock.clone(), self.node.wire.clone());
        let key = format!("{KEEPERS}{}", self.node.uid);
        let ttl = Duration::from_secs(20);
        let publisher = Publisher::new(&self.world, process, &wire, &clock, key, ttl);
        let mut published: Option<KeeperInfo> = None;
        let mut due = clock.mono();
        loop {
            let info = self.info(&mut rng);
            let now = clock.mono();
            let is_news = published.as_ref().is_none_or(|last| is_news(last, &info));
            let interval = self.wanted.borrow().sleep_interval;
            if info.cluster_uid.is_empty() {
                due = now.plus(interval);
            } else if is_news || now >= due {
                match publisher.publish(json::encode(&info)).await {
                    Ok(()) => {
                        due = Mono(now.0 + interval * 4 / 5);
                        published = Some(info);
                    }
                    Err(_) => {
                        published = None;
                        clock.sleep(RETRY).await;
                        continue;
                    }
                }
            }
            clock.sleep(LEAST).await;
            tokio::select! {
                biased;
                () = self.signals.reporter.notified() => {}
                () = clock.sleep_until(due) => {}
            }
        }
    }

    fn info(&self, rng: &mut fastrand::Rng) -> KeeperInfo {
        KeeperInfo {
            info_uid: InfoUid::new(short_uid(rng)),
            uid: self.node.uid.clone(),
            cluster_uid: self.node.disk.borrow().keeper_state.cluster_uid.clone(),
            boot_uuid: self.node.boot.borrow().clone(),
            postgres_binary_version: PostgresBinaryVersion {
                maj: VERSION.0.into(),
                min: VERSION.1.into(),
            },
            postgres_state: self.state.borrow().clone(),
            can_be_master: Some(self.node.can_be_master),
            can_be_synchronous_replica: Some(true),
        }
    }
}

fn is_news(last: &KeeperInfo, next: &KeeperInfo) -> bool {
    let without_positions = |info: &KeeperInfo| {
        let mut info = KeeperInfo { info_uid: InfoUid::default(), ..info.clone() };
        if let Some(state) = &mut info.postgres_state {
            state.xlog_pos = Lsn::default();
            state.older_wal_file.clear();
        }
        info
    };
    without_positions(last) != without_positions(next)
}
