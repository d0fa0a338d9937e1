//! An operator at stolonctl: fails and removes keepers, changes the specification, and sometimes spoils the cluster data.

use crate::oracle::Author;
use crate::store::{CLUSTER_DATA, Meaning};
use crate::world::World;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use stolon_model::cluster::ClusterData;
use stolon_model::json;
use stolon_model::spec::ClusterSpec;
use stolon_model::time::GoDuration;

/// An operator.
#[derive(Debug)]
pub struct Operator {
    world: Rc<World>,
    /// What the cluster data were before they were spoilt.
    spoilt: RefCell<Option<Vec<u8>>>,
}

impl Operator {
    /// An operator who has done nothing yet.
    pub fn new(world: &Rc<World>) -> Self {
        Self { world: world.clone(), spoilt: RefCell::default() }
    }

    /// Does something.
    pub fn act(self: &Rc<Self>) {
        let Some(data) = self.read() else { return };
        match self.world.pick(6) {
            0 => self.fail_keeper(data),
            1 => self.remove_keeper(data),
            2 => self.spoil(&data),
            _ => self.update_spec(data),
        }
    }

    /// Puts the cluster data back if they are spoilt.
    pub fn restore(&self) {
        if let Some(bytes) = self.spoilt.borrow_mut().take() {
            self.world.say("OPERATOR", || "restores the cluster data".to_owned());
            // No lease is named, so none can be gone.
            let _ = self.world.store.put(CLUSTER_DATA, &bytes, None);
        }
    }

    fn read(&self) -> Option<ClusterData> {
        match self.world.store.get(CLUSTER_DATA)?.meaning {
            Meaning::ClusterData(data) => Some(ClusterData::clone(&data)),
            _ => None,
        }
    }

    fn write(&self, old: &ClusterData, new: &ClusterData) {
        let _ = self.world.store.put(CLUSTER_DATA, &json::encode(new), None);
        self.world.oracle.written(&self.world, Some(old), new, Author::Operator);
    }

    fn fail_keeper(&self, old: ClusterData) {
        let mut data = old.clone();
        let pick = self.world.pick(data.keepers.len());
        if let Some((uid, keeper)) = data.keepers.iter_mut().nth(pick) {
            self.world.say("OPERATOR", || format!("failkeeper {uid}"));
            keeper.status.force_fail = true;
            self.write(&old, &data);
        }
    }

    fn remove_keeper(&self, old: ClusterData) {
        let mut data = old.clone();
        let master = old.master_db().and_then(|db| db.keeper_uid().cloned());
        let pick = self.world.pick(data.keepers.len());
        let Some(uid) = data.keepers.keys().nth(pick).cloned() else { return };
        if Some(&uid) == master.as_ref() {
            return;
        }
        self.world.say("OPERATOR", || format!("removekeeper {uid}"));
        data.keepers.remove(&uid);
        data.dbs.retain(|_, db| db.keeper_uid() != Some(&uid));
        self.write(&old, &data);
    }

    fn spoil(self: &Rc<Self>, data: &ClusterData) {
        if self.spoilt.borrow().is_some() {
            return;
        }
        self.world.say("OPERATOR", || "spoils the cluster data".to_owned());
        *self.spoilt.borrow_mut() = Some(json::encode(data));
        let garbage: &[u8] = if self.world.chance(500) {
            b"{\"formatVersion\":1,"
        } else {
            b"{\"formatVersion\":7}"
        };
        let _ = self.world.store.put(CLUSTER_DATA, garbage, None);
        let operator = self.clone();
        self.world.executor.after(self.world.span(500, 20_000), move || operator.restore());
    }

    fn update_spec(&self, old: ClusterData) {
        let mut data = old.clone();
        let Some(spec) = data.cluster.as_mut().and_then(|cluster| cluster.spec.as_mut()) else {
            return;
        };
        let what = self.change(spec);
        if spec.validate().is_ok() {
            self.world.say("OPERATOR", || format!("update: {what}"));
            self.write(&old, &data);
        }
    }

    fn change(&self, spec: &mut ClusterSpec) -> String {
        let world = &self.world;
        let millis = |ms: usize| Some(GoDuration::from_std(Duration::from_millis(ms as u64)));
        match world.pick(7) {
            0 => {
                let is_on = !spec.synchronous_replication.unwrap_or_default();
                spec.synchronous_replication = Some(is_on);
                format!("synchronousReplication {is_on}")
            }
            1 => {
                let max = 1 + world.pick(3) as u16;
                spec.max_synchronous_standbys = Some(max);
                format!("maxSynchronousStandbys {max}")
            }
            2 => {
                let max = 1 + world.pick(4) as u16;
                spec.max_standbys_per_sender = Some(max);
                format!("maxStandbysPerSender {max}")
            }
            3 => {
                let timeout = 3000 + world.pick(15_000);
                spec.proxy_timeout = millis(timeout);
                spec.proxy_check_interval = millis(timeout / 4);
                format!("proxyTimeout {timeout} ms")
            }
            4 => {
                let interval = 500 + world.pick(4000);
                spec.sleep_interval = millis(interval);
                spec.fail_interval = millis(interval * 3);
                format!("sleepInterval {interval} ms")
            }
            5 => {
                spec.pg_parameters.insert("work_mem".to_owned(), format!("{}MB", world.pick(64)));
                "pgParameters".to_owned()
            }
            _ => {
                let is_on = !spec.use_pgrewind.unwrap_or_default();
                spec.use_pgrewind = Some(is_on);
                format!("usePgrewind {is_on}")
            }
        }
    }
}
