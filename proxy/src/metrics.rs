//! The metrics of the proxy: handles made once and held, and the fold of the threads' counters into them.

use crate::counters::Totals;
use crate::outcome::{End, Rejection};
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use std::time::{SystemTime, UNIX_EPOCH};
use stolon_daemon::metrics::Histogram as Buckets;

const SECONDS: &[f64] = &[0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// The buckets of the histograms.
pub const HISTOGRAMS: &[Buckets] = &[
    Buckets { name: "stolon_proxy_dial_seconds", bounds: SECONDS },
    Buckets { name: "stolon_proxy_hold_seconds", bounds: SECONDS },
];

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
            dial: histogram!("stolon_proxy_dial_seconds"),
            hold: histogram!("stolon_proxy_hold_seconds"),
        }
    }
}

/// What the control plane counts itself.
#[derive(Debug)]
pub struct ControlMetrics {
    read_errors: Counter,
    publish_errors: Counter,
    watch_restarts: Counter,
    last_valid_update: Gauge,
}

impl Default for ControlMetrics {
    fn default() -> Self {
        Self {
            read_errors: counter!("stolon_proxy_store_errors_total", "request" => "read"),
            publish_errors: counter!("stolon_proxy_store_errors_total", "request" => "publish"),
            watch_restarts: counter!("stolon_proxy_watch_restarts_total"),
            last_valid_update: gauge!("stolon_proxy_clusterdata_last_valid_update_seconds"),
        }
    }
}

impl ControlMetrics {
    /// The store did not do what was asked.
    pub fn store_error(&self, request: &str) {
        if request == "read" {
            self.read_errors.increment(1);
        } else {
            self.publish_errors.increment(1);
        }
    }

    /// Cluster data were read that can be acted upon.
    pub fn cluster_data_read(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_valid_update.set(now.as_secs_f64());
    }

    /// How often the watch was lost in all.
    pub fn watch_restarts(&self, restarts: u64) {
        self.watch_restarts.absolute(restarts);
    }
}

/// What the data path has counted, as metrics.
#[derive(Debug)]
pub struct FoldedMetrics {
    accepted: Counter,
    accept_errors: Counter,
    connections: Gauge,
    active: Gauge,
    held: Gauge,
    bytes_up: Counter,
    bytes_down: Counter,
    bytes_copied: Counter,
    bytes_piped: Counter,
    pipe_misses: Counter,
    bulk_pauses: Counter,
    sessions_moved: Counter,
    threads_in_use: Gauge,
    closed: Vec<Counter>,
    rejected: Vec<Counter>,
    generation: Gauge,
    target_changes: Counter,
    is_forwarding: Gauge,
    is_listening: Gauge,
    since_good_check: Gauge,
    health: Gauge,
}

/// What the control plane adds to the threads' counters.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the names of the metrics say it")]
pub struct ControlState {
    pub generation: i64,
    pub target_changes: u64,
    pub threads_in_use: usize,
    pub is_forwarding: bool,
    pub is_listening: bool,
    pub since_good_check: Option<f64>,
}

impl Default for FoldedMetrics {
    fn default() -> Self {
        describe();
        Self {
            accepted: counter!("stolon_proxy_connections_accepted_total"),
            accept_errors: counter!("stolon_proxy_accept_errors_total"),
            connections: gauge!("stolon_proxy_connections"),
            active: gauge!("stolon_proxy_sessions_active"),
            held: gauge!("stolon_proxy_connections_held"),
            bytes_up: counter!("stolon_proxy_bytes_total", "direction" => "to_master"),
            bytes_down: counter!("stolon_proxy_bytes_total", "direction" => "to_client"),
            bytes_copied: counter!("stolon_proxy_conduit_bytes_total", "conduit" => "memory"),
            bytes_piped: counter!("stolon_proxy_conduit_bytes_total", "conduit" => "pipe"),
            pipe_misses: counter!("stolon_proxy_pipe_misses_total"),
            bulk_pauses: counter!("stolon_proxy_bulk_pauses_total"),
            sessions_moved: counter!("stolon_proxy_sessions_moved_total"),
            threads_in_use: gauge!("stolon_proxy_threads_in_use"),
            closed: End::ALL
                .iter()
                .map(|end| counter!("stolon_proxy_sessions_closed_total", "reason" => end.label()))
                .collect(),
            rejected: Rejection::ALL
                .iter()
                .map(|why| {
                    counter!("stolon_proxy_connections_rejected_total", "reason" => why.label())
                })
                .collect(),
            generation: gauge!("stolon_proxy_target_generation"),
            target_changes: counter!("stolon_proxy_target_changes_total"),
            is_forwarding: gauge!("stolon_proxy_forwarding"),
            is_listening: gauge!("stolon_proxy_listening"),
            since_good_check: gauge!("stolon_proxy_last_good_check_age_seconds"),
            health: gauge!("stolon_proxy_health"),
        }
    }
}

