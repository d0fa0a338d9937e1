//! The cluster data while it is being made: what must be there is there.

use crate::cluster::{
    Cluster, ClusterData, Db, DbSpec, DbStatus, FollowKind, Keeper, Phase, Proxy, Role,
};
use crate::generation::Generation;
use crate::spec::ClusterSpec;
use crate::time::GoTime;
use crate::uid::{DbUid, KeeperUid};
use std::collections::{BTreeMap, BTreeSet};

/// A usable cluster data, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) format_version: u64,
    pub(super) cluster: Cluster,
    pub(super) cluster_spec: ClusterSpec,
    pub(super) keepers: BTreeMap<KeeperUid, Keeper>,
    pub(super) dbs: BTreeMap<DbUid, DraftDb>,
    pub(super) proxy: Proxy,
}

/// A db that has a spec.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DraftDb {
    pub(super) uid: DbUid,
    pub(super) generation: Generation,
    pub(super) change_time: GoTime,
    pub(super) spec: DbSpec,
    pub(super) status: DbStatus,
    /// The dbs that its keeper reported as in sync, as long as the report is fresh. Never written.
    pub(super) reported_in_sync: BTreeSet<DbUid>,
    /// Whether there is a fresh report and it says that the instance is well. Never written.
    pub(super) is_reported_healthy: bool,
}

/// What a db is in the cluster, whatever its instance is right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DbKind {
    /// Takes writes, or follows an instance outside of the cluster.
    Master,
    /// Follows another db of the cluster.
    Standby,
}

impl Draft {
    /// Takes `data` apart. The error names what is missing.
    pub(super) fn open(data: &ClusterData) -> Result<Self, String> {
        let cluster = data.cluster.clone().ok_or("no cluster in the cluster data")?;
        let cluster_spec = cluster.spec.clone().ok_or("no spec in the cluster data")?;
        if cluster.status.phase.is_none() {
            return Err("no phase in the cluster data".to_owned());
        }
        let mut dbs = BTreeMap::new();
        for (uid, db) in &data.dbs {
            let spec = db.spec.clone().ok_or_else(|| format!("db \"{uid}\" has no spec"))?;
            let draft = DraftDb {
                uid: db.uid.clone(),
                generation: db.generation,
                change_time: db.change_time,
                spec,
                status: DbStatus { cur_synchronous_standbys: BTreeSet::new(), ..db.status.clone() },
                reported_in_sync: BTreeSet::new(),
                is_reported_healthy: false,
            };
            dbs.insert(uid.clone(), draft);
        }
        Ok(Self {
            format_version: data.format_version,
            cluster,
            cluster_spec,
            keepers: data.keepers.clone(),
            dbs,
            proxy: data.proxy.clone().unwrap_or_default(),
        })
    }

    /// Puts it together again.
    pub(super) fn close(self, change_time: GoTime) -> ClusterData {
        let dbs = self.dbs.into_iter().map(|(uid, db)| (uid, db.close())).collect();
        ClusterData {
            format_version: self.format_version,
            change_time,
            cluster: Some(Cluster { spec: Some(self.cluster_spec), ..self.cluster }),
            keepers: self.keepers,
            dbs,
            proxy: Some(self.proxy),
        }
    }

    pub(super) fn is_initializing(&self) -> bool {
        self.cluster.status.phase == Some(Phase::Initializing)
    }

    /// The uid of the master, current or designated; empty while there is none.
    pub(super) fn master_uid(&self) -> &DbUid {
        &self.cluster.status.master
    }

    /// The current or designated master.
    pub(super) fn master(&self) -> Option<&DraftDb> {
        self.dbs.get(self.master_uid())
    }

    /// The keeper of a db.
    pub(super) fn keeper_of(&self, db: &DraftDb) -> Option<&Keeper> {
        self.keepers.get(&db.spec.keeper_uid)
    }

    /// Whether a keeper owns a db.
    pub(super) fn has_db(&self, keeper: &KeeperUid) -> bool {
        self.dbs.values().any(|db| db.spec.keeper_uid == *keeper)
    }

    /// A uid that no db has.
    pub(super) fn fresh_db_uid(&self, rng: &mut fastrand::Rng) -> DbUid {
        loop {
            let uid = DbUid::new(crate::uid::short_uid(rng));
            if !self.dbs.contains_key(&uid) {
                return uid;
            }
        }
    }

    /// Adds a new db with `spec`.
    pub(super) fn add_db(&mut self, uid: &DbUid, spec: DbSpec) {
        let db = DraftDb {
            uid: uid.clone(),
            generation: Generation::INITIAL,
            change_time: GoTime::default(),
            spec,
            status: DbStatus::default(),
            reported_in_sync: BTreeSet::new(),
            is_reported_healthy: false,
        };
        self.dbs.insert(uid.clone(), db);
    }
}

impl DraftDb {
    fn close(self) -> Db {
        Db {
            uid: self.uid,
            generation: self.generation,
            change_time: self.change_time,
            spec: Some(self.spec),
            status: self.status,
        }
    }

    pub(super) fn kind(&self) -> DbKind {
        let follows_inside = self
            .spec
            .follow_config
            .as_ref()
            .is_none_or(|follow| follow.kind != Some(FollowKind::External));
        match self.spec.role {
            Some(Role::Standby) if follows_inside => DbKind::Standby,
            _ => DbKind::Master,
        }
    }

    /// Whether it has confirmed the generation that it is asked for.
    pub(super) fn is_converged(&self) -> bool {
        self.status.current_generation == self.generation
    }
}
