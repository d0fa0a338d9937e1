//! Data that do not fit any more, and work that is no longer wanted.

use crate::cluster::TestCluster;
use crate::harness::{free_port, poll_until};
use stolon_model::cluster::{DbInitMode, Role};
use stolon_model::uid::{ClusterUid, DbUid};

#[tokio::test]
async fn a_forked_master_is_rewound() {
    let spec = r#"{"initMode":"new","sleepInterval":"1s","usePgrewind":true}"#;
    let cluster = TestCluster::new(spec).await;
    let mut first = cluster.start_keeper("k1").await;
    let second = cluster.start_keeper("k2").await;
    cluster.make_master(&first, "d1").await;
    first.sql("create table t (n int)").await.unwrap();
    cluster.make_standby(&second, "d2", "d1").await;
    // The old master goes on for a while alone: the promoted standby never sees these rows.
    first.process.kill();
    cluster.change(|data| data.cluster.as_mut().unwrap().status.master = DbUid::new("d2")).await;
    cluster
        .change_db("d2", |spec| {
            spec.role = Some(Role::Master);
            spec.follow_config = None;
        })
        .await;
    cluster.converged(&second, "d2").await;
    first.sql("insert into t values (1)").await.unwrap();
    second.sql("insert into t values (2)").await.unwrap();
    cluster.change(|data| drop(data.dbs.remove(&DbUid::new("d1")))).await;
    let first = cluster.start_keeper_on("k1", first.port).await;
    cluster.make_standby(&first, "d3", "d2").await;
    first.sql_until("select n from t", &["2"]).await;
    let log = first.process.log();
    assert!(log.contains("running pg_rewind") && log.contains("sync succeeded"), "{log}");
    assert!(!log.contains("running pg_basebackup"), "{log}");
    assert!(!log.contains("repl:pw") && !log.contains("su 'pw"), "{log}");
}

#[tokio::test]
async fn work_that_is_no_longer_wanted_ends_and_so_does_that_of_a_killed_keeper() {
    let spec = r#"{"initMode":"new","sleepInterval":"1s"}"#;
    let cluster = TestCluster::new(spec).await;
    let mut keeper = cluster.start_keeper("k1").await;
    let restore = |data_dir: &std::path::Path| {
        format!("echo $$ > {}/restore.pid; sleep 1000", data_dir.display())
    };
    let place = cluster.home.data("k1");
    let pid_file = place.join("restore.pid");
    let running = || {
        let pid: u32 = std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok()?;
        std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|_| pid)
    };
    cluster
        .assign("d1", &keeper, |spec| {
            spec.init_mode = Some(DbInitMode::Pitr);
            spec.role = Some(Role::Master);
            spec.pitr_config = Some(stolon_model::spec::PitrConfig {
                data_restore_command: restore(&place),
                ..Default::default()
            });
        })
        .await;
    poll_until("the restore command", running);
    // The keeper is seen all the while, although a command runs.
    let info = cluster.info(&keeper, "an info", |_| true).await;
    cluster.info(&keeper, "another info", |next| next.info_uid != info.info_uid).await;
    cluster.change(|data| data.dbs.clear()).await;
    poll_until("the end of the restore command", || running().is_none().then_some(()));
    let pgdata = place.join("postgres");
    poll_until("PGDATA to be removed", || (!pgdata.exists()).then_some(()));
    poll_until("a word about it", || {
        keeper.process.log().contains("ending what newer cluster data no longer want").then_some(())
    });
    assert!(!keeper.process.log().contains("\tERROR\t"), "{}", keeper.process.log());

    std::fs::remove_file(&pid_file).unwrap();
    cluster
        .assign("d2", &keeper, |spec| {
            spec.init_mode = Some(DbInitMode::Pitr);
            spec.role = Some(Role::Master);
            spec.pitr_config = Some(stolon_model::spec::PitrConfig {
                data_restore_command: restore(&place),
                ..Default::default()
            });
        })
        .await;
    let orphan = poll_until("the restore command", running);
    keeper.process.kill();
    assert_eq!(running(), Some(orphan));
    cluster.change(|data| data.dbs.clear()).await;
    let _keeper = cluster.start_keeper_on("k1", keeper.port).await;
    poll_until("the end of the orphan", || running().is_none().then_some(()));
}

#[tokio::test]
async fn data_of_another_cluster_are_refused_and_stay() {
    let cluster = TestCluster::new(r#"{"initMode":"new","sleepInterval":"1s"}"#).await;
    let mut keeper = cluster.start_keeper("k1").await;
    cluster.make_master(&keeper, "d1").await;
    assert!(keeper.process.terminate().success());
    cluster
        .change(|data| {
            data.cluster.as_mut().unwrap().uid = ClusterUid::new("feedbeef");
            data.keepers.clear();
            data.dbs.clear();
        })
        .await;
    let command = cluster.home.command("k1", free_port(), &cluster.etcd.endpoint);
    let output = cluster.home.output(command);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("belongs to cluster c0ffee00, but the cluster in the store is feedbeef"),
        "{text}"
    );
    let state = std::fs::read_to_string(cluster.home.data("k1").join("keeperstate")).unwrap();
    assert_eq!(state, r#"{"UID":"k1","ClusterUID":"c0ffee00"}"#);
    assert!(cluster.home.data("k1").join("postgres/PG_VERSION").exists());
}
