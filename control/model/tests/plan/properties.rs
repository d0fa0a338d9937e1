//! Whatever is wanted, found, failing and crashing: plans end, and data are not lost.

use crate::fake::{End, Fake, Fate};
use crate::fixture::{GENERATION, change_db, data, files, keeper, reading, stopped};
use proptest::prelude::*;
use proptest::sample::select;
use stolon_model::cluster::{ClusterData, DbInitMode, FollowKind, Role};
use stolon_model::generation::Generation;
use stolon_model::lsn::TimelineId;
use stolon_model::plan::action::Action;
use stolon_model::plan::{DataDirectory, Desired, Local, Reading, Server};
use stolon_model::spec::PitrConfig;
use stolon_model::uid::{BootUuid, DbUid, KeeperUid};

/// More passes than any mixture of the generated failures needs.
const PASSES: usize = 12;

fn init_mode() -> impl Strategy<Value = Option<DbInitMode>> {
    select(vec![
        None,
        Some(DbInitMode::None),
        Some(DbInitMode::New),
        Some(DbInitMode::Existing),
        Some(DbInitMode::Pitr),
        Some(DbInitMode::Resync),
    ])
}

fn anything_wanted() -> impl Strategy<Value = ClusterData> {
    let flags = any::<[bool; 7]>();
    (
        init_mode(),
        select(vec![None, Some(Role::Master), Some(Role::Standby)]),
        any::<bool>(),
        flags,
        0..8,
    )
        .prop_map(|(init_mode, role, external, flags, oddity)| {
            let [sync, rewind, previous, pitr, restarts, address, strict] = flags;
            let mut data = data();
            change_db(&mut data, "d1", |spec| {
                spec.init_mode = init_mode;
                spec.role = role;
                spec.synchronous_replication = sync && role == Some(Role::Master);
                spec.synchronous_standbys =
                    spec.synchronous_replication.then(|| vec![DbUid::from("m1")]);
                spec.use_pgrewind = rewind;
                spec.include_previous_config = previous;
                spec.pitr_config = pitr.then(PitrConfig::default);
                if external {
                    spec.follow_config.as_mut().unwrap().kind = Some(FollowKind::External);
                }
            });
            let spec = data.cluster.as_mut().unwrap().spec.as_mut().unwrap();
            spec.automatic_pg_restart = Some(restarts);
            spec.default_su_repl_access_mode = strict.then(|| "strict".to_owned());
            if !address {
                data.dbs.get_mut(&DbUid::from("m1")).unwrap().status.listen_address.clear();
            }
            let own = KeeperUid::from("keeper1");
            match oddity {
                0 => drop(data.dbs.remove(&DbUid::from("m1"))),
                1 => drop(data.dbs.remove(&DbUid::from("d1"))),
                2 => drop(data.keepers.remove(&own)),
                3 => data.keepers.get_mut(&own).unwrap().status.boot_uuid = BootUuid::from("x"),
                _ => {}
            }
            data
        })
}

fn anything_found() -> impl Strategy<Value = Local> {
    let data = select(vec![
        None,
        Some(files(false)),
        Some(files(true)),
        Some(DataDirectory { system_id: "1".to_owned(), ..files(false) }),
    ]);
    let server = select(vec![Server::Stopped, Server::Silent, Server::Answering(reading())]);
    let generation = select(vec![Generation::NONE, Generation::INITIAL, GENERATION]);
    (data, server, select(vec!["", "d1", "other"]), generation, any::<bool>()).prop_map(
        |(data, server, uid, generation, initializing)| {
            let mut local = stopped(uid, false);
            local.server = if data.is_some() { server } else { Server::Stopped };
            local.data = data;
            local.db_state.generation = generation;
            local.db_state.initializing = initializing;
            local
        },
    )
}

fn anything_answered() -> impl Strategy<Value = Option<Reading>> {
    let slots = select(vec![vec![], vec!["stolon_d1"], vec!["stolon_x", "mine"]]);
    (slots, any::<[bool; 5]>()).prop_map(|(slots, [pending, in_sync, position, ahead, silent])| {
        let mut reading = Reading {
            slots: slots.into_iter().map(str::to_owned).collect(),
            is_restart_pending: pending,
            ..reading()
        };
        if in_sync {
            reading.in_sync.insert(DbUid::from("m1"));
        }
        match &mut reading.position {
            Some(own) if ahead => own.timeline = TimelineId(9),
            _ => {}
        }
        if !position {
            reading.position = None;
        }
        (!silent || !ahead).then_some(reading)
    })
}

