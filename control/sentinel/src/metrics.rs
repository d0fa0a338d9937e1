//! What the sentinel counts (reference, chapter 10, and more).

use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::Duration;
use stolon_daemon::metrics::Histogram;
use stolon_model::decide::{Reason, Write};

const PASS_SECONDS: &str = "stolon_sentinel_pass_duration_seconds";

/// A pass is a few requests to the store: milliseconds when all is well, seconds when the store is slow.
pub const HISTOGRAMS: &[Histogram] = &[Histogram {
    name: PASS_SECONDS,
    bounds: &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
}];

/// Says what each metric means, and shows from the start those of the reference and those that count failures: an alert
/// about a sentinel that never led finds no absent series.
pub fn describe() {
    describe_gauge!(
        "stolon_sentinel_last_cluster_check_success_seconds",
        "Last time we successfully ran a cluster check as leader"
    );
    describe_gauge!("stolon_sentinel_is_leader", "Set to 1 if the sentinel is currently a leader");
    describe_gauge!(
        "stolon_sentinel_leader_count",
        "Number of times this sentinel has been elected as leader"
    );
    describe_histogram!(
        PASS_SECONDS,
        "Time from reading the cluster to having decided and written"
    );
    describe_counter!(
        "stolon_sentinel_decisions_total",
        "Reasons of decisions, each counted when it begins to hold"
    );
    describe_counter!("stolon_sentinel_writes_total", "Writes of the cluster data by their kind");
    describe_counter!(
        "stolon_sentinel_write_conflicts_total",
        "Writes given up because the cluster data had changed since it was read"
    );
    describe_counter!("stolon_sentinel_store_errors_total", "Requests to the store that failed");
    describe_counter!(
        "stolon_sentinel_refused_writes_total",
        "Decisions not written because they would break an invariant"
    );
    describe_counter!("stolon_sentinel_watch_restarts_total", "Times the watch was lost");
    for name in [
        "stolon_sentinel_last_cluster_check_success_seconds",
        "stolon_sentinel_is_leader",
        "stolon_sentinel_leader_count",
    ] {
        gauge!(name).set(0.0);
    }
    for name in [
        "stolon_sentinel_write_conflicts_total",
        "stolon_sentinel_store_errors_total",
        "stolon_sentinel_refused_writes_total",
        "stolon_sentinel_watch_restarts_total",
    ] {
        counter!(name).absolute(0);
    }
}

/// The leadership was gained for the `count`th time, or lost.
pub fn leadership(is_leader: bool, count: u32) {
    gauge!("stolon_sentinel_is_leader").set(if is_leader { 1.0 } else { 0.0 });
    gauge!("stolon_sentinel_leader_count").set(f64::from(count));
}

/// A reason begins to hold.
pub fn decision(reason: &Reason) {
    counter!("stolon_sentinel_decisions_total", "reason" => reason.label).increment(1);
}

/// A pass ended after `took`.
pub fn pass(took: Duration) {
    histogram!(PASS_SECONDS).record(took.as_secs_f64());
}

/// A leader's pass came to its end at this wall-clock time.
pub fn checked(unix_nanos: i128) {
    #[expect(clippy::cast_precision_loss, reason = "a metric is a double; microseconds are left")]
    let seconds = unix_nanos as f64 / 1e9;
    gauge!("stolon_sentinel_last_cluster_check_success_seconds").set(seconds);
}

/// The cluster data was written.
pub fn written(write: Write) {
    let kind = match write {
        Write::Nothing => return,
        Write::TimesOnly => "times",
        Write::Change => "change",
    };
    counter!("stolon_sentinel_writes_total", "kind" => kind).increment(1);
}

/// A write met another one.
pub fn conflict() {
    counter!("stolon_sentinel_write_conflicts_total").increment(1);
}

/// A request to the store failed.
pub fn store_error() {
    counter!("stolon_sentinel_store_errors_total").increment(1);
}

/// A decision would break an invariant.
pub fn refused() {
    counter!("stolon_sentinel_refused_writes_total").increment(1);
}

/// How often the watch was lost since the start.
pub fn watch_restarts(count: u64) {
    counter!("stolon_sentinel_watch_restarts_total").absolute(count);
}
