//! The metrics of the proxy: handles made once and held, and the fold of the threads' counters into them.

use metrics::Histogram;

/// Where the data path records times. Without a recorder they go nowhere.
#[derive(Clone, Debug)]
pub struct Timings {
    /// Seconds that a dial took, whatever came of it.
    pub dial: Histogram,
    /// Seconds that a connection was held.
    pub hold: Histogram,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            dial: metrics::histogram!("stolon_proxy_dial_seconds"),
            hold: metrics::histogram!("stolon_proxy_hold_seconds"),
        }
    }
}
