//! Keepers and proxies that do as they are told.

use crate::world::World;
use std::collections::BTreeSet;
use std::time::Duration;
use stolon_model::cluster::{
    DbSpec, FollowKind, PostgresBinaryVersion, Proxy, Role, TimelineHistory,
};
use stolon_model::generation::Generation;
use stolon_model::info::{KeeperInfo, PostgresState, ProxyInfo};
use stolon_model::lsn::{Lsn, TimelineId};
use stolon_model::time::Mono;
use stolon_model::uid::{BootUuid, ClusterUid, DbUid, InfoUid, KeeperUid, ProxyUid};

/// A keeper and its instance.
#[derive(Clone)]
pub struct SimKeeper {
    pub uid: KeeperUid,
    pub boot: u32,
    pub version: PostgresBinaryVersion,
    pub can_be_master: Option<bool>,
    pub can_be_sync: Option<bool>,
    /// Another cluster that it believes in.
    pub cluster: Option<ClusterUid>,
    /// Whether there is an instance to report of.
    pub has_state: bool,
    pub state: PostgresState,
    /// What the instance was last configured to be.
    pub applied: DbSpec,
    /// The commits that the instance holds.
    pub commits: BTreeSet<u64>,
    /// Whether the standbys in sync are found out and not told by the script.
    pub finds_sync: bool,
    /// What it last published; `None` when its key is gone.
    pub info: Option<KeeperInfo>,
    pub is_mute: bool,
    pub is_garbage: bool,
    next: Option<Mono>,
}

impl SimKeeper {
    pub fn new(uid: KeeperUid) -> Self {
        Self {
            uid,
            boot: 1,
            version: PostgresBinaryVersion { maj: 15, min: 4 },
            can_be_master: Some(true),
            can_be_sync: Some(true),
            cluster: None,
            has_state: false,
            state: PostgresState::default(),
            applied: DbSpec::default(),
            commits: BTreeSet::new(),
            finds_sync: true,
            info: None,
            is_mute: false,
            is_garbage: false,
            next: None,
        }
    }

    pub fn next_publication(&self) -> Option<Mono> {
        self.next.filter(|_| !self.is_mute)
    }

    /// Whether its instance takes writes.
    pub fn is_writable(&self) -> bool {
        self.has_state && self.state.healthy && self.applied.role == Some(Role::Master)
    }

    /// Whether its instance receives what `master` writes.
    pub fn streams_from(&self, master: &DbUid) -> bool {
        let follows = self.applied.follow_config.as_ref();
        self.has_state
            && self.state.healthy
            && self.applied.role == Some(Role::Standby)
            && follows.is_some_and(|follow| follow.db_uid == *master)
    }

    /// Finds out which standbys are in sync.
    pub fn look(&mut self, world: &World) {
        if self.finds_sync && self.has_state {
            let required = self.applied.synchronous_standbys.iter().flatten().cloned();
            let required: BTreeSet<DbUid> = required.collect();
            self.state.synchronous_standbys = match self.applied.role {
                Some(Role::Master) => Some(world.in_sync_with(&self.state.uid, &required)),
                _ => Some(Vec::new()),
            };
        }
        if self.cluster.is_none()
            && let Some(cluster) = world.data.as_ref().and_then(|data| data.cluster.as_ref())
        {
            self.info.get_or_insert_default().cluster_uid = cluster.uid.clone();
        }
    }

    pub fn published(&mut self, number: u64, now: Mono, interval: Duration) {
        let known = self.info.take().map(|info| info.cluster_uid).unwrap_or_default();
        self.info = Some(KeeperInfo {
            info_uid: InfoUid::new(format!("{number:08x}")),
            uid: self.uid.clone(),
            cluster_uid: self.cluster.clone().unwrap_or(known),
            boot_uuid: BootUuid::new(format!("boot-{}", self.boot)),
            postgres_binary_version: self.version,
            postgres_state: self.has_state.then(|| self.state.clone()),
            can_be_master: self.can_be_master,
            can_be_synchronous_replica: self.can_be_sync,
        });
        self.next = Some(now.plus(interval));
    }

