//! Rows of the table where the data are there and the instance has to take its role.

use crate::fake::{End, Fake, Fate};
use crate::fixture::{
    GENERATION, PGDATA, actions, change_db, data, keeper, master, names, plan_anew, reading,
    standby, stopped, texts,
};
use std::time::Duration;
use stolon_model::cluster::DbSpec;
use stolon_model::generation::Generation;
use stolon_model::plan::action::{Action, Purpose};
use stolon_model::plan::{Desired, Local, Memory, Next, Reading, Reason, Server, plan};
use stolon_model::postgres::command::StopMode;
use stolon_model::postgres::hba::Access;
use stolon_model::postgres::version::PgVersion;
use stolon_model::uid::DbUid;

fn sync(spec: &mut DbSpec) {
    spec.synchronous_replication = true;
    spec.synchronous_standbys = Some(vec![DbUid::from("d1")]);
    spec.external_synchronous_standbys = Some(Vec::new());
}

/// An instance that has reached what is wanted, its trace empty.
fn settled(desired: &Desired, local: Local) -> Fake {
    let mut fake = Fake::new(local, Some(reading()));
    assert_eq!(fake.pass(desired), End::Done);
    fake.done.clear();
    fake
}

fn done(fake: &Fake) -> Vec<String> {
    fake.done.iter().map(crate::fixture::name).collect()
}

#[test]
fn a_master_without_data_waits() {
    let plan = plan_anew(&master(|_| {}), &Local { data: None, ..stopped("m1", false) });
    assert_eq!(plan.next, Next::Wait(Reason::NotInitialised));
    let said = texts(&plan);
    assert_eq!(said[..2], ["database cluster not initialized", "our db requested role is master"]);
}

#[test]
fn a_stopped_master_is_started() {
    let plan = plan_anew(&master(|_| {}), &stopped("m1", false));
    assert_eq!(names(&plan), ["Start", "WaitReady"]);
    let Action::Start(start) = &actions(&plan)[0] else { panic!("{plan:?}") };
    assert_eq!(start.config.access, Access::Open);
    assert_eq!(actions(&plan)[1], Action::WaitReady { timeout: Some(Duration::from_secs(60)) });
}

#[test]
fn a_silent_master_is_waited_for() {
    let local = Local { server: Server::Silent, ..stopped("m1", false) };
    assert_eq!(names(&plan_anew(&master(|_| {}), &local)), ["WaitReady"]);
}

#[test]
fn a_master_that_died_is_started_again() {
    let desired = master(|_| {});
    let mut fake = settled(&desired, stopped("m1", false));
    fake.local.server = Server::Stopped;
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(done(&fake), ["Start", "WaitReady"]);
}

#[test]
fn users_wait_at_the_door_until_the_standbys_are_in_sync() {
    let desired = master(sync);
    let mut fake = Fake::new(stopped("m1", false), Some(reading()));
    assert_eq!(fake.pass(&desired), End::Done);
    let Action::Start(start) = &fake.done[0] else { panic!("{:?}", fake.done) };
    assert_eq!(start.config.access, Access::Internal);
    assert!(!start.config.hba.iter().any(|line| line.contains("all all")));
    let plan = plan(&desired, &fake.local, &fake.memory, PGDATA);
    assert!(matches!(plan.next, Next::Done { access: Access::Internal, .. }), "{plan:?}");

    fake.local.server =
        Server::Answering(Reading { in_sync: [DbUid::from("d1")].into(), ..reading() });
    fake.done.clear();
    assert_eq!(fake.pass(&desired), End::Done);
    let [Action::Reload(reload)] = fake.done.as_slice() else { panic!("{:?}", fake.done) };
    assert_eq!(reload.config.access, Access::Open);

    fake.local.server = Server::Answering(reading());
    fake.done.clear();
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(done(&fake), [""; 0], "a standby that leaves later shuts no door");
}

#[test]
fn without_rules_of_the_user_the_wait_ends_too() {
    let no_rules = |spec: &mut DbSpec| {
        sync(spec);
        spec.pg_hba = Some(Vec::new());
    };
    let desired = master(no_rules);
    let mut fake = settled(&desired, stopped("m1", false));
    assert!(fake.memory.waits_for_sync());
    let off = master(|spec| spec.pg_hba = Some(Vec::new()));
    assert_eq!(fake.pass(&off), End::Done);
    assert!(!fake.memory.waits_for_sync());
}

