//! What holds whatever happens: arbitrary events on a small world, the invariants after each of them, and a cluster that
//! works again when the disturbances end.

#![expect(clippy::expect_used, reason = "a world that breaks ends its test")]

mod component;
mod faults;
mod world;

use faults::{Event, Fault};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::time::Duration;
use stolon_model::cluster::Phase;
use stolon_model::decide::Write;
use world::World;

/// A cluster at rest: three keepers and two proxies.
fn cluster(spec: &str) -> Fault {
    let mut world = World::default();
    world.initial_spec = Some(parse(spec));
    world.pass();
    world.lead();
    let mut faults = Fault::new(world, 3, 2);
    faults.heal();
    faults
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> T {
    stolon_model::json::decode(text.as_bytes()).expect("a spec of this test")
}

/// The cluster has a master that works, that proxies forward to, and as many standbys as it should.
fn assert_works(world: &World, standbys: usize) {
    let data = world.data.as_ref().expect("there is cluster data");
    let cluster = data.cluster.as_ref().expect("there is a cluster");
    assert_eq!(cluster.status.phase, Some(Phase::Normal));
    let master = &data.dbs[&cluster.status.master];
    assert!(master.status.healthy && master.status.current_generation == master.generation);
    let proxy = data.proxy.as_ref().expect("there is a proxy object");
    assert_eq!(proxy.spec.master_db_uid, cluster.status.master);
    assert_eq!(proxy.spec.enabled_proxies.len(), world.proxies.len());
    assert_eq!(data.dbs.len(), standbys + 1, "{:#?}", data.dbs);
    assert!(data.dbs.values().all(|db| db.status.healthy));
}

const ASYNCHRONOUS: &str = r#"{"initMode":"new"}"#;
const SYNCHRONOUS: &str = r#"{"initMode":"new","synchronousReplication":true}"#;
const TWO_SYNCHRONOUS: &str = r#"{"initMode":"new","synchronousReplication":true,"minSynchronousStandbys":1,"maxSynchronousStandbys":2,"maxStandbyLag":1}"#;
/// Keepers are forgotten as soon as they failed.
const FORGETFUL: &str = r#"{"initMode":"new","deadKeeperRemovalInterval":"1s"}"#;
const FORGETFUL_SYNCHRONOUS: &str =
    r#"{"initMode":"new","synchronousReplication":true,"deadKeeperRemovalInterval":"1s"}"#;

fn specs() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(ASYNCHRONOUS),
        Just(SYNCHRONOUS),
        Just(TWO_SYNCHRONOUS),
        Just(FORGETFUL),
        Just(FORGETFUL_SYNCHRONOUS),
    ]
}

/// As many cases as `PROPTEST_CASES` says; by default few, for each is a small simulation.
fn config() -> ProptestConfig {
    let given = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: given.unwrap_or(48), ..ProptestConfig::default() }
}

/// The properties below say nothing unless masters are replaced and commits acknowledged while they are tried.
#[test]
fn the_disturbances_reach_what_they_are_to_disturb() {
    let mut runner = TestRunner::deterministic();
    let events = prop::collection::vec(Event::any(), 60);
    let (mut elections, mut acknowledged) = (0, 0);
    for _ in 0..20 {
        let mut faults = cluster(SYNCHRONOUS);
        let events = events.new_tree(&mut runner).expect("events can be made").current();
        let mut master = faults.master();
        for event in events {
            faults.play(event);
            faults.assert_safe();
            elections += usize::from(faults.master() != master);
            master = faults.master();
        }
        acknowledged += faults.acknowledged();
    }
    assert!(elections >= 5, "{elections} elections");
    assert!(acknowledged >= 20, "{acknowledged} acknowledged commits");
}

proptest! {
    #![proptest_config(config())]

    /// No event makes the decision panic, oscillate, or break an invariant; what it decides is what it would decide
    /// again; and when the disturbances end the cluster works.
    #[test]
    fn a_disturbed_cluster_keeps_its_invariants_and_heals(
        spec in specs(),
        events in prop::collection::vec(Event::any(), 1..60),
    ) {
        let mut faults = cluster(spec);
        for event in events {
            faults.play(event);
            faults.assert_safe();
        }
        faults.heal();
        assert_works(&faults.world, 2);
    }

    /// Between two wakes time changes nothing: a pass that comes early decides nothing new.
    #[test]
    fn time_alone_changes_nothing_before_the_wake(
        spec in specs(),
        events in prop::collection::vec(Event::any(), 1..40),
        part in 0.0..1.0f64,
    ) {
        let mut faults = cluster(spec);
        for event in events {
            faults.play(event);
        }
        let world = &mut faults.world;
        world.lead();
        world.failing_writes = 0;
        world.settle();
        let Some(wake_at) = world.wake_at else { return Ok(()) };
        // The wake itself comes one instant after the last moment at which nothing has changed.
        let left = wake_at.since(world.now).saturating_sub(Duration::from_nanos(1));
        world.now = world.now.plus(left.mul_f64(part));
        world.pass();
        let write = world.last.as_ref().map(|decision| decision.write);
        prop_assert_eq!(write, Some(Write::Nothing));
        prop_assert_eq!(world.wake_at, Some(wake_at));
    }
}
