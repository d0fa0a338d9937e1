//! Rows of the table where a standby's data are made from the followed db.

use crate::fake::{End, Fake, Fate};
use crate::fixture::{
    actions, change_db, data, keeper, names, plan_anew, reading, standby, stopped, texts,
};
use stolon_model::cluster::{DbInitMode, DbSpec};
use stolon_model::lsn::TimelineId;
use stolon_model::plan::action::Action;
use stolon_model::plan::{Desired, Local, Next, Reading, Reason, Server};
use stolon_model::postgres::role::AuthMethod;
use stolon_model::postgres::version::PgVersion;
use stolon_model::uid::DbUid;

fn wanted(change: impl FnOnce(&mut DbSpec)) -> Desired {
    standby(|spec| {
        spec.init_mode = Some(DbInitMode::Resync);
        spec.use_pgrewind = true;
        change(spec);
    })
}

fn old_master() -> Local {
    Local { server: Server::Answering(reading()), ..stopped("old", false) }
}

fn count(fake: &Fake, is: impl Fn(&Action) -> bool) -> usize {
    fake.done.iter().filter(|action| is(action)).count()
}

fn copies(fake: &Fake) -> usize {
    count(fake, |action| matches!(action, Action::BaseBackup { .. }))
}

fn rewinds(fake: &Fake) -> usize {
    count(fake, |action| matches!(action, Action::Rewind { .. }))
}

#[test]
fn an_old_master_is_rewound() {
    let mut newer = old_master();
    newer.binary_version = Some(PgVersion::new(16, 0));
    let plan = plan_anew(&wanted(|_| {}), &newer);
    assert_eq!(names(&plan), ["Stop", "SaveDbState", "Remember", "Rewind", "Remember"]);
    assert_eq!(
        texts(&plan),
        [
            "current db UID different than cluster data db UID",
            "resyncing the database cluster",
            "syncing using pg_rewind",
        ]
    );
    let mut fake = Fake::new(old_master(), Some(reading()));
    assert_eq!(fake.pass(&wanted(|_| {})), End::Done);
    assert_eq!((rewinds(&fake), copies(&fake)), (1, 0));
    assert!(fake.local.data.unwrap().is_standby);
}

/// What is wanted of the standby while the master has yet to confirm its followers.
fn wanted_early() -> Desired {
    let mut data = data();
    change_db(&mut data, "d1", |spec| spec.init_mode = Some(DbInitMode::Resync));
    let master = data.dbs.get_mut(&DbUid::from("m1")).unwrap();
    master.generation = master.generation.next();
    Desired::read(Some(&data), &keeper("keeper1"))
}

#[test]
fn a_copy_waits_for_the_slot_and_touches_nothing_before() {
    let plan = plan_anew(&wanted_early(), &old_master());
    assert_eq!(names(&plan), ["AwaitSlot"]);
    let [await_slot] = actions(&plan) else { panic!("one action") };
    assert!(await_slot.is_interruptible());
    let db = DbUid::from("d1");
    assert!(!await_slot.is_obsolete(&db, &wanted_early()));
    assert!(await_slot.is_obsolete(&db, &wanted(|_| {})), "the slot is there");
    let of_nobody = {
        let mut data = data();
        change_db(&mut data, "m1", |spec| spec.followers = Some(Vec::new()));
        Desired::read(Some(&data), &keeper("keeper1"))
    };
    assert!(!await_slot.is_obsolete(&db, &of_nobody), "a confirmed spec without it has no slot");
}

#[test]
fn a_slot_that_is_not_confirmed_in_time_is_not_waited_for_again() {
    let mut fake = Fake::new(old_master(), Some(reading()));
    assert_eq!(fake.pass(&wanted_early()), End::Done);
    let awaited = |fake: &Fake| count(fake, |action| matches!(action, Action::AwaitSlot { .. }));
    assert_eq!((awaited(&fake), copies(&fake)), (1, 1));
}

#[test]
fn what_cannot_be_rewound_is_copied() {
    let mut other_system = old_master();
    other_system.data.as_mut().unwrap().system_id = "1".to_owned();
    let mut unreadable = old_master();
    unreadable.data.as_mut().unwrap().system_id = String::new();
    let mut rival = old_master();
    rival.data.as_mut().unwrap().timeline = TimelineId(2);
    let no_data = Local { data: None, server: Server::Stopped, ..old_master() };
    let mut trusting = keeper("keeper1");
    trusting.superuser.method = AuthMethod::Trust;
    let mut data = data();
    change_db(&mut data, "d1", |spec| {
        spec.init_mode = Some(DbInitMode::Resync);
        spec.use_pgrewind = true;
    });
    let trusts = Desired::read(Some(&data), &trusting);
    data.cluster.as_mut().unwrap().status.master = DbUid::from("gone");
    let no_master = Desired::read(Some(&data), &keeper("keeper1"));
    for (name, desired, local) in [
        ("pg_rewind is not wanted", wanted(|spec| spec.use_pgrewind = false), old_master()),
        ("the data are of another system", wanted(|_| {}), other_system),
        ("the system is not known", wanted(|_| {}), unreadable),
        ("it promoted itself to the master's timeline", wanted(|_| {}), rival),
        ("there are no data", wanted(|_| {}), no_data),
        ("the superuser has no password", trusts, old_master()),
        ("the master is not known", no_master, old_master()),
    ] {
        let plan = plan_anew(&desired, &local);
        let names = names(&plan);
        assert_eq!(names[names.len() - 3..], ["DeletePgData", "BaseBackup", "Remember"], "{name}");
        assert_eq!(texts(&plan)[2], "syncing from followed db");
    }
}

