//! A small world around the decision: a store that holds one value, keepers and proxies that do as they are told, and a
//! clock that moves by hand. Every decision that is written passes the invariants and a round trip through JSON.

#![expect(clippy::panic, clippy::expect_used, reason = "a world that breaks ends its test")]

use crate::component::{SimKeeper, SimProxy};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stolon_model::cluster::{ClusterData, Db, Proxy};
use stolon_model::decide::{Decision, Observer, Reason, Snapshot, Write, decide};
use stolon_model::spec::{ClusterSpec, DEFAULTS};
use stolon_model::time::{GoTime, Mono, Now};
use stolon_model::uid::{DbUid, KeeperUid, ProxyUid};
use stolon_model::{check, json};

/// Passes that follow each other at once must come to rest within this many.
pub const REST: usize = 30;

/// Everything there is.
pub struct World {
    pub data: Option<ClusterData>,
    pub initial_spec: Option<ClusterSpec>,
    pub keepers: BTreeMap<KeeperUid, SimKeeper>,
    pub proxies: BTreeMap<ProxyUid, SimProxy>,
    pub observer: Observer,
    pub now: Mono,
    pub wall_offset: Duration,
    pub term: Option<u64>,
    pub wake_at: Option<Mono>,
    pub last: Option<Decision>,
    /// How many of the next writes fail.
    pub failing_writes: usize,
    /// Reasons of the last pass that came to its end, as the sentinel keeps them.
    told: Vec<Reason>,
    /// New reasons since they were last taken.
    pub news: Vec<Reason>,
    /// Every db there ever was, in the order of their making; those made together in the order of their keepers.
    pub made: Vec<DbUid>,
    terms: u64,
    seed: u64,
    infos: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            data: None,
            initial_spec: None,
            keepers: BTreeMap::new(),
            proxies: BTreeMap::new(),
            observer: Observer::default(),
            now: Mono(Duration::from_secs(1000)),
            wall_offset: Duration::from_secs(1_700_000_000),
            term: None,
            wake_at: None,
            last: None,
            failing_writes: 0,
            told: Vec::new(),
            news: Vec::new(),
            made: Vec::new(),
            terms: 0,
            seed: 0,
            infos: 0,
        }
    }
}

impl World {
    /// The sentinel gains the leadership, again or for the first time.
    pub fn lead(&mut self) {
        self.terms += 1;
        self.term = Some(self.terms);
    }

    /// One pass: decide, and write unless writes fail.
    pub fn pass(&mut self) {
        self.seed += 1;
        let snapshot = self.snapshot();
        let decision = decide(&snapshot, &self.observer, self.both_clocks());
        let mut is_saved = true;
        if decision.write != Write::Nothing {
            let data = decision.cluster_data.as_ref().expect("a write writes something");
            let violations = check::introduced(self.data.as_ref(), data);
            assert!(violations.is_empty(), "{violations:?}");
            is_saved = self.failing_writes == 0;
            self.failing_writes = self.failing_writes.saturating_sub(1);
            if is_saved {
                let stored = json::encode(data);
                self.data = Some(json::decode(&stored).expect("what was written can be read"));
                self.note_new_dbs();
            }
        }
        self.wake_at = decision.wake_at;
        if is_saved {
            self.observer = decision.observer.clone();
            let news = decision.reasons.iter();
            let told = &self.told;
            self.news.extend(news.filter(|new| !told.iter().any(|old| old.repeats(new))).cloned());
            self.told = decision.reasons.clone();
        } else {
            self.observer = decision.observer_if_not_written.clone();
        }
        self.last = Some(decision);
    }

    fn note_new_dbs(&mut self) {
        let dbs = self.data.iter().flat_map(|data| &data.dbs);
        let mut new: Vec<_> = dbs
            .filter(|(uid, _)| !self.made.contains(uid))
            .map(|(uid, db)| (db.spec.as_ref().map(|spec| spec.keeper_uid.clone()), uid.clone()))
            .collect();
        new.sort();
        self.made.extend(new.into_iter().map(|(_, uid)| uid));
    }

    /// Passes at once until nothing more is to be written.
    pub fn settle(&mut self) {
        for _ in 0..REST {
            self.pass();
            let is_due = self.wake_at.is_some_and(|at| at <= self.now);
            let is_written = self.last.as_ref().is_some_and(|last| last.write != Write::Nothing);
            if !is_due && !is_written {
                return;
            }
        }
        panic!("no rest after {REST} passes");
    }

    /// Lets time pass. Keepers and proxies publish in their rhythm, and the sentinel runs when something was published
    /// or its timer rings.
    pub fn wait(&mut self, span: Duration) {
        let end = self.now.plus(span);
        loop {
            let keepers = self.keepers.values().filter_map(SimKeeper::next_publication);
            let proxies = self.proxies.values().filter_map(SimProxy::next_publication);
            let timer = self.wake_at.filter(|_| self.term.is_some());
            let next = keepers.chain(proxies).chain(timer).min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.publish_what_is_due();
            self.settle();
        }
        self.now = end;
    }

