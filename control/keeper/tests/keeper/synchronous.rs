//! Synchronous replication: reported soon, and nobody gets in to a restarted master before its standbys are in sync.

use crate::cluster::TestCluster;
use crate::harness::{signal, until};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use stolon_model::uid::DbUid;

#[tokio::test]
async fn standbys_in_sync_are_reported_soon_and_awaited_after_the_masters_death() {
    // The default interval of 5 s, so that only promptness makes it in time.
    let cluster = TestCluster::new(
        r#"{"initMode":"new","pgParameters":{"fsync":"off"},"pgHBA":["host all bob 127.0.0.1/32 trust"]}"#,
    )
    .await;
    let first = cluster.start_keeper("k1").await;
    let second = cluster.start_keeper("k2").await;
    cluster.make_master(&first, "d1").await;
    cluster.make_standby(&second, "d2", "d1").await;
    first.sql("create role bob login").await.unwrap();
    let asked = Instant::now();
    cluster
        .change_db("d1", |spec| {
            spec.synchronous_replication = true;
            spec.synchronous_standbys = Some(vec![DbUid::new("d2")]);
        })
        .await;
    let is_reported = |state: &stolon_model::info::PostgresState| {
        state.synchronous_standbys == Some(vec![DbUid::new("d2")]) && state.generation.0 == 3
    };
    cluster.state(&first, "a synchronous standby", is_reported).await;
    let took = asked.elapsed();
    assert!(took < Duration::from_millis(4500), "{took:?}");
    first.sql_as("bob", "select 1").await.unwrap();

    // The standby hangs, the master dies: it comes back, but for its users only with the standby.
    let standby = second.postmaster_pid().unwrap();
    let senders = first.sql("select pid from pg_stat_replication").await.unwrap();
    let receiver = second.sql("select pid from pg_stat_wal_receiver").await.unwrap();
    assert_eq!((senders.len(), receiver.len()), (1, 1));
    let receiver = receiver[0].parse().unwrap();
    for pid in [standby, receiver] {
        signal(pid, Signal::STOP);
    }
    let before = first.postmaster_pid().unwrap();
    signal(before, Signal::KILL);
    first.sql_until("select 'up'", &["up"]).await;
    assert_ne!(first.postmaster_pid(), Some(before));
    let refused = first.sql_as("bob", "select 1").await.unwrap_err().to_string();
    for pid in [standby, receiver] {
        signal(pid, Signal::CONT);
    }
    assert_eq!(refused, "db error", "{refused}");
    let let_in = until(async || first.sql_as("bob", "select 1").await).await;
    let log = first.process.log();
    assert!(let_in.is_ok(), "{let_in:?}\n{log}");
    assert!(log.contains(
        "not allowing connection as normal users since synchronous replication is enabled"
    ));
}
