//! Rows of the table where the data of the db have to be made or taken over.

use crate::fake::{End, Fake, Fate};
use crate::fixture::{
    GENERATION, actions, keeper, master, names, plan_anew, reading, stopped, texts,
};
use stolon_model::cluster::{DbInitMode, DbSpec, FollowConfig, FollowKind, Role};
use stolon_model::generation::Generation;
use stolon_model::local::DbLocalState;
use stolon_model::plan::action::{Action, RecoveryEnd};
use stolon_model::plan::{Desired, Local, Next, Plan, Reason, Server};
use stolon_model::postgres::conf::{FileChange, Target};
use stolon_model::postgres::hba::Access;
use stolon_model::postgres::recovery::RecoveryMode;
use stolon_model::postgres::version::PgVersion;
use stolon_model::spec::{PgParameters, PitrConfig, RecoveryTargetSettings, StandbySettings};

fn wanted(mode: DbInitMode, change: impl FnOnce(&mut DbSpec)) -> Desired {
    master(|spec| {
        spec.init_mode = Some(mode);
        spec.include_previous_config = true;
        change(spec);
    })
}

fn empty() -> Local {
    Local { db_state: DbLocalState::default(), data: None, ..stopped("", false) }
}

fn saved(plan: &Plan) -> &DbLocalState {
    actions(plan)
        .iter()
        .find_map(|action| match action {
            Action::SaveDbState(state) => Some(state),
            _ => None,
        })
        .unwrap()
}

#[test]
fn an_interrupted_initialisation_is_cleared_away() {
    let mut local = Local { server: Server::Silent, ..stopped("m1", false) };
    local.db_state.initializing = true;
    let plan = plan_anew(&wanted(DbInitMode::New, |_| {}), &local);
    assert_eq!(names(&plan), ["Stop", "DeletePgData", "SaveDbState"]);
    assert_eq!(*saved(&plan), DbLocalState::default());
    assert_eq!(texts(&plan), ["db failed to initialize or resync"]);
}

#[test]
fn with_mode_none_foreign_data_are_left_alone() {
    for init_mode in [None, Some(DbInitMode::None)] {
        let desired = master(|spec| spec.init_mode = init_mode);
        for local in [stopped("other", false), empty()] {
            let plan = plan_anew(&desired, &local);
            assert_eq!(plan.next, Next::Wait(Reason::DataLost));
            assert!(
                plan.messages[0].text.starts_with("different local dbUID but init mode is none")
            );
        }
    }
}

#[test]
fn new() {
    let plan = plan_anew(&wanted(DbInitMode::New, |_| {}), &empty());
    assert_eq!(
        names(&plan),
        [
            "SaveDbState",
            "DeletePgData",
            "InitDb",
            "Start",
            "WaitReady",
            "SaveInitParameters",
            "SetUpRoles",
            "Stop",
            "Remember",
        ]
    );
    assert_eq!(saved(&plan).generation, Generation::NONE);
    assert!(saved(&plan).initializing);
    assert_eq!(
        texts(&plan),
        ["current db UID different than cluster data db UID", "initializing the database cluster"]
    );
}

#[test]
fn new_stops_a_running_server_before_it_deletes() {
    let local = Local { server: Server::Answering(reading()), ..stopped("other", false) };
    let plan = plan_anew(&wanted(DbInitMode::New, |_| {}), &local);
    assert_eq!(names(&plan)[..3], ["Stop", "SaveDbState", "DeletePgData"]);
}

#[test]
fn a_temporary_start_keeps_users_out_and_postgresql_conf_as_found() {
    let plan = plan_anew(&wanted(DbInitMode::New, |_| {}), &empty());
    let Some(Action::Start(start)) = actions(&plan).iter().find(|a| matches!(a, Action::Start(_)))
    else {
        panic!("no start in {plan:?}");
    };
    assert_eq!(start.target, Target::Temporary);
    assert_eq!(start.config.access, Access::Internal);
    assert!(!start.config.parameters.contains_key("wal_retrieve_retry_interval"));
    let writes_conf =
        |file: &FileChange| matches!(file, FileChange::Write { name: "postgresql.conf", .. });
    assert!(!start.files.iter().any(writes_conf));
}

#[test]
fn without_previous_config_parameters_are_not_read() {
    let desired = wanted(DbInitMode::New, |spec| spec.include_previous_config = false);
    assert!(!names(&plan_anew(&desired, &empty())).contains(&"SaveInitParameters".to_owned()));
}

#[test]
fn new_ends_as_a_master() {
    let mut fake = Fake::new(empty(), Some(reading()));
    assert_eq!(fake.pass(&wanted(DbInitMode::New, |_| {})), End::Done);
    assert_eq!(fake.local.db_state.generation, GENERATION);
    assert_eq!(fake.local.db_state.init_pg_parameters, Some(PgParameters::new()));
    assert!(!fake.local.data.unwrap().is_standby);
}

#[test]
fn new_data_survive_a_failure_that_says_nothing_about_them() {
    let desired = wanted(DbInitMode::New, |_| {});
    let mut answer = reading();
    answer.slots.clear();
    let mut fake = Fake::new(empty(), Some(answer));
    // Everything up to the slot succeeds: 9 actions of the initialisation, start, ready.
    fake.fates.extend([Fate::Succeeds; 11]);
    fake.fates.push_back(Fate::Fails);
    assert_eq!(fake.pass(&desired), End::Failed);
    assert!(matches!(fake.done.last(), Some(Action::CreateSlot { .. })));
    assert!(fake.local.db_state.initializing);
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(fake.done.iter().filter(|a| matches!(a, Action::InitDb { .. })).count(), 1);
}

