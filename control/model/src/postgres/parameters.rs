//! The parameters of an instance: what is written, and what of it is reported.

use crate::cluster::DbSpec;
use crate::postgres::{SOCKET_DIRECTORY, sync, version::PgVersion};
use crate::spec::PgParameters;

/// Parameters that the keeper writes itself; they are left out of the report.
pub const MANAGED: [&str; 21] = [
    "unix_socket_directories",
    "wal_keep_segments",
    "wal_keep_size",
    "hot_standby",
    "listen_addresses",
    "port",
    "max_replication_slots",
    "max_wal_senders",
    "wal_log_hints",
    "synchronous_standby_names",
    "primary_conninfo",
    "primary_slot_name",
    "recovery_min_apply_delay",
    "restore_command",
    "recovery_target",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_xid",
    "recovery_target_timeline",
    "recovery_target_action",
];

/// PostgreSQL's own timers whose defaults alone add seconds to an outage: a standby looks for its primary again after 5 s,
/// and reports its position every 10 s. Written unless the user sets them.
pub const TIMERS: [(&str, &str); 2] =
    [("wal_retrieve_retry_interval", "500ms"), ("wal_receiver_status_interval", "1s")];

/// What is not taken over of the parameters found when an instance was made: where somebody else's server has its files, for
/// ours are in PGDATA, on every keeper, and how a backup was recovered or followed its own primary. The latter would only be
/// taken out again after the initialisation, and leave a restart pending.
const LEFT_BEHIND: [&str; 15] = [
    "config_file",
    "data_directory",
    "hba_file",
    "ident_file",
    "primary_conninfo",
    "primary_slot_name",
    "recovery_min_apply_delay",
    "recovery_target",
    "recovery_target_action",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_timeline",
    "recovery_target_xid",
    "restore_command",
];

const WAL_KEEP_SEGMENTS: u64 = 8;
const WAL_KEEP_SIZE: &str = "128";

/// Whether the [`TIMERS`] are written. They are not while an instance is made: what it has configured then is kept as its
/// initial parameters, and these are not the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timers {
    /// Written at the lowest precedence.
    Written,
    /// Left to PostgreSQL.
    LeftOut,
}

/// What the parameters of an instance come from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What the cluster data want.
    pub spec: &'a DbSpec,
    /// Parameters found when the instance was made; they count only with `includePreviousConfig`.
    pub initial: Option<&'a PgParameters>,
    /// `--pg-listen-address`.
    pub listen_address: &'a str,
    /// `--pg-port`.
    pub port: &'a str,
    /// The version of the programs; `None` if unknown.
    pub version: Option<PgVersion>,
    /// The timers of our own choice.
    pub timers: Timers,
}

/// The parameters to write, by name.
pub fn wanted(sources: &Sources<'_>) -> PgParameters {
    let spec = sources.spec;
    let mut all = PgParameters::new();
    if sources.timers == Timers::Written {
        all.extend(timers(sources.version));
        if sources.version.is_some_and(|version| !version.has_recovery_conf()) {
            // A standby has it. Taking it away at the promotion, even for the same default, would leave a restart pending.
            all.insert("recovery_target_timeline".to_owned(), "latest".to_owned());
        }
    }
    if spec.include_previous_config {
        let initial = sources.initial.into_iter().flatten();
        let taken = initial.filter(|(name, _)| !LEFT_BEHIND.contains(&name.as_str()));
        all.extend(taken.map(|(name, value)| (name.clone(), value.clone())));
    }
    all.extend(spec.pg_parameters.iter().map(|(k, v)| (k.clone(), v.clone())));

    let mut set = |name: &str, value: String| all.insert(name.to_owned(), value);
    set("unix_socket_directories", SOCKET_DIRECTORY.to_owned());
    set("hot_standby", "on".to_owned());
    set("listen_addresses", sources.listen_address.to_owned());
    set("port", sources.port.to_owned());
    set("max_replication_slots", spec.max_standbys.to_string());
    set("max_wal_senders", max_wal_senders(spec).to_string());
    if spec.use_pgrewind {
        set("wal_log_hints", "on".to_owned());
    }
    set("synchronous_standby_names", sync::standby_names(spec));
    set_wal_level(&mut all, sources.version);
    set_wal_keep(&mut all, sources.version);
    all
}