    /// Converges the instance to what the cluster data wants, as a keeper does: fills a new db, follows, or is promoted.
    pub fn apply(&mut self, world: &World) {
        let Some(db) = world.db_of(&self.uid) else {
            self.has_state = false;
            self.state = PostgresState::default();
            self.applied = DbSpec::default();
            return;
        };
        let Some(spec) = db.spec.clone() else { return };
        let inside =
            spec.follow_config.as_ref().filter(|follow| follow.kind == Some(FollowKind::Internal));
        let followed = inside
            .and_then(|follow| world.keeper_of(&follow.db_uid).map(|(_, keeper)| keeper.clone()));
        let is_new = self.state.uid != db.uid || self.state.system_id.is_empty();
        if is_new {
            self.state = PostgresState { uid: db.uid.clone(), ..PostgresState::default() };
            self.state.pg_parameters = [("max_connections".to_owned(), "100".to_owned())].into();
        }
        match (spec.role, followed) {
            (Some(Role::Standby), Some(followed)) => {
                if is_new {
                    self.state.xlog_pos = followed.state.xlog_pos;
                }
                self.state.system_id = followed.state.system_id;
                self.state.timeline_id = followed.state.timeline_id;
                self.state.timelines_history = followed.state.timelines_history;
                self.commits = followed.commits;
            }
            (Some(Role::Master), _) if !is_new && self.applied.role == Some(Role::Standby) => {
                self.promote();
            }
            _ if is_new => {
                self.state.system_id = "7000".to_owned();
                self.state.timeline_id = TimelineId(1);
                self.state.xlog_pos = Lsn(1000);
            }
            _ => {}
        }
        self.state.healthy = true;
        self.state.listen_address = format!("{}.example", self.uid);
        self.state.port = "5432".to_owned();
        self.state.generation = db.generation;
        self.has_state = true;
        self.applied = spec;
    }

    fn promote(&mut self) {
        let ended = TimelineHistory {
            timeline_id: self.state.timeline_id,
            switch_point: self.state.xlog_pos,
            reason: "no recovery target specified".to_owned(),
        };
        self.state.timeline_id = TimelineId(ended.timeline_id.0 + 1);
        let history = &mut self.state.timelines_history;
        history.push(ended);
        let surplus = history.len().saturating_sub(2);
        history.drain(..surplus);
    }
}

/// A proxy.
#[derive(Clone)]
pub struct SimProxy {
    pub uid: ProxyUid,
    pub generation: Generation,
    pub timeout: Duration,
    pub info: Option<ProxyInfo>,
    pub is_mute: bool,
    pub is_garbage: bool,
    /// Where it forwards to, as long as its last check is young enough.
    pub target: Option<DbUid>,
    /// Whether it says that it has closed for good.
    pub is_closed: bool,
    checked: Mono,
    next: Option<Mono>,
}

impl SimProxy {
    pub fn new(uid: ProxyUid) -> Self {
        Self {
            uid,
            generation: Generation::NONE,
            timeout: Duration::from_secs(15),
            info: None,
            is_mute: false,
            is_garbage: false,
            target: None,
            is_closed: false,
            checked: Mono::default(),
            next: None,
        }
    }

    pub fn next_publication(&self) -> Option<Mono> {
        self.next.filter(|_| !self.is_mute)
    }

    /// Takes generation and target from the proxy object that it has read just now, as a check does.
    pub fn apply(&mut self, object: &Proxy, now: Mono) {
        self.generation = object.generation;
        self.target = self.wanted(object);
        self.checked = now;
    }

    fn wanted(&self, object: &Proxy) -> Option<DbUid> {
        let target = Some(&object.spec.master_db_uid).filter(|target| !target.is_empty());
        target.filter(|_| object.spec.enabled_proxies.contains(&self.uid)).cloned()
    }

    /// Where it forwards to: nowhere once its last check is older than its time-out.
    pub fn forwards_to(&self, now: Mono) -> Option<&DbUid> {
        self.target.as_ref().filter(|_| now.since(self.checked) <= self.timeout)
    }

    /// Says what it has applied, be it outdated. Its fence holds on only if the proxy object, which each check reads first,
    /// still wants its target: a check that has to change the target and does not is no good one.
    pub fn published(&mut self, number: u64, object: &Proxy, now: Mono, interval: Duration) {
        if self.wanted(object) == self.target {
            self.checked = now;
        }
        self.info = Some(ProxyInfo {
            info_uid: InfoUid::new(format!("{number:08x}")),
            uid: self.uid.clone(),
            generation: self.generation,
            proxy_timeout_nanos: i64::try_from(self.timeout.as_nanos()).unwrap_or(i64::MAX),
            is_closed: self.is_closed,
        });
        self.next = Some(now.plus(interval));
    }
}