fn fates(bad: Vec<Fate>) -> impl Strategy<Value = Vec<Fate>> {
    let mut kinds = vec![Fate::Succeeds; 6];
    kinds.extend(bad);
    prop::collection::vec(select(kinds), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// The rules that hold for every list of actions are checked inside of [`Fake::pass`].
    #[test]
    fn every_pass_ends_and_keeps_the_rules(
        wanted in anything_wanted(),
        then_wanted in anything_wanted(),
        found in anything_found(),
        answered in anything_answered(),
        fates in fates(vec![Fate::Fails, Fate::Crash]),
    ) {
        let mut fake = Fake::new(found, answered);
        fake.fates.extend(fates);
        for wanted in [&wanted, &then_wanted] {
            let desired = Desired::read(Some(wanted), &keeper("keeper1"));
            for _ in 0..PASSES {
                fake.pass(&desired);
            }
        }
    }

    #[test]
    fn a_new_master_is_made_through_failures_and_crashes(
        found in anything_found(),
        fates in fates(vec![Fate::Fails, Fate::Crash]),
        previous in any::<bool>(),
    ) {
        let mut data = data();
        change_db(&mut data, "d1", |spec| {
            spec.init_mode = Some(DbInitMode::New);
            spec.role = Some(Role::Master);
            spec.include_previous_config = previous;
        });
        let mut found = found;
        found.db_state.uid = DbUid::from("other");
        reaches_done(found, fates, &data, false)?;
    }

    #[test]
    fn a_standby_is_made_through_failures_and_crashes(
        found in anything_found(),
        fates in fates(vec![Fate::Fails, Fate::Crash]),
        rewind in any::<bool>(),
    ) {
        let mut data = data();
        change_db(&mut data, "d1", |spec| {
            spec.init_mode = Some(DbInitMode::Resync);
            spec.use_pgrewind = rewind;
        });
        let mut found = found;
        found.db_state.uid = DbUid::from("other");
        reaches_done(found, fates, &data, true)?;
    }

    #[test]
    fn existing_data_are_never_touched(
        found in anything_found(),
        answered in anything_answered(),
        fates in fates(vec![Fate::Fails, Fate::Crash]),
        init_mode in select(vec![None, Some(DbInitMode::None), Some(DbInitMode::Existing)]),
        previous in any::<bool>(),
    ) {
        let mut data = data();
        change_db(&mut data, "d1", |spec| {
            spec.init_mode = init_mode;
            spec.role = Some(Role::Master);
            spec.include_previous_config = previous;
        });
        let desired = Desired::read(Some(&data), &keeper("keeper1"));
        let mut found = found;
        found.db_state.initializing = false;
        let system_id = found.data.as_ref().map(|data| data.system_id.clone());
        let mut fake = Fake::new(found, answered);
        fake.fates.extend(fates);
        for _ in 0..PASSES {
            fake.pass(&desired);
        }
        prop_assert_eq!(fake.local.data.map(|data| data.system_id), system_id);
        prop_assert!(!fake.local.db_state.initializing);
        prop_assert!(!fake.done.iter().any(|action| matches!(action, Action::DeletePgData)));
    }
}

fn reaches_done(
    found: Local,
    fates: Vec<Fate>,
    data: &ClusterData,
    is_standby: bool,
) -> Result<(), TestCaseError> {
    let desired = Desired::read(Some(data), &keeper("keeper1"));
    let mut fake = Fake::new(found, Some(reading()));
    fake.fates.extend(fates);
    // Each pass but the last uses up at least one fate.
    for _ in 0..60 {
        if fake.fates.is_empty() && fake.pass(&desired) == End::Done {
            break;
        }
        fake.pass(&desired);
    }
    prop_assert_eq!(fake.pass(&desired), End::Done);
    prop_assert_eq!(&fake.local.db_state.uid, &DbUid::from("d1"));
    prop_assert_eq!(fake.local.db_state.generation, GENERATION);
    prop_assert!(fake.local.server.is_running());
    prop_assert_eq!(fake.local.data.map(|data| data.is_standby), Some(is_standby));
    Ok(())
}
