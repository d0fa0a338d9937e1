//! What components say of themselves (reference, chapters 3.9 to 3.11).

use crate::cluster::{PostgresBinaryVersion, TimelineHistory};
use crate::generation::Generation;
use crate::lsn::{Lsn, TimelineId};
use crate::spec::PgParameters;
use crate::uid::{BootUuid, ClusterUid, DbUid, InfoUid, KeeperUid, ProxyUid, SentinelUid};
use serde::{Deserialize, Serialize};

/// What a keeper says of itself, at `P/keepers/info/<uid>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeeperInfo {
    /// New at each publication.
    #[serde(rename = "infoUID", skip_serializing_if = "InfoUid::is_empty")]
    pub info_uid: InfoUid,
    /// The keeper.
    #[serde(skip_serializing_if = "KeeperUid::is_empty")]
    pub uid: KeeperUid,
    /// The cluster it believes in; the sentinel ignores others.
    #[serde(rename = "clusterUID", skip_serializing_if = "ClusterUid::is_empty")]
    pub cluster_uid: ClusterUid,
    /// The run of the process.
    #[serde(rename = "bootUUID", skip_serializing_if = "BootUuid::is_empty")]
    pub boot_uuid: BootUuid,
    /// Version of its PostgreSQL programs.
    pub postgres_binary_version: PostgresBinaryVersion,
    /// Absent before the first look at the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_state: Option<PostgresState>,
    /// `--can-be-master`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_be_master: Option<bool>,
    /// `--can-be-synchronous-replica`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_be_synchronous_replica: Option<bool>,
}

/// What a keeper says of its PostgreSQL instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostgresState {
    /// The db that the local data belongs to.
    #[serde(skip_serializing_if = "DbUid::is_empty")]
    pub uid: DbUid,
    /// The generation that has been applied fully.
    #[serde(skip_serializing_if = "Generation::is_none")]
    pub generation: Generation,
    /// Advertised address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listen_address: String,
    /// Advertised port, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// Everything below could be read, and the data can be written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub healthy: bool,
    /// PostgreSQL's system identifier, decimal.
    #[serde(rename = "systemID", skip_serializing_if = "String::is_empty")]
    pub system_id: String,
    /// Current timeline.
    #[serde(rename = "timelineID", skip_serializing_if = "TimelineId::is_zero")]
    pub timeline_id: TimelineId,
    /// Flush position.
    #[serde(rename = "xLogPos", skip_serializing_if = "Lsn::is_zero")]
    pub xlog_pos: Lsn,
    /// At most the last two entries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timelines_history: Vec<TimelineHistory>,
    /// Parameters without those that Stolon writes.
    #[serde(skip_serializing_if = "PgParameters::is_empty")]
    pub pg_parameters: PgParameters,
    /// Dbs in sync with it; `None` until it could be asked.
    pub synchronous_standbys: Option<Vec<DbUid>>,
    /// Name of the oldest WAL segment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub older_wal_file: String,
}

/// What a proxy says of itself, at `P/proxies/info/<uid>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxyInfo {
    /// New at each publication.
    #[serde(rename = "infoUID", skip_serializing_if = "InfoUid::is_empty")]
    pub info_uid: InfoUid,
    /// The proxy.
    #[serde(rename = "UID")]
    pub uid: ProxyUid,
    /// The generation of the proxy object that it has applied.
    #[serde(rename = "Generation")]
    pub generation: Generation,
    /// How long it forwards without a complete check, in nanoseconds.
    #[serde(rename = "ProxyTimeout")]
    pub proxy_timeout_nanos: i64,
    /// The last words of a proxy that ends: it forwards nothing and never will again, so that nobody has to wait for it. Stolon
    /// does not know this field.
    #[serde(rename = "Closed", skip_serializing_if = "std::ops::Not::not")]
    pub is_closed: bool,
}

/// What a sentinel says of itself, at `P/sentinels/info/<uid>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SentinelInfo {
    /// The sentinel.
    #[serde(rename = "UID")]
    pub uid: SentinelUid,
}