impl FoldedMetrics {
    /// Takes over the numbers.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
    pub fn fold(&self, totals: &Totals, control: ControlState) {
        self.accepted.absolute(totals.accepted);
        self.accept_errors.absolute(totals.accept_errors);
        self.connections.set(totals.connections as f64);
        self.active.set(totals.active as f64);
        self.held.set(totals.held as f64);
        self.bytes_up.absolute(totals.bytes_up);
        self.bytes_down.absolute(totals.bytes_down);
        self.bytes_copied.absolute(totals.bytes_copied);
        self.bytes_piped.absolute(totals.bytes_piped);
        self.pipe_misses.absolute(totals.pipe_misses);
        self.bulk_pauses.absolute(totals.bulk_pauses);
        self.sessions_moved.absolute(totals.moved_away);
        self.threads_in_use.set(control.threads_in_use as f64);
        for (counter, total) in self.closed.iter().zip(totals.closed) {
            counter.absolute(total);
        }
        for (counter, total) in self.rejected.iter().zip(totals.rejected) {
            counter.absolute(total);
        }
        self.generation.set(control.generation as f64);
        self.target_changes.absolute(control.target_changes);
        self.is_forwarding.set(f64::from(u8::from(control.is_forwarding)));
        self.is_listening.set(f64::from(u8::from(control.is_listening)));
        self.since_good_check.set(control.since_good_check.unwrap_or(f64::INFINITY));
        // Stolon's name for it.
        self.health.set(f64::from(u8::from(control.is_listening)));
    }
}

fn describe() {
    describe_counter!("stolon_proxy_connections_accepted_total", "Connections accepted");
    describe_counter!(
        "stolon_proxy_accept_errors_total",
        "Failures to accept, mostly for want of descriptors"
    );
    describe_gauge!("stolon_proxy_connections", "Connections of clients now");
    describe_gauge!("stolon_proxy_sessions_active", "Sessions that are relayed to the master now");
    describe_gauge!("stolon_proxy_connections_held", "Connections that wait for a master now");
    describe_counter!("stolon_proxy_bytes_total", "Bytes relayed, by direction");
    describe_counter!("stolon_proxy_conduit_bytes_total", "Bytes relayed, by conduit");
    describe_counter!(
        "stolon_proxy_pipe_misses_total",
        "Times that a pipe was wanted and there was none"
    );
    describe_counter!(
        "stolon_proxy_bulk_pauses_total",
        "Times that a stream left its thread to small sessions for two milliseconds"
    );
    describe_counter!(
        "stolon_proxy_sessions_moved_total",
        "Times that a session went on on another thread"
    );
    describe_gauge!(
        "stolon_proxy_threads_in_use",
        "Threads that carry what is going on, of those that --threads allows"
    );
    describe_counter!("stolon_proxy_sessions_closed_total", "Sessions ended, by who ended them");
    describe_counter!(
        "stolon_proxy_connections_rejected_total",
        "Connections that never reached a master, by reason"
    );
    describe_histogram!("stolon_proxy_dial_seconds", "Time to connect to the master");
    describe_histogram!("stolon_proxy_hold_seconds", "Time that connections waited for a master");
    describe_gauge!(
        "stolon_proxy_target_generation",
        "Generation of the proxy object that was applied last"
    );
    describe_counter!("stolon_proxy_target_changes_total", "Changes of the destination");
    describe_gauge!("stolon_proxy_forwarding", "1 while there is a master to forward to");
    describe_gauge!("stolon_proxy_listening", "1 while the port is open");
    describe_gauge!(
        "stolon_proxy_last_good_check_age_seconds",
        "Seconds since the last good check began"
    );
    describe_gauge!("stolon_proxy_health", "1 while the proxy accepts connections");
    describe_gauge!(
        "stolon_proxy_clusterdata_last_valid_update_seconds",
        "When cluster data that can be acted upon were read last, in seconds since the epoch"
    );
    describe_counter!(
        "stolon_proxy_store_errors_total",
        "Requests that the store did not answer well"
    );
    describe_counter!(
        "stolon_proxy_watch_restarts_total",
        "Times that the watch of the cluster data was lost"
    );
}
