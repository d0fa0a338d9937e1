//! Whatever the model can hold, it writes so that it reads the same again.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use stolon_model::cluster::*;
use stolon_model::generation::Generation;
use stolon_model::info::{KeeperInfo, PostgresState, ProxyInfo, SentinelInfo};
use stolon_model::json::{self, decode, encode, encode_pretty};
use stolon_model::local::{DbLocalState, KeeperLocalState};
use stolon_model::lsn::{Lsn, TimelineId};
use stolon_model::spec::*;
use stolon_model::time::{GoDuration, GoTime};

/// Any characters, the awkward ones often. Boxed, as are the larger strategies: their states would not fit a test's stack.
fn text() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-z0-9_]{0,8}",
        "(?s).{0,6}",
        "[<>&\"\\\\\u{8}\u{c}\n\r\t\u{2028}\u{2029}\u{7f}\u{0}]{0,4}"
    ]
    .boxed()
}

fn uid<T: From<String> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    text().prop_map(T::from)
}

fn texts() -> impl Strategy<Value = Option<Vec<String>>> {
    option::of(vec(text(), 0..3))
}

fn uids<T: From<String> + std::fmt::Debug>() -> impl Strategy<Value = Option<Vec<T>>> {
    option::of(vec(uid(), 0..3))
}

fn parameters() -> impl Strategy<Value = PgParameters> {
    btree_map(text(), text(), 0..3)
}

fn generation() -> impl Strategy<Value = Generation> {
    prop_oneof![0..3_i64, any::<i64>()].prop_map(Generation)
}

fn duration() -> impl Strategy<Value = GoDuration> {
    any::<i64>().prop_map(|nanos| GoDuration { nanos })
}

fn time() -> impl Strategy<Value = GoTime> {
    let any_time = (-62_135_510_400_i128..253_402_214_400, 0..1_000_000_000_i128, -1_439..=1_439)
        .prop_map(|(s, n, minutes)| GoTime::new(s * 1_000_000_000 + n, minutes * 60));
    prop_oneof![Just(GoTime::default()), any_time]
}

fn version() -> impl Strategy<Value = PostgresBinaryVersion> {
    any::<(i64, i64)>().prop_map(|(maj, min)| PostgresBinaryVersion { maj, min })
}

prop_compose! {
    fn new_config()(locale in text(), encoding in text(), data_checksums: bool) -> NewConfig {
        NewConfig { locale, encoding, data_checksums }
    }
}

fn archive() -> impl Strategy<Value = Option<ArchiveRecoverySettings>> {
    option::of(text().prop_map(|restore_command| ArchiveRecoverySettings { restore_command }))
}

prop_compose! {
    fn pitr_config()(
        data_restore_command in text(),
        archive_recovery_settings in archive().boxed(),
        target in option::of((text(), text(), text(), text(), text(), text())),
    ) -> PitrConfig {
        let recovery_target_settings = target.map(|(target, lsn, name, time, xid, timeline)| {
            RecoveryTargetSettings {
                recovery_target: target,
                recovery_target_lsn: lsn,
                recovery_target_name: name,
                recovery_target_time: time,
                recovery_target_xid: xid,
                recovery_target_timeline: timeline,
            }
        });
        PitrConfig { data_restore_command, archive_recovery_settings, recovery_target_settings }
    }
}

fn standby_settings() -> impl Strategy<Value = Option<StandbySettings>> {
    option::of((text(), text(), text()).prop_map(
        |(primary_conninfo, primary_slot_name, recovery_min_apply_delay)| StandbySettings {
            primary_conninfo,
            primary_slot_name,
            recovery_min_apply_delay,
        },
    ))
}

fn standby_config() -> impl Strategy<Value = StandbyConfig> {
    (standby_settings().boxed(), archive().boxed()).prop_map(
        |(standby_settings, archive_recovery_settings)| StandbyConfig {
            standby_settings,
            archive_recovery_settings,
        },
    )
}

prop_compose! {
    fn spec()(
        durations in vec(option::of(duration()), 10),
        counts in vec(any::<Option<u16>>(), 5),
        flags in vec(any::<Option<bool>>(), 4),
        max_standby_lag: Option<u32>,
        words in vec(option::of(text()), 3),
        lists in (texts(), texts()),
        pg_parameters in parameters().boxed(),
        configs in (
            option::of(new_config().boxed()),
            option::of(pitr_config().boxed()),
            option::of(uid()),
            option::of(standby_config().boxed()),
        ),
    ) -> ClusterSpec {
        let existing_config = configs.2.map(|keeper_uid| ExistingConfig { keeper_uid });
        ClusterSpec {
            sleep_interval: durations[0],
            request_timeout: durations[1],
            convergence_timeout: durations[2],
            init_timeout: durations[3],
            sync_timeout: durations[4],
            db_wait_ready_timeout: durations[5],
            fail_interval: durations[6],
            dead_keeper_removal_interval: durations[7],
            proxy_check_interval: durations[8],
            proxy_timeout: durations[9],
            max_standbys: counts[0],
            max_standbys_per_sender: counts[1],
            max_standby_lag,
            synchronous_replication: flags[0],
            min_synchronous_standbys: counts[2],
            max_synchronous_standbys: counts[3],
            additional_wal_senders: counts[4],
            additional_master_replication_slots: lists.0,
            use_pgrewind: flags[1],
            init_mode: words[0].clone(),
            merge_pg_parameters: flags[2],
            role: words[1].clone(),
            new_config: configs.0,
            pitr_config: configs.1,
            existing_config,
            standby_config: configs.3,
            default_su_repl_access_mode: words[2].clone(),
            pg_parameters,
            pg_hba: lists.1,
            automatic_pg_restart: flags[3],
        }
    }
}