    /// A keeper says what it knows, now and then every sleepInterval.
    pub fn publish(&mut self, uid: &KeeperUid) {
        self.infos += 1;
        let interval = self.sleep_interval();
        let Some(mut keeper) = self.keepers.remove(uid) else { panic!("no keeper {uid}") };
        keeper.look(self);
        keeper.published(self.infos, self.now, interval);
        // A standby that PostgreSQL calls in sync has what the master has.
        for db in keeper.state.synchronous_standbys.iter().flatten() {
            let standby = self.keepers.values_mut().find(|standby| standby.state.uid == *db);
            if let Some(standby) = standby.filter(|_| keeper.finds_sync) {
                standby.commits.clone_from(&keeper.commits);
            }
        }
        self.keepers.insert(uid.clone(), keeper);
    }

    /// A keeper converges to what the cluster data wants.
    pub fn apply(&mut self, uid: &KeeperUid) {
        let mut keeper = self.keepers[uid].clone();
        keeper.apply(self);
        self.keepers.insert(uid.clone(), keeper);
    }

    /// A proxy reads the cluster data.
    pub fn apply_proxy(&mut self, uid: &ProxyUid) {
        let (object, now) = (self.proxy_object(), self.now);
        if let Some(proxy) = self.proxies.get_mut(uid) {
            proxy.apply(&object, now);
        }
    }

    /// A proxy says what it has applied, now and then at each check.
    pub fn publish_proxy(&mut self, uid: &ProxyUid) {
        self.infos += 1;
        let interval = self.spec().map_or(DEFAULTS.proxy_check_interval, |spec| {
            spec.with_defaults().proxy_check_interval
        });
        let (object, infos, now) = (self.proxy_object(), self.infos, self.now);
        let Some(proxy) = self.proxies.get_mut(uid) else { panic!("no proxy {uid}") };
        proxy.published(infos, &object, now, interval);
    }

    fn proxy_object(&self) -> Proxy {
        self.data.as_ref().and_then(|data| data.proxy.clone()).unwrap_or_default()
    }

    /// The db that a keeper should run.
    pub fn db_of(&self, keeper: &KeeperUid) -> Option<&Db> {
        let dbs = &self.data.as_ref()?.dbs;
        dbs.values().find(|db| db.spec.as_ref().is_some_and(|spec| spec.keeper_uid == *keeper))
    }

    /// The keeper that runs a db.
    pub fn keeper_of(&self, db: &DbUid) -> Option<(&KeeperUid, &SimKeeper)> {
        self.keepers.iter().find(|(_, keeper)| keeper.state.uid == *db)
    }

    /// The cluster spec.
    pub fn spec(&self) -> Option<&ClusterSpec> {
        self.data.as_ref()?.cluster.as_ref()?.spec.as_ref()
    }

    fn sleep_interval(&self) -> Duration {
        self.spec().map_or(DEFAULTS.sleep_interval, |spec| spec.with_defaults().sleep_interval)
    }

    fn publish_what_is_due(&mut self) {
        let now = self.now;
        let is_due = |next: Option<Mono>| next.is_some_and(|next| next <= now);
        let keepers: Vec<_> = self
            .keepers
            .iter()
            .filter(|(_, keeper)| is_due(keeper.next_publication()))
            .map(|(uid, _)| uid.clone())
            .collect();
        keepers.iter().for_each(|uid| self.publish(uid));
        let proxies: Vec<_> = self
            .proxies
            .iter()
            .filter(|(_, proxy)| is_due(proxy.next_publication()))
            .map(|(uid, _)| uid.clone())
            .collect();
        proxies.iter().for_each(|uid| self.publish_proxy(uid));
    }

    fn both_clocks(&self) -> Now {
        let unix_nanos = (self.wall_offset + self.now.0).as_nanos();
        let wall = GoTime::new(i128::try_from(unix_nanos).expect("a time of our days"), 0);
        Now { mono: self.now, wall }
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            cluster_data: self.data.clone(),
            term: self.term,
            initial_spec: self.initial_spec.clone(),
            seed: self.seed,
            ..Snapshot::default()
        };
        for (uid, keeper) in &self.keepers {
            if keeper.is_garbage {
                snapshot.unreadable_keepers.insert(uid.clone());
            } else if let Some(info) = &keeper.info {
                snapshot.keeper_infos.insert(uid.clone(), info.clone());
            }
        }
        for (uid, proxy) in &self.proxies {
            if proxy.is_garbage {
                snapshot.unreadable_proxies.insert(uid.clone());
            } else if let Some(info) = &proxy.info {
                snapshot.proxy_infos.insert(uid.clone(), info.clone());
            }
        }
        snapshot
    }

    /// No two instances that take writes are reachable through proxies.
    pub fn assert_one_reachable(&self) {
        let targets = self.proxies.values().filter_map(|proxy| proxy.forwards_to(self.now));
        let is_writable =
            |uid: &&DbUid| self.keeper_of(uid).is_some_and(|(_, keeper)| keeper.is_writable());
        let reachable: BTreeSet<_> = targets.filter(is_writable).collect();
        assert!(reachable.len() <= 1, "two masters are reachable: {reachable:?}");
    }

    /// The standbys that the master on `keeper` would report as in sync: required by what it applied, alive, and
    /// following it.
    pub fn in_sync_with(&self, master: &DbUid, required: &BTreeSet<DbUid>) -> Vec<DbUid> {
        let is_in_sync = |uid: &&DbUid| {
            self.keeper_of(uid).is_some_and(|(_, keeper)| keeper.streams_from(master))
        };
        required.iter().filter(is_in_sync).cloned().collect()
    }
}
