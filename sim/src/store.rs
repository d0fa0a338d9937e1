//! The store: keys with revisions, leases and watches, with etcd's meaning of each.
//!
//! Values are bytes, as in etcd: everything passes through the model's JSON. What they mean is worked out once per write.

use crate::executor::Executor;
use crate::wire::Wire;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::cluster::ClusterData;
use stolon_model::info::{KeeperInfo, ProxyInfo};
use stolon_model::json;
use tokio::sync::Notify;

/// The key of the cluster data.
pub const CLUSTER_DATA: &str = "sim/clusterdata";
/// The prefix of keepers' infos.
pub const KEEPERS: &str = "sim/keepers/info/";
/// The prefix of proxies' infos.
pub const PROXIES: &str = "sim/proxies/info/";
/// The prefix of candidates.
pub const CANDIDATES: &str = "sim/sentinel-leader/";
/// The prefix of everything.
pub const EVERYTHING: &str = "sim/";

/// The store.
#[derive(Debug)]
pub struct Store {
    executor: Executor,
    data: RefCell<Data>,
}

#[derive(Debug, Default)]
struct Data {
    revision: i64,
    records: BTreeMap<String, Record>,
    last_lease: i64,
    leases: BTreeMap<i64, Lease>,
    watchers: Vec<Watcher>,
}

/// A key's value.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it means.
    pub meaning: Meaning,
    /// When the key was created.
    pub created: i64,
    /// When it was last written.
    pub modified: i64,
    lease: Option<i64>,
}

/// What the bytes of a value mean.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// The cluster data.
    ClusterData(Rc<ClusterData>),
    /// A keeper's info.
    Keeper(Rc<KeeperInfo>),
    /// A proxy's info.
    Proxy(Rc<ProxyInfo>),
    /// Something else.
    Plain,
    /// Bytes that cannot be understood.
    Garbage,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    ttl: Duration,
    ends: Duration,
}

#[derive(Debug)]
struct Watcher {
    prefix: &'static str,
    wire: Rc<Wire>,
    wake: Rc<Notify>,
}

/// What a compare-and-swap demands: the revision at which the key was last written, or 0 for "it is not there".
pub type Expected = i64;

/// The lease is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseGone;

impl Meaning {
    fn of(key: &str, value: &[u8]) -> Self {
        let meaning = if key == CLUSTER_DATA {
            json::decode(value).map(|data| Self::ClusterData(Rc::new(data)))
        } else if key.starts_with(KEEPERS) {
            json::decode(value).map(|info| Self::Keeper(Rc::new(info)))
        } else if key.starts_with(PROXIES) {
            json::decode(value).map(|info| Self::Proxy(Rc::new(info)))
        } else {
            return Self::Plain;
        };
        meaning.unwrap_or(Self::Garbage)
    }
}

impl Store {
    /// An empty store.
    pub fn new(executor: Executor) -> Self {
        Self { executor, data: RefCell::default() }
    }

    /// One key.
    pub fn get(&self, key: &str) -> Option<Record> {
        self.data.borrow().records.get(key).cloned()
    }

    /// All keys with `prefix`.
    pub fn list(&self, prefix: &str) -> Vec<(String, Record)> {
        let data = self.data.borrow();
        let from = data.records.range(prefix.to_owned()..);
        from.take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect()
    }

    /// Writes, whatever is there.
    pub fn put(&self, key: &str, value: &[u8], lease: Option<i64>) -> Result<i64, LeaseGone> {
        let revision = {
            let mut data = self.data.borrow_mut();
            if lease.is_some_and(|lease| !data.leases.contains_key(&lease)) {
                return Err(LeaseGone);
            }
            data.revision += 1;
            let revision = data.revision;
            let created = data.records.get(key).map_or(revision, |record| record.created);
            let meaning = Meaning::of(key, value);
            let record = Record { meaning, created, modified: revision, lease };
            data.records.insert(key.to_owned(), record);
            revision
        };
        self.tell(key);
        Ok(revision)
    }

    /// Replaces the value of a key by bytes that nobody understands, and leaves its lease.
    pub fn spoil(&self, key: &str, record: &Record) {
        // A lease that is gone has taken the key with it.
        let _ = self.put(key, b"{\"infoUID\":", record.lease);
    }