fn timers(version: Option<PgVersion>) -> impl Iterator<Item = (String, String)> {
    let known = version.is_some_and(PgVersion::has_wal_retrieve_retry_interval);
    TIMERS
        .into_iter()
        .filter(move |_| known)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// In 16 bits like in Stolon, so that keepers of one cluster agree.
fn max_wal_senders(spec: &DbSpec) -> u16 {
    spec.max_standbys.wrapping_mul(2).wrapping_add(2).wrapping_add(spec.additional_wal_senders)
}

fn set_wal_level(all: &mut PgParameters, version: Option<PgVersion>) {
    if all.get("wal_level").is_some_and(|level| level == "logical") {
        return;
    }
    let replica = version.is_some_and(PgVersion::has_wal_level_replica);
    let level = if replica { "replica" } else { "hot_standby" };
    all.insert("wal_level".to_owned(), level.to_owned());
}

/// Sets the parameter of this version and drops the other version's, with which PostgreSQL would not start.
fn set_wal_keep(all: &mut PgParameters, version: Option<PgVersion>) {
    let segments = all.remove("wal_keep_segments");
    let size = all.remove("wal_keep_size");
    let (name, value) = if version.is_some_and(PgVersion::has_wal_keep_size) {
        ("wal_keep_size", size.unwrap_or_else(|| WAL_KEEP_SIZE.to_owned()))
    } else {
        let segments = segments.and_then(|text| text.parse().ok()).unwrap_or(0);
        ("wal_keep_segments", segments.max(WAL_KEEP_SEGMENTS).to_string())
    };
    all.insert(name.to_owned(), value);
}

/// What is reported of the parameters an instance has configured: not what the keeper manages, and not the timers of our
/// own choice unless `user`, the parameters of the db spec, sets them.
pub fn reported(mut configured: PgParameters, user: &PgParameters) -> PgParameters {
    for name in MANAGED {
        configured.remove(name);
    }
    without_own_timers(configured, user)
}

/// `configured` without the timers that are only there because the keeper wrote them.
pub fn without_own_timers(mut configured: PgParameters, user: &PgParameters) -> PgParameters {
    for (name, value) in TIMERS {
        let own = configured.get(name).is_some_and(|configured| configured == value);
        if own && !user.contains_key(name) {
            configured.remove(name);
        }
    }
    configured
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> PgParameters {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn spec(user: &[(&str, &str)]) -> DbSpec {
        DbSpec {
            max_standbys: 20,
            additional_wal_senders: 5,
            pg_parameters: map(user),
            ..DbSpec::default()
        }
    }

    fn written(spec: &DbSpec, version: PgVersion) -> PgParameters {
        wanted(&Sources {
            spec,
            initial: None,
            listen_address: "10.0.0.1",
            port: "5432",
            version: Some(version),
            timers: Timers::Written,
        })
    }

    const V9_4: PgVersion = PgVersion::new(9, 4);
    const V12: PgVersion = PgVersion::new(12, 1);
    const V15: PgVersion = PgVersion::new(15, 4);

    #[test]
    fn without_user_parameters() {
        assert_eq!(
            written(&spec(&[]), V15),
            map(&[
                ("hot_standby", "on"),
                ("listen_addresses", "10.0.0.1"),
                ("max_replication_slots", "20"),
                ("max_wal_senders", "47"),
                ("port", "5432"),
                ("recovery_target_timeline", "latest"),
                ("synchronous_standby_names", ""),
                ("unix_socket_directories", "/tmp"),
                ("wal_keep_size", "128"),
                ("wal_level", "replica"),
                ("wal_receiver_status_interval", "1s"),
                ("wal_retrieve_retry_interval", "500ms"),
            ])
        );
    }

    #[test]
    fn ours_override_the_users() {
        let all = written(&spec(&[("port", "1"), ("max_connections", "7")]), V15);
        assert_eq!(all["port"], "5432");
        assert_eq!(all["max_connections"], "7");
    }

    #[test]
    fn initial_parameters_count_only_when_asked_for() {
        let initial = map(&[
            ("work_mem", "1MB"),
            ("max_connections", "3"),
            ("hba_file", "/etc/pg_hba.conf"),
            ("recovery_target_name", "one"),
            ("restore_command", "cp"),
        ]);
        let unasked = spec(&[("max_connections", "7")]);
        let asked = DbSpec { include_previous_config: true, ..unasked.clone() };
        let wanted = |spec| {
            wanted(&Sources {
                spec,
                initial: Some(&initial),
                listen_address: "*",
                port: "5432",
                version: Some(V15),
                timers: Timers::LeftOut,
            })
        };
        assert!(!wanted(&unasked).contains_key("work_mem"));
        let all = wanted(&asked);
        assert_eq!((all["work_mem"].as_str(), all["max_connections"].as_str()), ("1MB", "7"));
        assert!(!all.contains_key("wal_retrieve_retry_interval"));
        for left_behind in ["hba_file", "recovery_target_name", "restore_command"] {
            assert!(!all.contains_key(left_behind), "{left_behind}");
        }
    }

    #[test]
    fn wal_level() {
        for (user, version, level) in [
            (None, V9_4, "hot_standby"),
            (None, V12, "replica"),
            (Some("minimal"), V12, "replica"),
            (Some("logical"), V12, "logical"),
        ] {
            let user: Vec<(&str, &str)> =
                user.into_iter().map(|level| ("wal_level", level)).collect();
            assert_eq!(written(&spec(&user), version)["wal_level"], level);
        }
    }

    #[test]
    fn wal_keep() {
        for (user, version, name, value) in [
            (vec![("wal_keep_segments", "100")], V12, "wal_keep_segments", "100"),
            (vec![("wal_keep_segments", "3")], V12, "wal_keep_segments", "8"),
            (
                vec![("wal_keep_segments", "x"), ("wal_keep_size", "1GB")],
                V12,
                "wal_keep_segments",
                "8",
            ),
            (vec![("wal_keep_segments", "100")], V15, "wal_keep_size", "128"),
            (vec![("wal_keep_size", "1GB")], V15, "wal_keep_size", "1GB"),
        ] {
            let all = written(&spec(&user), version);
            let kept: Vec<_> =
                all.iter().filter(|(name, _)| name.starts_with("wal_keep")).collect();
            assert_eq!(kept, [(&name.to_owned(), &value.to_owned())]);
        }
    }

    #[test]
    fn wal_senders_wrap_in_16_bits() {
        let spec = DbSpec { max_standbys: 40000, additional_wal_senders: 5, ..DbSpec::default() };
        assert_eq!(written(&spec, V15)["max_wal_senders"], "14471");
    }

    #[test]
    fn wal_log_hints_with_pg_rewind_only() {
        let user = [("wal_log_hints", "off")];
        assert_eq!(written(&spec(&user), V15)["wal_log_hints"], "off");
        let spec = DbSpec { use_pgrewind: true, ..spec(&user) };
        assert_eq!(written(&spec, V15)["wal_log_hints"], "on");
    }

    #[test]
    fn a_timer_of_the_user_stays() {
        let all = written(&spec(&[("wal_retrieve_retry_interval", "2s")]), V15);
        assert_eq!(all["wal_retrieve_retry_interval"], "2s");
        assert!(!written(&spec(&[]), V9_4).contains_key("wal_retrieve_retry_interval"));
    }

    #[test]
    fn the_report_has_what_is_the_users() {
        let spec = spec(&[("max_connections", "100"), ("wal_receiver_status_interval", "1s")]);
        assert_eq!(
            reported(written(&spec, V15), &spec.pg_parameters),
            map(&[
                ("max_connections", "100"),
                ("wal_level", "replica"),
                ("wal_receiver_status_interval", "1s"),
            ])
        );
    }

    #[test]
    fn a_timer_that_is_not_as_we_write_it_is_reported() {
        let configured = map(&[("wal_retrieve_retry_interval", "9s")]);
        assert_eq!(reported(configured.clone(), &PgParameters::new()), configured);
    }
}
