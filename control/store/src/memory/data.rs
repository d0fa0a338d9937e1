//! Keys, revisions and leases, with etcd's meaning of each.

use super::faults::Faults;
use super::watch::{MemoryWatch, Watcher, watcher};
use crate::error::StoreError;
use crate::store::{Entry, Expected, Lease, LeaseId, Listing, Revision, WatchTarget};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stolon_model::time::Mono;

#[derive(Debug)]
pub struct Data {
    revision: i64,
    keys: BTreeMap<String, Record>,
    last_lease: i64,
    leases: BTreeMap<LeaseId, LeaseState>,
    watchers: Vec<Watcher>,
}

#[derive(Debug)]
struct Record {
    value: Vec<u8>,
    created: i64,
    modified: i64,
    lease: Option<LeaseId>,
}

#[derive(Clone, Copy, Debug)]
struct LeaseState {
    ttl: Duration,
    ends: Mono,
}

/// Lease ids start high, as etcd's do, so that none is taken for a revision.
const FIRST_LEASE: i64 = 0x694d_0000_0000_0000;

impl Default for Data {
    fn default() -> Self {
        Self {
            revision: 1,
            keys: BTreeMap::new(),
            last_lease: FIRST_LEASE,
            leases: BTreeMap::new(),
            watchers: Vec::new(),
        }
    }
}

impl Data {
    pub fn get(&self, key: &str) -> Option<Entry> {
        self.keys.get(key).map(|record| record.entry(key))
    }

    pub fn list(&self, prefix: &str) -> Listing {
        let from = self
            .keys
            .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        let entries = from
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, record)| record.entry(key))
            .collect();
        Listing { entries, revision: Revision(self.revision) }
    }

    pub fn is_as_expected(&self, key: &str, expected: Expected) -> bool {
        match (self.keys.get(key), expected) {
            (None, Expected::Absent) => true,
            (Some(record), Expected::Revision(revision)) => record.modified == revision.0,
            _ => false,
        }
    }

    pub fn put(
        &mut self,
        key: &str,
        value: Vec<u8>,
        lease: Option<LeaseId>,
    ) -> Result<Revision, StoreError> {
        if let Some(gone) = lease.filter(|lease| !self.leases.contains_key(lease)) {
            return Err(StoreError::LeaseGone(gone));
        }
        self.revision += 1;
        let created = self.keys.get(key).map_or(self.revision, |record| record.created);
        let record = Record { value, created, modified: self.revision, lease };
        self.keys.insert(key.to_owned(), record);
        self.tell(key);
        Ok(Revision(self.revision))
    }

    pub fn delete(&mut self, key: &str) -> bool {
        let was_there = self.keys.remove(key).is_some();
        if was_there {
            self.revision += 1;
            self.tell(key);
        }
        was_there
    }

    pub fn watch(&mut self, target: WatchTarget, faults: Arc<Faults>) -> MemoryWatch {
        let (watcher, watch) = watcher(target, faults);
        self.watchers.push(watcher);
        watch
    }

    pub fn grant(&mut self, ttl: Duration, now: Mono) -> Lease {
        self.last_lease += 1;
        let id = LeaseId(self.last_lease);
        let ttl = Duration::from_secs(ttl.as_secs().max(1));
        self.leases.insert(id, LeaseState { ttl, ends: now.plus(ttl) });
        Lease { id, ttl }
    }

    pub fn keep_alive(&mut self, id: LeaseId, now: Mono) -> Result<(), StoreError> {
        let lease = self.leases.get_mut(&id).ok_or(StoreError::LeaseGone(id))?;
        lease.ends = now.plus(lease.ttl);
        Ok(())
    }

    pub fn time_to_live(&self, id: LeaseId, now: Mono) -> Option<Duration> {
        let lease = self.leases.get(&id)?;
        Some(Duration::from_secs(lease.ends.since(now).as_secs()))
    }

    pub fn revoke(&mut self, id: LeaseId) {
        if self.leases.remove(&id).is_none() {
            return;
        }
        let bound: Vec<String> = self
            .keys
            .iter()
            .filter(|(_, record)| record.lease == Some(id))
            .map(|(key, _)| key.clone())
            .collect();
        for key in bound {
            self.delete(&key);
        }
    }

    pub fn expire(&mut self, now: Mono) {
        self.revoke_where(|lease| lease.ends <= now);
    }

    pub fn revoke_all(&mut self) {
        self.revoke_where(|_| true);
    }

    fn revoke_where(&mut self, ended: impl Fn(&LeaseState) -> bool) {
        let ids: Vec<LeaseId> =
            self.leases.iter().filter(|(_, lease)| ended(lease)).map(|(id, _)| *id).collect();
        for id in ids {
            self.revoke(id);
        }
    }

    pub fn compact(&mut self) {
        for watcher in self.watchers.drain(..) {
            watcher.end(StoreError::Compacted { target: watcher.target().to_string() });
        }
    }

    pub fn wipe(&mut self) {
        let keys: Vec<String> = self.keys.keys().cloned().collect();
        for key in keys {
            self.delete(&key);
        }
        self.leases.clear();
    }

    fn tell(&mut self, key: &str) {
        self.watchers.retain(Watcher::is_listened_to);
        for watcher in self.watchers.iter().filter(|watcher| watcher.target().covers(key)) {
            watcher.tell();
        }
    }
}

impl Record {
    fn entry(&self, key: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            value: self.value.clone(),
            revision: Revision(self.modified),
            created: Revision(self.created),
            lease: self.lease,
        }
    }
}
