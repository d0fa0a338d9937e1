//! The keeper's own files (reference, chapter 3.12).

use crate::generation::Generation;
use crate::spec::PgParameters;
use crate::uid::{ClusterUid, DbUid, KeeperUid};
use serde::{Deserialize, Serialize};

/// `keeperstate`: who this keeper is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeeperLocalState {
    /// The keeper.
    #[serde(rename = "UID")]
    pub uid: KeeperUid,
    /// The cluster it last belonged to; empty before the first.
    #[serde(rename = "ClusterUID")]
    pub cluster_uid: ClusterUid,
}

/// `dbstate`: what the data in PGDATA is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DbLocalState {
    /// The db whose data it is; empty for none.
    #[serde(rename = "UID")]
    pub uid: DbUid,
    /// The generation that has been applied fully.
    pub generation: Generation,
    /// An initialisation or resync has begun and not ended: PGDATA is worth nothing.
    pub initializing: bool,
    /// Parameters found at initialisation; `None` is `null`.
    #[serde(rename = "InitPGParameters")]
    pub init_pg_parameters: Option<PgParameters>,
}
