//! The keeper's metrics: the reference's names, and what else helps to see how the instance does.

use metrics::{
    Counter, Gauge, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stolon_daemon::metrics::Histogram;
use stolon_model::cluster::Role;
use stolon_model::lsn::Lsn;

/// How long actions take.
const ACTION_SECONDS: &str = "stolon_keeper_action_seconds";

/// Bucket bounds: from a reload to a base backup.
pub const HISTOGRAMS: &[Histogram] = &[Histogram {
    name: ACTION_SECONDS,
    bounds: &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0],
}];

/// Handles to every metric, made once.
#[derive(Clone, Debug)]
pub struct Metrics {
    last_valid_update: Gauge,
    target_role: Roles,
    local_role: Roles,
    needs_reload: Gauge,
    needs_restart: Gauge,
    last_sync_success: Gauge,
    sleep_interval: Gauge,
    shutdown: Gauge,
    healthy: Gauge,
    wal_position: Gauge,
    /// Deaths of the server that nobody asked for.
    pub postgres_deaths: Counter,
    /// Requests to the store that failed.
    pub store_errors: Counter,
    /// Times the watch of the cluster data was lost.
    pub watch_restarts: Counter,
    /// Infos written.
    pub publications: Counter,
}

#[derive(Clone, Debug)]
struct Roles {
    undefined: Gauge,
    master: Gauge,
    standby: Gauge,
}

impl Roles {
    fn new(name: &'static str) -> Self {
        let series = |role: &'static str| gauge!(name, "role" => role);
        let roles = Self {
            undefined: series("undefined"),
            master: series("master"),
            standby: series("standby"),
        };
        roles.set(Role::Undefined);
        roles
    }

    fn set(&self, role: Role) {
        for (gauge, of) in [
            (&self.undefined, Role::Undefined),
            (&self.master, Role::Master),
            (&self.standby, Role::Standby),
        ] {
            gauge.set(if of == role { 1.0 } else { 0.0 });
        }
    }
}

impl Metrics {
    /// Registers and describes them all.
    pub fn new() -> Self {
        describe_gauge!(
            "stolon_keeper_clusterdata_last_valid_update_seconds",
            "Last time we received a valid clusterdata from our store as seconds since unix epoch"
        );
        describe_gauge!("stolon_keeper_target_role", "Keeper last requested target role");
        describe_gauge!("stolon_keeper_local_role", "Keeper's current local role");
        describe_gauge!(
            "stolon_keeper_needs_reload",
            "Set to 1 if Postgres requires reload (due to configuration changes)"
        );
        describe_gauge!(
            "stolon_keeper_needs_restart",
            "Set to 1 if Postgres requires restart (due to configuration changes)"
        );
        describe_gauge!(
            "stolon_keeper_last_sync_success_seconds",
            "Last time we successfully synced our keeper"
        );
        describe_gauge!("stolon_keeper_sleep_interval", "Seconds to sleep between sync loops");
        describe_gauge!(
            "stolon_keeper_shutdown_seconds",
            "Shutdown time (received termination signal) since unix epoch in seconds"
        );
        describe_gauge!(
            "stolon_keeper_postgres_healthy",
            "1 if the last look at PostgreSQL read everything"
        );
        describe_gauge!(
            "stolon_keeper_wal_position_bytes",
            "WAL position of PostgreSQL at the keeper's last good look at it"
        );
        describe_counter!(
            "stolon_keeper_postgres_deaths_total",
            "Times PostgreSQL ended without having been told to"
        );
        describe_counter!("stolon_keeper_store_errors_total", "Requests to the store that failed");
        describe_counter!(
            "stolon_keeper_watch_restarts_total",
            "Times the watch of the cluster data was lost or could not be opened"
        );
        describe_counter!("stolon_keeper_publications_total", "Keeper infos written to the store");
        describe_histogram!(
            ACTION_SECONDS,
            "Seconds an action on PostgreSQL took, by action and outcome"
        );
        Self {
            last_valid_update: gauge!("stolon_keeper_clusterdata_last_valid_update_seconds"),
            target_role: Roles::new("stolon_keeper_target_role"),
            local_role: Roles::new("stolon_keeper_local_role"),
            needs_reload: gauge!("stolon_keeper_needs_reload"),
            needs_restart: gauge!("stolon_keeper_needs_restart"),
            last_sync_success: gauge!("stolon_keeper_last_sync_success_seconds"),
            sleep_interval: gauge!("stolon_keeper_sleep_interval"),
            shutdown: gauge!("stolon_keeper_shutdown_seconds"),
            healthy: gauge!("stolon_keeper_postgres_healthy"),
            wal_position: gauge!("stolon_keeper_wal_position_bytes"),
            postgres_deaths: counter!("stolon_keeper_postgres_deaths_total"),
            store_errors: counter!("stolon_keeper_store_errors_total"),
            watch_restarts: counter!("stolon_keeper_watch_restarts_total"),
            publications: counter!("stolon_keeper_publications_total"),
        }
    }

    /// Cluster data were read that can be acted upon.
    pub fn cluster_data_read(&self) {
        self.last_valid_update.set(unix_seconds());
    }

    /// The role the cluster data want.
    pub fn target_role(&self, role: Role) {
        self.target_role.set(role);
    }

    /// The role the data directory has.
    pub fn local_role(&self, role: Role) {
        self.local_role.set(role);
    }

    /// Whether a reload is due.
    pub fn needs_reload(&self, is_due: bool) {
        self.needs_reload.set(f64::from(u8::from(is_due)));
    }

    /// Whether a restart is due.
    pub fn needs_restart(&self, is_due: bool) {
        self.needs_restart.set(f64::from(u8::from(is_due)));
    }

    /// A pass has ended with nothing left to do.
    pub fn pass_succeeded(&self) {
        self.last_sync_success.set(unix_seconds());
    }

    /// The interval the cluster spec gives.
    pub fn sleep_interval(&self, interval: Duration) {
        self.sleep_interval.set(interval.as_secs_f64().floor());
    }

    /// The keeper was told to end.
    pub fn shutting_down(&self) {
        self.shutdown.set(unix_seconds());
    }

    /// Whether everything could be read from PostgreSQL.
    pub fn healthy(&self, is_healthy: bool) {
        self.healthy.set(f64::from(u8::from(is_healthy)));
    }

    /// How far PostgreSQL has got; the difference between two keepers is the lag of one.
    pub fn wal_position(&self, position: Lsn) {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB of WAL")]
        self.wal_position.set(position.0 as f64);
    }

    /// An action has ended.
    pub fn action(&self, action: &'static str, succeeded: bool, took: Duration) {
        let outcome = if succeeded { "success" } else { "failure" };
        histogram!(ACTION_SECONDS, "action" => action, "outcome" => outcome)
            .record(took.as_secs_f64());
    }
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().floor()
}