#[test]
fn a_promotion_finds_its_parameters_in_place() {
    let mut data = data();
    let follower = Desired::read(Some(&data), &keeper("keeper1"));
    let mut fake = settled(&follower, stopped("d1", true));
    let leader = data.dbs[&DbUid::from("m1")].spec.clone().unwrap();
    change_db(&mut data, "d1", |spec| {
        spec.role = leader.role;
        spec.follow_config = None;
        sync(spec);
        spec.synchronous_standbys = Some(vec![DbUid::from("m1")]);
    });
    data.dbs.get_mut(&DbUid::from("d1")).unwrap().generation = GENERATION.next();
    assert!(fake.local.server.is_running());
    let desired = Desired::read(Some(&data), &keeper("keeper1"));
    let mut answer = reading();
    answer.slots.clear();
    fake.local.server = Server::Answering(answer.clone());
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(done(&fake), ["Reload", "Promote", "Reload", "SaveDbState"]);
    let Action::Reload(before) = &fake.done[0] else { panic!() };
    assert_eq!(before.config.parameters["synchronous_standby_names"], "stolon_m1");
    assert!(before.config.recovery.parameters.contains_key("primary_conninfo"));
    assert_eq!(before.config.access, Access::Open, "it was not down");
    let Action::Reload(after) = &fake.done[2] else { panic!() };
    assert!(after.config.recovery.parameters.is_empty());
}

#[test]
fn a_stopped_standby_is_promoted_after_its_start() {
    let desired = master(|_| {});
    let mut fake = Fake::new(stopped("m1", true), Some(reading()));
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(done(&fake), ["Start", "WaitReady", "Promote"]);
    assert!(!fake.local.data.unwrap().is_standby);
}

#[test]
fn a_standby_that_cannot_be_one_waits() {
    let of_none = standby(|spec| spec.follow_config.as_mut().unwrap().db_uid = DbUid::from("gone"));
    let local = stopped("d1", true);
    assert_eq!(plan_anew(&of_none, &local).next, Next::Wait(Reason::NoFollowed));
    let plan = plan_anew(&standby(|_| {}), &Local { data: None, ..local.clone() });
    assert_eq!(plan.next, Next::Wait(Reason::NotInitialised));
    assert_eq!(
        texts(&plan),
        [
            "database cluster not initialized",
            "our db requested role is standby",
            "our db role is none"
        ]
    );
    let plan = plan_anew(&standby(|_| {}), &stopped("d1", false));
    assert_eq!(plan.next, Next::Wait(Reason::IsMaster));
    assert_eq!(texts(&plan)[1], "cannot move from master role to standby role");
    let undefined = standby(|spec| spec.role = None);
    assert_eq!(plan_anew(&undefined, &local).next, Next::Wait(Reason::RoleUndefined));
}

#[test]
fn a_standby_is_started_and_not_waited_for() {
    let desired = standby(|_| {});
    let mut local = stopped("d1", true);
    local.db_state.generation = Generation::INITIAL;
    let mut fake = Fake::new(local, None);
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(done(&fake), ["Start", "SaveDbState"]);
}

fn follow_another_address(data: &mut stolon_model::cluster::ClusterData) {
    data.dbs.get_mut(&DbUid::from("m1")).unwrap().status.listen_address = "10.0.0.99".to_owned();
}

#[test]
fn another_address_to_follow_is_a_reload_from_13_on() {
    for (major, expected) in [(12, vec!["Stop", "Start"]), (13, vec!["Reload"])] {
        let mut data = data();
        let before = Desired::read(Some(&data), &keeper("keeper1"));
        let local = Local { binary_version: Some(PgVersion::new(major, 1)), ..stopped("d1", true) };
        let mut fake = settled(&before, local);
        follow_another_address(&mut data);
        let after = Desired::read(Some(&data), &keeper("keeper1"));
        let first = plan(&after, &fake.local, &fake.memory, PGDATA);
        assert!(!format!("{first:?}").contains("replpw"));
        assert_eq!(fake.pass(&after), End::Done);
        assert_eq!(done(&fake), expected, "on {major}");
        assert!(
            fake.memory.written().unwrap().recovery.masked()["primary_conninfo"]
                .contains("10.0.0.99")
        );
    }
}

#[test]
fn a_standby_of_which_nothing_is_known_is_restarted() {
    let local = Local { server: Server::Answering(reading()), ..stopped("d1", true) };
    let plan = plan_anew(&standby(|_| {}), &local);
    assert_eq!(names(&plan), ["Stop", "Start"]);
    let Action::Stop(stop) = &actions(&plan)[0] else { panic!() };
    assert_eq!((stop.purpose, stop.mode), (Purpose::Restart, StopMode::Fast));
}