prop_compose! {
    fn cluster()(
        uid in uid(),
        generation in generation(),
        change_time in time(),
        spec in option::of(spec().boxed()),
        current_generation in generation(),
        phase in option::of(prop_oneof![Just(Phase::Initializing), Just(Phase::Normal)]),
        master in crate::uid(),
    ) -> Cluster {
        let status = ClusterStatus { current_generation, phase, master };
        Cluster { uid, generation, change_time, spec, status }
    }
}

prop_compose! {
    fn keeper()(
        uid in uid(),
        generation in generation(),
        times in (time(), time()),
        has_spec: bool,
        boot_uuid in crate::uid(),
        postgres_binary_version in version(),
        flags: (bool, bool),
        abilities: (Option<bool>, Option<bool>),
    ) -> Keeper {
        let status = KeeperStatus {
            healthy: flags.0,
            last_healthy_time: times.1,
            boot_uuid,
            postgres_binary_version,
            force_fail: flags.1,
            can_be_master: abilities.0,
            can_be_synchronous_replica: abilities.1,
        };
        let spec = has_spec.then(KeeperSpec::default);
        Keeper { uid, generation, change_time: times.0, spec, status }
    }
}

prop_compose! {
    fn follow_config()(
        kind in option::of(prop_oneof![Just(FollowKind::Internal), Just(FollowKind::External)]),
        db_uid in uid(),
        standby_settings in standby_settings().boxed(),
        archive_recovery_settings in archive().boxed(),
    ) -> FollowConfig {
        FollowConfig { kind, db_uid, standby_settings, archive_recovery_settings }
    }
}

prop_compose! {
    fn db_spec()(
        keeper_uid in uid(),
        request_timeout in duration(),
        counts: (u16, u16),
        flags: (bool, bool, bool),
        lists in (texts(), texts(), texts()),
        uids in (uids(), uids()),
        init_mode in option::of(proptest::sample::select(vec![
            DbInitMode::None,
            DbInitMode::New,
            DbInitMode::Existing,
            DbInitMode::Pitr,
            DbInitMode::Resync,
        ])),
        configs in (option::of(new_config().boxed()), option::of(pitr_config().boxed()), option::of(follow_config().boxed())),
        pg_parameters in parameters().boxed(),
        role in option::of(proptest::sample::select(vec![Role::Undefined, Role::Master, Role::Standby])),
    ) -> DbSpec {
        DbSpec {
            keeper_uid,
            request_timeout,
            max_standbys: counts.0,
            synchronous_replication: flags.0,
            use_pgrewind: flags.1,
            additional_wal_senders: counts.1,
            additional_replication_slots: lists.0,
            init_mode,
            new_config: configs.0,
            pitr_config: configs.1,
            pg_parameters,
            pg_hba: lists.1,
            role,
            follow_config: configs.2,
            followers: uids.0,
            include_previous_config: flags.2,
            synchronous_standbys: uids.1,
            external_synchronous_standbys: lists.2,
        }
    }
}

fn timelines() -> impl Strategy<Value = Vec<TimelineHistory>> {
    let entry = (any::<u64>(), any::<u64>(), text()).prop_map(|(id, point, reason)| {
        TimelineHistory { timeline_id: TimelineId(id), switch_point: Lsn(point), reason }
    });
    vec(entry, 0..3)
}

prop_compose! {
    fn postgres_state()(
        uid in uid(),
        generation in generation(),
        words in vec(text(), 4),
        healthy: bool,
        numbers: (u64, u64),
        timelines_history in timelines().boxed(),
        pg_parameters in parameters().boxed(),
        synchronous_standbys in uids(),
    ) -> PostgresState {
        PostgresState {
            uid,
            generation,
            listen_address: words[0].clone(),
            port: words[1].clone(),
            healthy,
            system_id: words[2].clone(),
            timeline_id: TimelineId(numbers.0),
            xlog_pos: Lsn(numbers.1),
            timelines_history,
            pg_parameters,
            synchronous_standbys,
            older_wal_file: words[3].clone(),
        }
    }
}