#[test]
fn new_data_that_do_not_start_are_made_again() {
    let desired = wanted(DbInitMode::New, |_| {});
    let mut fake = Fake::new(empty(), Some(reading()));
    fake.fates.extend([Fate::Succeeds; 9]);
    fake.fates.extend([Fate::Fails; 3]);
    assert_eq!(
        [fake.pass(&desired), fake.pass(&desired), fake.pass(&desired)],
        [End::Failed, End::Failed, End::Failed]
    );
    assert_eq!(fake.pass(&desired), End::Done);
    assert_eq!(fake.done.iter().filter(|a| matches!(a, Action::InitDb { .. })).count(), 2);
}

#[test]
fn existing_is_never_marked_as_initialising() {
    let mut local = stopped("", false);
    local.db_state = DbLocalState::default();
    let plan = plan_anew(&wanted(DbInitMode::Existing, |_| {}), &local);
    assert_eq!(names(&plan), ["SaveDbState", "Start", "WaitReady", "SaveInitParameters", "Stop"]);
    assert!(!saved(&plan).initializing);
    let mut fake = Fake::new(local, Some(reading()));
    assert_eq!(fake.pass(&wanted(DbInitMode::Existing, |_| {})), End::Done);
}

#[test]
fn existing_without_data_waits() {
    let plan = plan_anew(&wanted(DbInitMode::Existing, |_| {}), &empty());
    assert_eq!(plan.next, Next::Wait(Reason::NothingToTakeOver));
}

#[test]
fn existing_is_taken_over_again_after_a_crash() {
    let mut local = stopped("m1", false);
    local.db_state.generation = Generation::NONE;
    let plan = plan_anew(&wanted(DbInitMode::Existing, |_| {}), &local);
    assert_eq!(names(&plan), ["SaveDbState", "Start", "WaitReady", "SaveInitParameters", "Stop"]);
}

#[test]
fn a_server_with_the_temporary_configuration_is_stopped() {
    let desired = wanted(DbInitMode::Existing, |spec| spec.include_previous_config = false);
    let mut local = stopped("", false);
    local.db_state = DbLocalState::default();
    let mut fake = Fake::new(local, Some(reading()));
    fake.fates.extend([Fate::Succeeds, Fate::Succeeds, Fate::Fails]);
    assert_eq!(fake.pass(&desired), End::Failed);
    assert!(fake.local.server.is_running());
    fake.done.clear();
    assert_eq!(fake.pass(&desired), End::Done);
    assert!(matches!(fake.done.first(), Some(Action::Stop(_))));
}

fn pitr(change: impl FnOnce(&mut DbSpec)) -> Desired {
    wanted(DbInitMode::Pitr, |spec| {
        spec.pitr_config = Some(PitrConfig {
            data_restore_command: "cp -r /backup/* %d".to_owned(),
            archive_recovery_settings: None,
            recovery_target_settings: Some(RecoveryTargetSettings::default()),
        });
        change(spec);
    })
}

#[test]
fn a_backup_is_recovered() {
    let plan = plan_anew(&pitr(|_| {}), &empty());
    assert_eq!(
        names(&plan),
        [
            "SaveDbState",
            "DeletePgData",
            "Restore",
            "Start",
            "WaitRecovery",
            "WaitReady",
            "SaveInitParameters",
            "Stop",
            "Remember",
        ]
    );
    let ends = |plan: &Plan| {
        let end = |action: &Action| match action {
            Action::WaitRecovery { end, timeout: None } => Some(*end),
            _ => None,
        };
        actions(plan).iter().find_map(end)
    };
    assert_eq!(ends(&plan), Some(RecoveryEnd::SignalGone));
    let old = Local { binary_version: Some(PgVersion::new(11, 3)), ..empty() };
    assert_eq!(ends(&plan_anew(&pitr(|_| {}), &old)), Some(RecoveryEnd::DonePresent));
    assert_eq!(Fake::new(empty(), Some(reading())).pass(&pitr(|_| {})), End::Done);
}

#[test]
fn a_backup_may_become_a_standby_of_an_external_instance() {
    let desired = pitr(|spec| {
        spec.role = Some(Role::Standby);
        spec.follow_config = Some(FollowConfig {
            kind: Some(FollowKind::External),
            standby_settings: Some(StandbySettings {
                primary_conninfo: "host=far".to_owned(),
                ..StandbySettings::default()
            }),
            ..FollowConfig::default()
        });
    });
    let plan = plan_anew(&desired, &empty());
    assert!(!names(&plan).contains(&"WaitRecovery".to_owned()));
    let is_standby = |action: &Action| matches!(action, Action::Start(start) if start.config.recovery.mode == RecoveryMode::Standby);
    assert!(actions(&plan).iter().any(is_standby));
    let mut fake = Fake::new(empty(), Some(reading()));
    assert_eq!(fake.pass(&desired), End::Done);
    assert!(fake.local.data.unwrap().is_standby);
}

#[test]
fn a_backup_needs_a_config() {
    let plan = plan_anew(&wanted(DbInitMode::Pitr, |_| {}), &empty());
    assert_eq!(plan.next, Next::Wait(Reason::NoBackup));
}

#[test]
fn no_action_shows_a_password() {
    for desired in [wanted(DbInitMode::New, |_| {}), pitr(|_| {})] {
        let text = format!("{:?}", plan_anew(&desired, &empty()));
        assert!(!text.contains("supw") && !text.contains("replpw"), "{text}");
    }
    assert!(!format!("{:?}", keeper("k")).contains("supw"));
}
