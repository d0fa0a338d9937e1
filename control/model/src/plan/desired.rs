//! What the cluster data want of one keeper.

use super::peer::Peer;
use crate::cluster::{ClusterData, Db, DbSpec, FollowConfig, FollowKind, Role};
use crate::generation::Generation;
use crate::postgres::hba::{Hba, Peers};
use crate::postgres::name_of;
use crate::postgres::recovery::Recovery;
use crate::postgres::role::Account;
use crate::postgres::version::PgVersion;
use crate::spec::{InitMode, SuReplAccess};
use crate::uid::{BootUuid, ClusterUid, DbUid, KeeperUid};
use std::time::Duration;

/// What a keeper knows of itself from its flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeeperOptions {
    /// Its uid.
    pub uid: KeeperUid,
    /// The UUID of this run of the process.
    pub boot_uuid: BootUuid,
    /// Path of PGDATA.
    pub pgdata: String,
    /// `--pg-listen-address`.
    pub listen_address: String,
    /// `--pg-port`.
    pub port: String,
    /// The superuser.
    pub superuser: Account,
    /// The replication role; may be the same role.
    pub replication: Account,
}

/// What the cluster data want of a keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Desired {
    /// There are no cluster data yet, or they were never readable. PostgreSQL is left as it is.
    NothingKnown,
    /// The cluster data must not be acted upon. PostgreSQL is left as it is.
    Unusable {
        /// One sentence for the log.
        reason: String,
    },
    /// The sentinel has not added this keeper yet. PostgreSQL is left as it is.
    KeeperUnknown {
        /// The cluster to belong to.
        cluster: ClusterUid,
        /// How this cluster came, or comes, to its data.
        init_mode: InitMode,
    },
    /// No db is assigned: PostgreSQL must not run, its data stay.
    NoDb {
        /// The cluster to belong to.
        cluster: ClusterUid,
    },
    /// The sentinel has not seen this run of the process yet: PostgreSQL must not run.
    BootUuidMismatch {
        /// The cluster to belong to.
        cluster: ClusterUid,
        /// The run the sentinel knows of.
        recorded: BootUuid,
        /// This run.
        own: BootUuid,
    },
    /// A db is assigned.
    Db(Box<DesiredDb>),
}

/// A db that is assigned to this keeper, with everything about the others that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredDb {
    /// The cluster to belong to.
    pub cluster: ClusterUid,
    /// The db.
    pub uid: DbUid,
    /// The version of its spec.
    pub generation: Generation,
    /// What it should be.
    pub spec: DbSpec,
    /// Its role, with whom it follows.
    pub role: DesiredRole,
    /// The cluster's master db, if it is in the cluster data: the source of pg_rewind.
    pub master: Option<Peer>,
    /// The material of `pg_hba.conf`.
    pub hba: Hba,
    /// `dbWaitReadyTimeout`.
    pub ready_timeout: Duration,
    /// `syncTimeout`; `None` is without limit.
    pub sync_timeout: Option<Duration>,
    /// `automaticPgRestart`.
    pub restarts_by_itself: bool,
    /// The keeper itself.
    pub keeper: KeeperOptions,
}

/// The role a db should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesiredRole {
    /// It takes writes.
    Master,
    /// It follows a db of this cluster.
    Follower(Peer),
    /// It follows a db of this cluster that is not in the cluster data.
    FollowerOfNone(DbUid),
    /// It follows an instance that this cluster does not run.
    ExternalFollower(FollowConfig),
    /// The spec has no role that makes sense.
    Undefined,
}

impl Desired {
    /// Reads the cluster data for the keeper that `keeper` describes. `None` is: there are none.
    pub fn read(data: Option<&ClusterData>, keeper: &KeeperOptions) -> Self {
        let Some(data) = data else {
            return Self::NothingKnown;
        };
        let (cluster, spec) = match data.validate() {
            Ok(valid) => valid,
            Err(error) => return Self::Unusable { reason: error.to_string() },
        };
        let uid = cluster.uid.clone();
        let Some(record) = data.keepers.get(&keeper.uid) else {
            return Self::KeeperUnknown { cluster: uid, init_mode: spec.init_mode };
        };
        let mut own = data.dbs.iter().filter(|(_, db)| is_of(db, &keeper.uid));
        let Some((db_uid, db)) = own.next() else {
            return Self::NoDb { cluster: uid };
        };
        if let Some((other, _)) = own.next() {
            return Self::Unusable {
                reason: format!("two dbs are assigned to this keeper, {db_uid} and {other}"),
            };
        }
        if record.status.boot_uuid != keeper.boot_uuid {
            return Self::BootUuidMismatch {
                cluster: uid,
                recorded: record.status.boot_uuid.clone(),
                own: keeper.boot_uuid.clone(),
            };
        }
        let db_spec = db.spec.clone().unwrap_or_default();
        Self::Db(Box::new(DesiredDb {
            cluster: uid,
            uid: db_uid.clone(),
            generation: db.generation,
            role: role(data, &db_spec),
            master: Peer::find(data, &cluster.status.master),
            hba: hba(data, spec.default_su_repl_access_mode, db_uid, &db_spec, keeper),
            ready_timeout: spec.db_wait_ready_timeout,
            sync_timeout: (!spec.sync_timeout.is_zero()).then_some(spec.sync_timeout),
            restarts_by_itself: spec.automatic_pg_restart,
            keeper: keeper.clone(),
            spec: db_spec,
        }))
    }