prop_compose! {
    fn db()(
        change_time in time(),
        spec in option::of(db_spec().boxed()),
        current_generation in generation(),
        state in postgres_state().boxed(),
    ) -> Db {
        let status = DbStatus {
            healthy: state.healthy,
            current_generation,
            listen_address: state.listen_address,
            port: state.port,
            system_id: state.system_id,
            timeline_id: state.timeline_id,
            xlog_pos: state.xlog_pos,
            timelines_history: state.timelines_history,
            pg_parameters: state.pg_parameters,
            synchronous_standbys: state.synchronous_standbys,
            older_wal_file: state.older_wal_file,
            // Never written.
            cur_synchronous_standbys: Default::default(),
        };
        Db { uid: state.uid, generation: state.generation, change_time, spec, status }
    }
}

prop_compose! {
    fn proxy()(
        uid in text(),
        generation in generation(),
        change_time in time(),
        master_db_uid in crate::uid(),
        enabled_proxies in vec(crate::uid(), 0..3),
    ) -> Proxy {
        let spec = ProxySpec { master_db_uid, enabled_proxies };
        Proxy { uid, generation, change_time, spec, status: ProxyStatus::default() }
    }
}

prop_compose! {
    fn cluster_data()(
        format_version: u64,
        change_time in time(),
        cluster in option::of(cluster().boxed()),
        keepers in btree_map(uid(), keeper().boxed(), 0..3),
        dbs in btree_map(uid(), db().boxed(), 0..3),
        proxy in option::of(proxy().boxed()),
    ) -> ClusterData {
        ClusterData { format_version, change_time, cluster, keepers, dbs, proxy }
    }
}

prop_compose! {
    fn keeper_info()(
        info_uid in uid(),
        uid in uid(),
        cluster_uid in crate::uid(),
        boot_uuid in crate::uid(),
        postgres_binary_version in version(),
        postgres_state in option::of(postgres_state().boxed()),
        abilities: (Option<bool>, Option<bool>),
    ) -> KeeperInfo {
        KeeperInfo {
            info_uid,
            uid,
            cluster_uid,
            boot_uuid,
            postgres_binary_version,
            postgres_state,
            can_be_master: abilities.0,
            can_be_synchronous_replica: abilities.1,
        }
    }
}

prop_compose! {
    fn db_state()(
        uid in uid(),
        generation in generation(),
        initializing: bool,
        init_pg_parameters in option::of(parameters().boxed()),
    ) -> DbLocalState {
        DbLocalState { uid, generation, initializing, init_pg_parameters }
    }
}

/// Both forms of `value` read as `value`, and the compact one holds nothing that Go escapes.
macro_rules! assert_round_trip {
    ($value:expr) => {{
        let value = $value;
        let bytes = encode(&value);
        prop_assert_eq!(decode(&bytes), Ok(value.clone()));
        prop_assert_eq!(decode(encode_pretty(&value).as_bytes()), Ok(value));
        let is_go =
            |c: char| !c.is_ascii_control() && !"<>&\u{2028}\u{2029}".contains(c) || c == '\u{7f}';
        prop_assert!(String::from_utf8_lossy(&bytes).chars().all(is_go));
    }};
}

proptest! {
    #[test]
    fn cluster_data_reads_as_it_was(data in cluster_data()) {
        assert_round_trip!(data);
    }

    #[test]
    fn infos_read_as_they_were(
        keeper in keeper_info(),
        uids in (uid(), uid(), uid()),
        generation in generation(),
        proxy_timeout_nanos: i64,
        is_closed: bool,
    ) {
        assert_round_trip!(keeper);
        assert_round_trip!(ProxyInfo { info_uid: uids.0, uid: uids.1, generation, proxy_timeout_nanos, is_closed });
        assert_round_trip!(SentinelInfo { uid: uids.2 });
    }

    #[test]
    fn local_files_read_as_they_were(state in db_state(), uid in uid(), cluster_uid in crate::uid()) {
        assert_round_trip!(state);
        assert_round_trip!(KeeperLocalState { uid, cluster_uid });
    }

    #[test]
    fn an_empty_patch_changes_nothing_and_a_whole_one_everything(spec in spec().boxed()) {
        prop_assert_eq!(patch(&spec, b"{}"), Ok(spec.clone()));
        prop_assert_eq!(patch(&ClusterSpec::default(), &encode(&spec)), Ok(spec));
    }

    #[test]
    fn a_shown_specification_is_the_one_that_was_stored(spec in spec().boxed()) {
        let mut shown = spec.clone();
        for list in [&mut shown.pg_hba, &mut shown.additional_master_replication_slots] {
            list.take_if(|list| list.is_empty());
        }
        prop_assert_eq!(json::decode(show(&spec).as_bytes()), Ok(shown));
        let filled: ClusterSpec = json::decode(show_with_defaults(&spec).as_bytes())?;
        prop_assert_eq!(filled.with_defaults(), spec.with_defaults());
        prop_assert_eq!(filled.validate(), spec.validate());
    }
}