    /// Whether the key is as expected.
    pub fn is_as_expected(&self, key: &str, expected: Expected) -> bool {
        self.data.borrow().records.get(key).map_or(0, |record| record.modified) == expected
    }

    /// Whether a leader's key still exists.
    pub fn leads(&self, key: &str, created: u64) -> bool {
        self.data
            .borrow()
            .records
            .get(key)
            .is_some_and(|record| u64::try_from(record.created).is_ok_and(|its| its == created))
    }

    /// Deletes a key.
    pub fn delete(&self, key: &str) {
        let was_there = {
            let mut data = self.data.borrow_mut();
            let was_there = data.records.remove(key).is_some();
            data.revision += i64::from(was_there);
            was_there
        };
        if was_there {
            self.tell(key);
        }
    }

    /// A new lease.
    pub fn grant(self: &Rc<Self>, ttl: Duration) -> i64 {
        let id = {
            let mut data = self.data.borrow_mut();
            data.last_lease += 1;
            let id = data.last_lease;
            data.leases.insert(id, Lease { ttl, ends: self.executor.now() + ttl });
            id
        };
        self.expire_later(id, ttl);
        id
    }

    /// Renews a lease.
    pub fn keep_alive(self: &Rc<Self>, id: i64) -> Result<(), LeaseGone> {
        let now = self.executor.now();
        let ttl = {
            let mut data = self.data.borrow_mut();
            let lease = data.leases.get_mut(&id).ok_or(LeaseGone)?;
            lease.ends = now + lease.ttl;
            lease.ttl
        };
        self.expire_later(id, ttl);
        Ok(())
    }

    /// Ends a lease, and the keys bound to it.
    pub fn revoke(&self, id: i64) {
        let bound: Vec<String> = {
            let mut data = self.data.borrow_mut();
            if data.leases.remove(&id).is_none() {
                return;
            }
            let of_lease = data.records.iter().filter(|(_, record)| record.lease == Some(id));
            of_lease.map(|(key, _)| key.clone()).collect()
        };
        for key in bound {
            self.delete(&key);
        }
    }

    /// Ends every lease, as an operator could.
    pub fn revoke_all(&self) {
        let all: Vec<i64> = self.data.borrow().leases.keys().copied().collect();
        all.into_iter().for_each(|id| self.revoke(id));
    }

    /// Wakes whenever a key with `prefix` may have changed, and at once.
    pub fn watch(&self, prefix: &'static str, wire: &Rc<Wire>) -> Rc<Notify> {
        let wake = Rc::new(Notify::new());
        wake.notify_one();
        let watcher = Watcher { prefix, wire: wire.clone(), wake: wake.clone() };
        self.data.borrow_mut().watchers.push(watcher);
        wake
    }

    /// The watches of `wire` have been opened again: something may have been missed.
    pub fn rewatch(&self, wire: &Rc<Wire>) {
        for watcher in &self.data.borrow().watchers {
            if Rc::ptr_eq(&watcher.wire, wire) {
                watcher.wake.notify_one();
            }
        }
    }

    fn expire_later(self: &Rc<Self>, id: i64, ttl: Duration) {
        let store = self.clone();
        self.executor.after(ttl, move || {
            let now = store.executor.now();
            let has_ended =
                store.data.borrow().leases.get(&id).is_some_and(|lease| lease.ends <= now);
            if has_ended {
                store.revoke(id);
            }
        });
    }

    fn tell(&self, key: &str) {
        let mut data = self.data.borrow_mut();
        data.watchers.retain(|watcher| Rc::strong_count(&watcher.wake) > 1);
        for watcher in data.watchers.iter().filter(|watcher| key.starts_with(watcher.prefix)) {
            if watcher.wire.is_cut() || watcher.wire.is_mute() {
                continue;
            }
            let (wire, wake) = (watcher.wire.clone(), watcher.wake.clone());
            self.executor.after(watcher.wire.latency(), move || {
                if !wire.is_cut() && !wire.is_mute() {
                    wake.notify_one();
                }
            });
        }
    }
}
