//! What a pass ends with.

use super::observer::Observer;
use super::reason::Reason;
use crate::cluster::ClusterData;
use crate::time::Mono;
use std::time::Duration;

/// What to write, what to remember, and why.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Whether [`Decision::cluster_data`] is to be written.
    pub write: Write,
    /// The cluster data as it should be; `None` when the pass came to none.
    pub cluster_data: Option<ClusterData>,
    /// The memory for the next pass, unless a write was tried and failed.
    pub observer: Observer,
    /// The memory for the next pass after a write that failed: what was seen in this pass counts as not seen, while
    /// silence and errors go on being measured.
    pub observer_if_not_written: Observer,
    /// Why, in the order of the rules. Conditions that last are repeated by each pass.
    pub reasons: Vec<Reason>,
    /// The earliest moment at which time alone can change the decision.
    pub wake_at: Option<Mono>,
    /// The cluster's sleepInterval: the longest pause between passes. `None` keeps the previous one.
    pub sleep_interval: Option<Duration>,
    /// Whether the cluster data is there and usable, so that the sentinel shows itself in the store.
    pub usable: bool,
}

/// What a decision asks to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Nothing: the store holds what should be.
    Nothing,
    /// Only times and WAL positions moved, and the last write is sleepInterval ago. Observers of the other implementation expect to see them move.
    TimesOnly,
    /// Something else changed.
    Change,
}

impl Decision {
    /// Writes nothing and remembers what was known before.
    pub(super) fn nothing(observer: &Observer, reasons: Vec<Reason>) -> Self {
        Self {
            write: Write::Nothing,
            cluster_data: None,
            observer: observer.clone(),
            observer_if_not_written: observer.clone(),
            reasons,
            wake_at: None,
            sleep_interval: None,
            usable: false,
        }
    }
}