    /// The db that is assigned.
    pub fn db(&self) -> Option<&DesiredDb> {
        match self {
            Self::Db(db) => Some(db),
            _ => None,
        }
    }

    /// The cluster this keeper is to belong to, as far as the cluster data say.
    pub fn cluster(&self) -> Option<&ClusterUid> {
        match self {
            Self::NothingKnown | Self::Unusable { .. } => None,
            Self::KeeperUnknown { cluster, .. }
            | Self::NoDb { cluster }
            | Self::BootUuidMismatch { cluster, .. } => Some(cluster),
            Self::Db(db) => Some(&db.cluster),
        }
    }

    /// The cluster that must not be joined with data that belong to the cluster `saved`, if it is that one.
    ///
    /// Data beside the store of a cluster that does not know this keeper are most likely the result of wrong flags, and going
    /// on would overwrite them. A cluster made with `initMode` `existing` is made from such data.
    pub fn foreign_to(&self, saved: &ClusterUid) -> Option<&ClusterUid> {
        match self {
            Self::KeeperUnknown { cluster, init_mode }
                if *init_mode != InitMode::Existing && !saved.is_empty() && saved != cluster =>
            {
                Some(cluster)
            }
            _ => None,
        }
    }
}

impl DesiredDb {
    /// The db of this cluster that it follows.
    pub fn followed(&self) -> Option<&Peer> {
        match &self.role {
            DesiredRole::Follower(peer) => Some(peer),
            _ => None,
        }
    }

    /// The recovery settings with which it runs in its role.
    pub fn recovery(&self, version: Option<PgVersion>) -> Recovery {
        match &self.role {
            DesiredRole::Follower(peer) => {
                let conninfo = peer.replication_conninfo(&self.uid, &self.keeper);
                let takes_passfile = version.is_none_or(PgVersion::takes_passfile);
                let pgdata = takes_passfile.then_some(self.keeper.pgdata.as_str());
                Recovery::follow(&conninfo, &name_of(&self.uid), pgdata)
            }
            DesiredRole::ExternalFollower(follow) => Recovery::standby(
                follow.standby_settings.as_ref(),
                follow.archive_recovery_settings.as_ref(),
            ),
            DesiredRole::Master | DesiredRole::FollowerOfNone(_) | DesiredRole::Undefined => {
                Recovery::none()
            }
        }
    }
}

fn is_of(db: &Db, keeper: &KeeperUid) -> bool {
    db.spec.as_ref().is_some_and(|spec| spec.keeper_uid == *keeper)
}

fn role(data: &ClusterData, spec: &DbSpec) -> DesiredRole {
    match (spec.role, &spec.follow_config) {
        (Some(Role::Master), _) => DesiredRole::Master,
        (Some(Role::Standby), Some(follow)) => match follow.kind {
            Some(FollowKind::Internal) => Peer::find(data, &follow.db_uid).map_or_else(
                || DesiredRole::FollowerOfNone(follow.db_uid.clone()),
                DesiredRole::Follower,
            ),
            Some(FollowKind::External) => DesiredRole::ExternalFollower(follow.clone()),
            None => DesiredRole::Undefined,
        },
        (Some(Role::Standby), None) | (Some(Role::Undefined) | None, _) => DesiredRole::Undefined,
    }
}

fn hba(
    data: &ClusterData,
    access: SuReplAccess,
    own: &DbUid,
    db: &DbSpec,
    keeper: &KeeperOptions,
) -> Hba {
    let others = data.dbs.iter().filter(|(uid, _)| *uid != own);
    let peers = match access {
        SuReplAccess::All => Peers::All,
        SuReplAccess::Strict if is_master_type(db) => {
            Peers::Only(others.map(|(_, db)| db.status.listen_address.clone()).collect())
        }
        SuReplAccess::Strict => Peers::Only(Vec::new()),
    };
    Hba::new(&keeper.superuser, &keeper.replication, peers, db.pg_hba.clone())
}

/// Whether others may follow it: a master, or the standby of an external instance.
fn is_master_type(spec: &DbSpec) -> bool {
    let kind = spec.follow_config.as_ref().and_then(|follow| follow.kind);
    match spec.role {
        Some(Role::Master) => true,
        Some(Role::Standby) => kind == Some(FollowKind::External),
        Some(Role::Undefined) | None => false,
    }
}
