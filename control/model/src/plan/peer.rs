//! Another db of the cluster, and the connections to it.

use super::desired::KeeperOptions;
use crate::cluster::{ClusterData, DbStatus};
use crate::postgres::conninfo::ConnInfo;
use crate::postgres::name_of;
use crate::postgres::role::Account;
use crate::uid::{DbUid, KeeperUid};

/// Another db of the cluster, as far as a keeper needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The db.
    pub uid: DbUid,
    /// Its keeper.
    pub keeper: KeeperUid,
    /// What that keeper reported: address, port, system id, timeline and history.
    pub status: DbStatus,
    /// The dbs for which it keeps a replication slot, as far as it has confirmed.
    pub serves: Vec<DbUid>,
}

impl Peer {
    /// The db `uid` of the cluster data, if it is there.
    pub fn find(data: &ClusterData, uid: &DbUid) -> Option<Self> {
        let db = data.dbs.get(uid)?;
        let spec = db.spec.clone().unwrap_or_default();
        let is_converged = db.status.current_generation == db.generation;
        let serves = spec.followers.filter(|_| is_converged).unwrap_or_default();
        Some(Self { uid: uid.clone(), keeper: spec.keeper_uid, status: db.status.clone(), serves })
    }

    /// Whether its keeper has said where it listens. With an empty host libpq would connect to this very machine.
    pub fn has_address(&self) -> bool {
        !self.status.listen_address.is_empty() && !self.status.port.is_empty()
    }

    /// How the db `own` follows it: the value of `primary_conninfo`.
    pub fn replication_conninfo(&self, own: &DbUid, keeper: &KeeperOptions) -> ConnInfo {
        self.conninfo(own, &keeper.replication)
    }

    /// How pg_basebackup connects to it.
    pub fn basebackup_conninfo(&self, own: &DbUid, keeper: &KeeperOptions) -> ConnInfo {
        without_sync_wait(self.conninfo(own, &keeper.replication))
    }

    /// How pg_rewind connects to it.
    pub fn rewind_conninfo(&self, own: &DbUid, keeper: &KeeperOptions) -> ConnInfo {
        without_sync_wait(self.conninfo(own, &keeper.superuser)).with("dbname", "postgres")
    }

    fn conninfo(&self, own: &DbUid, account: &Account) -> ConnInfo {
        ConnInfo::new()
            .with("user", &account.name)
            .with("host", &self.status.listen_address)
            .with("port", &self.status.port)
            .with("application_name", name_of(own))
            .with("sslmode", "prefer")
            .with_password(account.password())
    }
}

/// A session that writes would hang while the master waits for its synchronous standbys, of which this db may be one.
fn without_sync_wait(conninfo: ConnInfo) -> ConnInfo {
    conninfo.with("options", "-c synchronous_commit=off")
}
