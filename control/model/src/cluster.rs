//! The cluster data: the one value in the store that says what should be (reference, chapters 3.3 to 3.8).

mod initial;
mod validate;

pub use validate::ClusterDataError;

use crate::generation::Generation;
use crate::lsn::{Lsn, TimelineId};
use crate::spec::{
    ArchiveRecoverySettings, ClusterSpec, NewConfig, PgParameters, PitrConfig, StandbySettings,
};
use crate::time::{GoDuration, GoTime};
use crate::uid::{BootUuid, ClusterUid, DbUid, KeeperUid, ProxyUid};
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The only format version there is; a component refuses to act on another.
pub const FORMAT_VERSION: u64 = 1;

/// The name that stands in `synchronous_standby_names` when there are too few standbys, so that commits wait.
pub const FAKE_STANDBY_NAME: &str = "stolonfakestandby";

/// What should be: written by the leader sentinel and `stolonctl`, read by all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterData {
    /// [`FORMAT_VERSION`], or nobody acts.
    pub format_version: u64,
    /// When the leader last wrote it.
    pub change_time: GoTime,
    /// The cluster; `None` is written as `null`.
    pub cluster: Option<Cluster>,
    /// Keepers by their uid.
    pub keepers: BTreeMap<KeeperUid, Keeper>,
    /// PostgreSQL instances by their uid.
    pub dbs: BTreeMap<DbUid, Db>,
    /// What proxies should do.
    pub proxy: Option<Proxy>,
}

impl ClusterData {
    /// The db of the current or designated master, if the cluster data holds it.
    pub fn master_db(&self) -> Option<&Db> {
        self.dbs.get(&self.cluster.as_ref()?.status.master)
    }

    /// The db that a keeper should run; a keeper runs one at most.
    pub fn db_of_keeper(&self, keeper: &KeeperUid) -> Option<&Db> {
        self.dbs.values().find(|db| db.keeper_uid() == Some(keeper))
    }
}

impl Db {
    /// The keeper that runs it, once it has a specification.
    pub fn keeper_uid(&self) -> Option<&KeeperUid> {
        self.spec.as_ref().map(|spec| &spec.keeper_uid)
    }
}

/// The cluster as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cluster {
    /// New at each `init`.
    #[serde(skip_serializing_if = "ClusterUid::is_empty")]
    pub uid: ClusterUid,
    /// Stays at 1.
    #[serde(skip_serializing_if = "Generation::is_none")]
    pub generation: Generation,
    /// When this object last changed.
    pub change_time: GoTime,
    /// As the user gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<ClusterSpec>,
    /// Where the cluster stands.
    pub status: ClusterStatus,
}

/// Where the cluster stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// Never set.
    #[serde(skip_serializing_if = "Generation::is_none")]
    pub current_generation: Generation,
    /// Absent in no cluster data that Stolon wrote.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "word")]
    pub phase: Option<Phase>,
    /// The db uid of the current or designated master; empty while there is none.
    #[serde(skip_serializing_if = "DbUid::is_empty")]
    pub master: DbUid,
}

/// The phase of a cluster's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The first master is being made.
    Initializing,
    /// There is a master.
    Normal,
}

/// A keeper as the cluster knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Keeper {
    /// The same as its key in the map.
    #[serde(skip_serializing_if = "KeeperUid::is_empty")]
    pub uid: KeeperUid,
    /// Stays at 1.
    #[serde(skip_serializing_if = "Generation::is_none")]
    pub generation: Generation,
    /// When this object last changed.
    pub change_time: GoTime,
    /// Has no fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<KeeperSpec>,
    /// What is known of it.
    pub status: KeeperStatus,
}

/// Has no fields: `{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeeperSpec {}

