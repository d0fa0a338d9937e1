//! The cluster specification: what the user wants (reference, chapters 3.5 and 4).

mod defaults;
mod show;
mod update;
mod validate;

pub use defaults::{ClusterRole, DEFAULTS, InitMode, Spec, SuReplAccess};
pub use show::{show, show_with_defaults};
pub use update::{PatchError, UpdateError, patch, update};
pub use validate::SpecError;

use crate::time::GoDuration;
use crate::uid::KeeperUid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// PostgreSQL parameters by name.
pub type PgParameters = BTreeMap<String, String>;

/// The specification as the user gave it. An unset field has its default on use ([`ClusterSpec::with_defaults`]) and stays
/// unset in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(
    missing_docs,
    reason = "one option of the reference each; chapter 4.1 is their documentation"
)]
pub struct ClusterSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep_interval: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convergence_timeout: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_timeout: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_timeout: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_wait_ready_timeout: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_interval: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_keeper_removal_interval: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_check_interval: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_timeout: Option<GoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_standbys: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_standbys_per_sender: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_standby_lag: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronous_replication: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_synchronous_standbys: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_synchronous_standbys: Option<u16>,
    pub additional_wal_senders: Option<u16>,
    pub additional_master_replication_slots: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_pgrewind: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_pg_parameters: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_config: Option<NewConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pitr_config: Option<PitrConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing_config: Option<ExistingConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standby_config: Option<StandbyConfig>,
    #[serde(rename = "defaultSUReplAccessMode", skip_serializing_if = "Option::is_none")]
    pub default_su_repl_access_mode: Option<String>,
    #[serde(skip_serializing_if = "PgParameters::is_empty")]
    pub pg_parameters: PgParameters,
    #[serde(rename = "pgHBA")]
    pub pg_hba: Option<Vec<String>>,
    pub automatic_pg_restart: Option<bool>,
}

/// How `initdb` makes the first instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NewConfig {
    /// `initdb --locale`; empty for initdb's own choice.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub locale: String,
    /// `initdb --encoding`; empty for initdb's own choice.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encoding: String,
    /// `initdb --data-checksums`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub data_checksums: bool,
}

/// How a backup is restored to make the first instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PitrConfig {
    /// A shell command; `%d` is the data directory, `%%` a percent sign.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_restore_command: String,
    /// Where WAL comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_recovery_settings: Option<ArchiveRecoverySettings>,
    /// Where recovery ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_target_settings: Option<RecoveryTargetSettings>,
}

/// Which keeper already holds the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExistingConfig {
    /// That keeper.
    #[serde(rename = "keeperUID", skip_serializing_if = "KeeperUid::is_empty")]
    pub keeper_uid: KeeperUid,
}

/// What the master of a standby cluster follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StandbyConfig {
    /// Streaming from an external primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standby_settings: Option<StandbySettings>,
    /// WAL from an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_recovery_settings: Option<ArchiveRecoverySettings>,
}

/// Settings of archive recovery (PostgreSQL documentation, section "Archive Recovery").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArchiveRecoverySettings {
    /// `restore_command`, written even when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub restore_command: String,
}

/// Settings of the recovery target (PostgreSQL documentation, section "Recovery Target"); empty ones are not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "PostgreSQL's own settings by their own names")]
pub struct RecoveryTargetSettings {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recovery_target: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recovery_target_lsn: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recovery_target_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recovery_target_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recovery_target_xid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recovery_target_timeline: String,
}

/// Settings of a standby server (PostgreSQL documentation, section "Standby Servers"); empty ones are not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "PostgreSQL's own settings by their own names")]
pub struct StandbySettings {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub primary_conninfo: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub primary_slot_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recovery_min_apply_delay: String,
}