#[test]
fn a_failed_rewind_becomes_a_copy() {
    let mut fake = Fake::new(old_master(), Some(reading()));
    // Checkpoint, save, stop, remember.
    fake.fates.extend([Fate::Succeeds; 4]);
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&wanted(|_| {})), End::Done);
    assert_eq!((rewinds(&fake), copies(&fake)), (1, 1));
}

#[test]
fn before_16_the_master_makes_a_checkpoint_first_and_nothing_is_touched_before() {
    let plan = plan_anew(&wanted(|_| {}), &old_master());
    assert_eq!(names(&plan), ["Checkpoint"]);
    let [checkpoint] = actions(&plan) else { panic!("one action") };
    assert!(checkpoint.is_interruptible());
    let db = DbUid::from("d1");
    assert!(!checkpoint.is_obsolete(&db, &wanted(|_| {})));
    assert!(checkpoint.is_obsolete(&DbUid::from("other"), &wanted(|_| {})));
}

#[test]
fn a_master_that_makes_no_checkpoint_is_a_source_all_the_same() {
    let mut fake = Fake::new(old_master(), Some(reading()));
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&wanted(|_| {})), End::Done);
    assert_eq!((rewinds(&fake), copies(&fake)), (1, 0));
}

#[test]
fn a_rewound_instance_that_does_not_get_ready_becomes_a_copy() {
    let mut fake = Fake::new(old_master(), Some(reading()));
    // Checkpoint, save, stop, remember, rewind, remember, start; then the wait is over.
    fake.fates.extend([Fate::Succeeds; 7]);
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&wanted(|_| {})), End::Done);
    assert_eq!((rewinds(&fake), copies(&fake)), (1, 1));
}

#[test]
fn a_rewound_instance_on_another_branch_becomes_a_copy() {
    let mut ahead = reading();
    ahead.position.as_mut().unwrap().timeline = TimelineId(3);
    for answer in [ahead, Reading { position: None, ..reading() }] {
        let mut fake = Fake::new(old_master(), Some(answer));
        assert_eq!(fake.pass(&wanted(|_| {})), End::Done);
        assert_eq!((rewinds(&fake), copies(&fake)), (1, 1));
    }
}

#[test]
fn a_rewound_instance_whose_next_wal_is_gone_becomes_a_copy() {
    // The position of the reading is in segment 0.
    for (oldest, expected) in [("000000020000000000000001", 1), ("000000020000000000000000", 0)] {
        let mut data = data();
        change_db(&mut data, "d1", |spec| {
            spec.init_mode = Some(DbInitMode::Resync);
            spec.use_pgrewind = true;
        });
        data.dbs.get_mut(&DbUid::from("m1")).unwrap().status.older_wal_file = oldest.to_owned();
        let mut fake = Fake::new(old_master(), Some(reading()));
        assert_eq!(fake.pass(&Desired::read(Some(&data), &keeper("keeper1"))), End::Done);
        assert_eq!((rewinds(&fake), copies(&fake)), (1, expected), "{oldest}");
    }
}

#[test]
fn a_rewound_instance_that_does_not_start_is_made_anew_in_the_next_pass() {
    let mut fake = Fake::new(old_master(), Some(reading()));
    fake.fates.extend([Fate::Succeeds; 5]);
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&wanted(|_| {})), End::Failed);
    assert_eq!(fake.pass(&wanted(|_| {})), End::Done);
    assert_eq!((rewinds(&fake), copies(&fake)), (1, 1));
}

#[test]
fn a_failed_copy_is_made_anew_in_the_next_pass() {
    let desired = wanted(|spec| spec.use_pgrewind = false);
    let mut fake = Fake::new(old_master(), Some(reading()));
    // Save, stop, delete.
    fake.fates.extend([Fate::Succeeds; 3]);
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&desired), End::Failed);
    assert!(fake.local.db_state.initializing);
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(copies(&fake), 2);
}

#[test]
fn without_a_source_the_data_stay() {
    let of_none = wanted(|spec| spec.follow_config.as_mut().unwrap().db_uid = DbUid::from("gone"));
    assert_eq!(plan_anew(&of_none, &old_master()).next, Next::Wait(Reason::NoFollowed));
    let mut data = data();
    change_db(&mut data, "d1", |spec| spec.init_mode = Some(DbInitMode::Resync));
    data.dbs.get_mut(&DbUid::from("m1")).unwrap().status.listen_address = String::new();
    let nowhere = Desired::read(Some(&data), &keeper("keeper1"));
    assert_eq!(plan_anew(&nowhere, &old_master()).next, Next::Wait(Reason::FollowedHasNoAddress));
}

#[test]
fn what_is_no_longer_wanted_is_cut_short() {
    let desired = wanted(|spec| spec.use_pgrewind = false);
    let plan = plan_anew(&desired, &old_master());
    let copy = actions(&plan).iter().find(|a| matches!(a, Action::BaseBackup { .. })).unwrap();
    let own = DbUid::from("d1");
    assert!(copy.is_interruptible());
    assert!(!copy.is_obsolete(&own, &desired));
    assert!(copy.is_obsolete(&DbUid::from("other"), &desired));
    assert!(!copy.is_obsolete(&own, &Desired::NothingKnown));
    assert!(!copy.is_obsolete(&own, &Desired::Unusable { reason: String::new() }));
    let mut data = data();
    data.dbs.remove(&own);
    assert!(copy.is_obsolete(&own, &Desired::read(Some(&data), &keeper("keeper1"))));
    let of_another =
        standby(|spec| spec.follow_config.as_mut().unwrap().db_uid = DbUid::from("d1"));
    assert!(copy.is_obsolete(&own, &of_another));
    let wait = Action::WaitReady { timeout: None };
    assert!(!wait.is_obsolete(&own, &of_another));
    assert!(!Action::DeletePgData.is_obsolete(&DbUid::from("other"), &desired));
}