/// What is known of a keeper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeeperStatus {
    /// Its infos are fresh, or stopped being so for less than failInterval.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub healthy: bool,
    /// Wall clock of the last pass that found it healthy.
    pub last_healthy_time: GoTime,
    /// The run of the process that the sentinel has seen; a keeper starts PostgreSQL only when it is its own.
    #[serde(rename = "bootUUID", skip_serializing_if = "BootUuid::is_empty")]
    pub boot_uuid: BootUuid,
    /// Version of its PostgreSQL programs.
    pub postgres_binary_version: PostgresBinaryVersion,
    /// Set by `stolonctl failkeeper`: unhealthy for one pass.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force_fail: bool,
    /// `None` is unknown, which allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_be_master: Option<bool>,
    /// `None` is unknown, which allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_be_synchronous_replica: Option<bool>,
}

/// Version of PostgreSQL programs: 13.2 is 13/2, 9.6.3 is 9/6, 0/0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PostgresBinaryVersion {
    /// First number.
    pub maj: i64,
    /// Second number.
    pub min: i64,
}

/// A PostgreSQL instance as the cluster knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Db {
    /// The same as its key in the map.
    #[serde(skip_serializing_if = "DbUid::is_empty")]
    pub uid: DbUid,
    /// Grows by one whenever [`Db::spec`] changes.
    #[serde(skip_serializing_if = "Generation::is_none")]
    pub generation: Generation,
    /// When this object last changed.
    pub change_time: GoTime,
    /// What it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<DbSpec>,
    /// What its keeper reported.
    pub status: DbStatus,
}

/// What a PostgreSQL instance should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DbSpec {
    /// The owner, for the db's whole life.
    #[serde(rename = "keeperUID", skip_serializing_if = "KeeperUid::is_empty")]
    pub keeper_uid: KeeperUid,
    /// From the cluster spec.
    pub request_timeout: GoDuration,
    /// From the cluster spec; sizes max_replication_slots and max_wal_senders.
    #[serde(skip_serializing_if = "is_zero_u16")]
    pub max_standbys: u16,
    /// Written by the rules for synchronous standbys, not copied.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub synchronous_replication: bool,
    /// From the cluster spec.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub use_pgrewind: bool,
    /// From the cluster spec.
    pub additional_wal_senders: u16,
    /// From the cluster spec on a master, `null` on a standby.
    pub additional_replication_slots: Option<Vec<String>>,
    /// How its data comes to be; `None` is never written by Stolon.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "word")]
    pub init_mode: Option<DbInitMode>,
    /// For [`DbInitMode::New`]; stays afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_config: Option<NewConfig>,
    /// For [`DbInitMode::Pitr`]; stays afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pitr_config: Option<PitrConfig>,
    /// From the cluster spec.
    #[serde(skip_serializing_if = "PgParameters::is_empty")]
    pub pg_parameters: PgParameters,
    /// From the cluster spec; `null` and `[]` differ.
    #[serde(rename = "pgHBA")]
    pub pg_hba: Option<Vec<String>>,
    /// What it should be in replication.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "word")]
    pub role: Option<Role>,
    /// Whom it follows; only with [`Role::Standby`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_config: Option<FollowConfig>,
    /// Sorted uids of the dbs that follow it.
    pub followers: Option<Vec<DbUid>>,
    /// True while initialising if mergePgParameters.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub include_previous_config: bool,
    /// Sorted; `null` when synchronous replication is off or the db is a standby.
    pub synchronous_standbys: Option<Vec<DbUid>>,
    /// Standby names taken literally; only [`FAKE_STANDBY_NAME`] ever stands here.
    pub external_synchronous_standbys: Option<Vec<String>>,
}

fn is_zero_u16(n: &u16) -> bool {
    *n == 0
}

/// Reads a word; an empty one is none, as for Go, which has plain texts here.
fn word<'de, D, T>(source: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    match Option::<String>::deserialize(source)? {
        Some(word) if !word.is_empty() => T::deserialize(word.into_deserializer()).map(Some),
        _ => Ok(None),
    }
}