#[test]
fn changed_parameters_and_rules_are_reloaded() {
    let mut fake = settled(&master(|_| {}), stopped("m1", false));
    let desired = master(|spec| {
        sync(spec);
        spec.pg_parameters.insert("work_mem".to_owned(), "1MB".to_owned());
        spec.pg_hba = Some(vec!["host all all all reject".to_owned()]);
    });
    let plan = plan(&desired, &fake.local, &fake.memory, PGDATA);
    assert_eq!(
        texts(&plan)[1..],
        [
            "needed synchronous_standby_names changed",
            "postgres parameters changed, reloading postgres instance",
            "postgres hba entries changed, reloading postgres instance",
        ]
    );
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(done(&fake), ["Reload"]);
}

#[test]
fn a_reload_that_fails_is_not_reported_as_applied() {
    let mut local = stopped("m1", false);
    let mut fake = settled(&master(|_| {}), local.clone());
    local.db_state.generation = Generation::INITIAL;
    fake.local.db_state = local.db_state;
    let desired = master(|spec| spec.pg_hba = Some(Vec::new()));
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&desired), End::Failed);
    assert_eq!(fake.local.db_state.generation, Generation::INITIAL);
    assert_eq!(fake.pass(&desired), End::Done);
}

#[test]
fn slots() {
    let desired = master(|_| {});
    let mut fake = settled(&desired, stopped("m1", false));
    let slots = ["stolon_gone".to_owned(), "mine".to_owned()].into();
    fake.local.server = Server::Answering(Reading { slots, ..reading() });
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&desired), End::Done, "an active slot cannot be dropped yet");
    assert_eq!(
        fake.done,
        [
            Action::DropSlot { name: "stolon_gone".to_owned() },
            Action::CreateSlot { name: "stolon_d1".to_owned(), is_required: true },
        ]
    );
    fake.done.clear();
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(done(&fake), ["DropSlot"], "it is tried again in the next pass");
}

#[test]
fn a_master_needs_its_slots_and_a_standby_does_not() {
    let no_slots = || Reading { slots: Default::default(), ..reading() };
    let mut fake = settled(&master(|_| {}), stopped("m1", false));
    fake.local.server = Server::Answering(no_slots());
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&master(|_| {})), End::Failed);
    let desired = standby(|spec| spec.followers = Some(vec![DbUid::from("e1")]));
    let mut fake = settled(&desired, stopped("d1", true));
    fake.local.server = Server::Answering(no_slots());
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&desired), End::Done);
}

#[test]
fn a_pending_restart_is_made_only_when_wanted() {
    let pending = Reading { is_restart_pending: true, ..reading() };
    let mut data = data();
    change_db(&mut data, "m1", sync);
    for (by_itself, expected) in [(false, vec![]), (true, vec!["Stop", "Start", "WaitReady"])] {
        let spec = data.cluster.as_mut().unwrap().spec.as_mut().unwrap();
        spec.automatic_pg_restart = Some(by_itself);
        let desired = Desired::read(Some(&data), &keeper("keeper0"));
        let mut fake = settled(&desired, stopped("m1", false));
        fake.local.server = Server::Answering(pending.clone());
        assert_eq!(fake.pass(&desired), End::Done);
        assert_eq!(done(&fake), expected);
        assert!(
            fake.memory.waits_for_sync(),
            "a restarted master shows what standbys may lack, too"
        );
    }
}

#[test]
fn the_generation_comes_last() {
    let mut local = stopped("m1", false);
    local.db_state.generation = Generation::INITIAL;
    let mut fake = Fake::new(local, Some(Reading { slots: Default::default(), ..reading() }));
    assert_eq!(fake.pass(&master(|_| {})), End::Done);
    assert_eq!(done(&fake), ["Start", "WaitReady", "CreateSlot", "SaveDbState"]);
}

#[test]
fn a_server_that_does_not_obey_is_stopped_hard_in_the_end() {
    let mut memory = Memory::default();
    let local = Local { server: Server::Silent, ..stopped("d1", true) };
    let mut data = data();
    data.dbs.clear();
    let desired = Desired::read(Some(&data), &keeper("keeper1"));
    let mut modes = Vec::new();
    for _ in 0..4 {
        memory.begin_pass();
        let plan = plan(&desired, &local, &memory, PGDATA);
        let Action::Stop(stop) = &actions(&plan)[0] else { panic!() };
        modes.push(stop.mode);
        let _ = memory.record(&actions(&plan)[0], false);
    }
    assert_eq!(modes, [StopMode::Fast, StopMode::Fast, StopMode::Fast, StopMode::Immediate]);
}
