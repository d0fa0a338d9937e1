//! What the keeper tells the cluster of its instance: collected often and at once after every change, published at once when
//! it matters and periodically in any case.
//!
//! Two tasks, because an instance that does not answer must not keep the keeper from being seen alive.

pub mod claim;
pub mod collect;
pub mod publish;
pub mod write_probe;

use std::collections::BTreeSet;
use std::time::Duration;
use stolon_model::cluster::Role;
use stolon_model::spec::PgParameters;
use stolon_model::uid::DbUid;

/// What the cluster data say that matters for reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `sleepInterval`: infos are published within it, and the state is collected twice as often.
    pub sleep_interval: Duration,
    /// The user's parameters of the assigned db.
    pub parameters: PgParameters,
    /// The synchronous standbys that the assigned db is to have; only a master has some.
    pub synchronous_standbys: BTreeSet<DbUid>,
    /// The role of the assigned db.
    pub role: Role,
}