/// How the data of an instance comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DbInitMode {
    /// It is there already.
    None,
    /// By initdb.
    New,
    /// The keeper's data directory holds it already; take it over.
    Existing,
    /// From a backup.
    Pitr,
    /// From the followed db.
    Resync,
}

/// What an instance is, or should be, in replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Not known; never stored in a spec.
    Undefined,
    /// Takes writes.
    Master,
    /// Follows another instance.
    Standby,
}

/// Whom a standby follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FollowConfig {
    /// Inside or outside of the cluster.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", deserialize_with = "word")]
    pub kind: Option<FollowKind>,
    /// The followed db, when inside.
    #[serde(rename = "dbuid", skip_serializing_if = "DbUid::is_empty")]
    pub db_uid: DbUid,
    /// When outside.
    #[serde(rename = "standbySettings", skip_serializing_if = "Option::is_none")]
    pub standby_settings: Option<StandbySettings>,
    /// When outside.
    #[serde(rename = "archiveRecoverySettings", skip_serializing_if = "Option::is_none")]
    pub archive_recovery_settings: Option<ArchiveRecoverySettings>,
}

/// Where the followed instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FollowKind {
    /// A db of this cluster.
    Internal,
    /// An instance that this cluster does not run.
    External,
}

/// What a keeper reported of its instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DbStatus {
    /// Its reports are fresh and good, or stopped being so for less than failInterval.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub healthy: bool,
    /// The generation that the keeper has fully applied.
    #[serde(skip_serializing_if = "Generation::is_none")]
    pub current_generation: Generation,
    /// Advertised address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listen_address: String,
    /// Advertised port, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// PostgreSQL's system identifier. The name on the wire has a letter too many, for ever.
    #[serde(rename = "systemdID", skip_serializing_if = "String::is_empty")]
    pub system_id: String,
    /// Timeline at the last healthy report.
    #[serde(rename = "timelineID", skip_serializing_if = "TimelineId::is_zero")]
    pub timeline_id: TimelineId,
    /// Position at the last healthy report.
    #[serde(rename = "xLogPos", skip_serializing_if = "Lsn::is_zero")]
    pub xlog_pos: Lsn,
    /// At most the last two entries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timelines_history: Vec<TimelineHistory>,
    /// Parameters of the instance without those that Stolon writes.
    #[serde(skip_serializing_if = "PgParameters::is_empty")]
    pub pg_parameters: PgParameters,
    /// Dbs known to be in sync: sticky, only extended by what was reported.
    pub synchronous_standbys: Option<Vec<DbUid>>,
    /// Name of the oldest WAL segment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub older_wal_file: String,
    /// What the keeper reported as in sync in this very pass; never written.
    #[serde(skip)]
    pub cur_synchronous_standbys: BTreeSet<DbUid>,
}

/// One line of a timeline history file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimelineHistory {
    /// The timeline that ended.
    #[serde(rename = "timelineID", skip_serializing_if = "TimelineId::is_zero")]
    pub timeline_id: TimelineId,
    /// Where it ended.
    #[serde(rename = "switchPoint", skip_serializing_if = "Lsn::is_zero")]
    pub switch_point: Lsn,
    /// Why it ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What proxies should do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Proxy {
    /// Never set.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Grows by one whenever [`Proxy::spec`] changes; starts at 0.
    #[serde(skip_serializing_if = "Generation::is_none")]
    pub generation: Generation,
    /// When this object last changed.
    pub change_time: GoTime,
    /// What to do.
    pub spec: ProxySpec,
    /// Has no fields.
    pub status: ProxyStatus,
}

/// Where proxies forward to, and which of them may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxySpec {
    /// The db to forward to; empty closes every connection.
    #[serde(skip_serializing_if = "DbUid::is_empty")]
    pub master_db_uid: DbUid,
    /// Proxies that the sentinel waits for, and hence may forward.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enabled_proxies: Vec<ProxyUid>,
}

/// Has no fields: `{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyStatus {}
