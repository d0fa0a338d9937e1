//! From a new instance over standbys to promotion, and through the death of processes.

use crate::cluster::{TestCluster, follow};
use crate::harness::{poll_until, signal};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use stolon_model::cluster::Role;
use stolon_model::lsn::TimelineId;
use stolon_model::uid::{BootUuid, DbUid};

const SPEC: &str = r#"{"initMode":"new","sleepInterval":"1s","pgParameters":{"log_statement":"all","fsync":"off"}}"#;

#[tokio::test]
async fn a_master_is_made_and_comes_back_after_the_death_of_its_server_and_of_its_keeper() {
    let cluster = TestCluster::new(SPEC).await;
    let mut keeper = cluster.start_keeper("k1").await;
    cluster.make_master(&keeper, "d1").await;
    keeper.sql("create table t (n int); insert into t values (1)").await.unwrap();
    let parameters = cluster.converged(&keeper, "d1").await.pg_parameters;
    assert_eq!(parameters.get("log_statement").map(String::as_str), Some("all"));
    assert!(!parameters.contains_key("port"), "{parameters:?}");

    // PostgreSQL alone.
    let before = keeper.postmaster_pid().unwrap();
    let killed = Instant::now();
    signal(before, Signal::KILL);
    poll_until("a new postmaster", || keeper.postmaster_pid().filter(|pid| *pid != before));
    keeper.sql_until("insert into t values (2) returning n", &["2"]).await;
    let outage = killed.elapsed();
    assert!(outage < Duration::from_secs(10), "{outage:?}");

    // The keeper alone: PostgreSQL goes on, and is restarted by the next keeper once the sentinel has seen that.
    let before = keeper.postmaster_pid().unwrap();
    keeper.process.kill();
    keeper.sql("insert into t values (3)").await.unwrap();
    let mut keeper = cluster.start_keeper_on("k1", keeper.port).await;
    keeper.sql_until("select count(*) from t", &["3"]).await;
    assert_ne!(keeper.postmaster_pid(), Some(before));

    let log = keeper.process.log();
    assert!(!log.contains("su 'pw") && !log.contains("repl:pw"), "{log}");
    assert!(keeper.process.terminate().success());
    assert_eq!(keeper.postmaster_pid(), None);
    assert!(cluster.store.keeper_infos().await.unwrap().good.is_empty());
}

#[tokio::test]
async fn a_standby_is_copied_streams_and_is_promoted() {
    let cluster = TestCluster::new(SPEC).await;
    let first = cluster.start_keeper("k1").await;
    let second = cluster.start_keeper("k2").await;
    cluster.make_master(&first, "d1").await;
    first.sql("create table t (n int); insert into t values (1)").await.unwrap();
    cluster.make_standby(&second, "d2", "d1").await;
    second.sql_until("select n from t", &["1"]).await;
    first
        .sql_until("select slot_name from pg_replication_slots where active", &["stolon_d2"])
        .await;
    first.sql_until("select application_name from pg_stat_replication", &["stolon_d2"]).await;

    // The old master loses its db, as after a failover: it stops, and its data stay.
    cluster
        .change(|data| {
            data.dbs.remove(&DbUid::new("d1"));
            data.cluster.as_mut().unwrap().status.master = DbUid::new("d2");
        })
        .await;
    poll_until("the old master to stop", || first.postmaster_pid().is_none().then_some(()));
    cluster
        .change_db("d2", |spec| {
            spec.role = Some(Role::Master);
            spec.follow_config = None;
        })
        .await;
    let state = cluster.converged(&second, "d2").await;
    assert_eq!(state.timeline_id, TimelineId(2));
    assert_eq!(state.timelines_history.len(), 1);
    second.sql("insert into t values (2)").await.unwrap();

    // And comes back as a standby of the new one.
    cluster.make_standby(&first, "d3", "d2").await;
    first.sql_until("select count(*) from t", &["2"]).await;
    assert_eq!(cluster.converged(&first, "d3").await.timeline_id, TimelineId(2));

    // Another followed db is followed without a copy.
    let third = cluster.start_keeper("k3").await;
    cluster.make_standby(&third, "d4", "d3").await;
    cluster.change_db("d2", |spec| spec.followers.as_mut().unwrap().push(DbUid::new("d4"))).await;
    cluster.change_db("d4", |spec| spec.follow_config = Some(follow("d2"))).await;
    cluster.converged(&third, "d4").await;
    second
        .sql_until(
            "select application_name from pg_stat_replication order by 1",
            &["stolon_d3", "stolon_d4"],
        )
        .await;
}

#[tokio::test]
async fn nothing_runs_before_the_sentinel_has_seen_this_process() {
    let cluster = TestCluster::new(SPEC).await;
    let keeper = cluster.start_keeper("k1").await;
    cluster
        .change(|data| {
            let keeper = data.keepers.get_mut(&keeper.uid).unwrap();
            keeper.status.boot_uuid = BootUuid::new("another");
        })
        .await;
    cluster
        .assign("d1", &keeper, |spec| {
            spec.init_mode = Some(stolon_model::cluster::DbInitMode::New);
            spec.role = Some(Role::Master);
        })
        .await;
    poll_until("the gate", || {
        keeper.process.log().contains("our db boot UID is different").then_some(())
    });
    assert!(!cluster.home.data("k1").join("postgres").exists());
    cluster.admit(&keeper).await;
    cluster.converged(&keeper, "d1").await;
}
