//! A former master that went on alone is rewound to its successor, or copied from it where that cannot be done.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, db_of, fast_with};
use stolon_tests::keeper::Keeper;
use stolon_tests::{scenario, soon};

const SOON: Duration = Duration::from_secs(90);

/// Lets the standby become master while the old master, whose keeper is dead, takes a row of its own. Tells who they are.
async fn fork(cluster: &mut Cluster, round: u32) -> Result<(String, String)> {
    let old = cluster.master_uid()?;
    let client = cluster.master()?.client().await?;
    client.run(&format!("INSERT INTO kept VALUES ({round})")).await?;
    cluster.replicated("SELECT id FROM kept ORDER BY id").await?;
    cluster.keeper_mut(&old)?.kill_keeper()?;
    let new = cluster.new_master(&old, SOON).await?;
    soon("the new master takes writes", async || {
        let standby =
            cluster.keeper(&new)?.client().await?.value("SELECT pg_is_in_recovery()").await?;
        ensure!(standby == "f", "it is a standby");
        Ok(())
    })
    .await?;
    client.run("INSERT INTO kept VALUES (-1)").await?;
    Ok((old, new))
}

/// PostgreSQL of `keeper` goes on until it has no WAL of the time before the fork.
async fn recycle_wal(keeper: &Keeper) -> Result<()> {
    let client = keeper.client().await?;
    // Nobody follows it by these.
    client.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots").await?;
    let oldest = "SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'";
    let before = client.value("SELECT pg_walfile_name(pg_current_wal_lsn())").await?;
    soon("the WAL from before the fork is gone", async || {
        client.run("CREATE TABLE IF NOT EXISTS passing (id int)").await?;
        client.run("INSERT INTO passing VALUES (1)").await?;
        client.run("SELECT pg_switch_wal()").await?;
        client.run("CHECKPOINT").await?;
        let oldest = client.value(oldest).await?;
        // Segments are numbered alike on every timeline.
        ensure!(oldest.get(8..) > before.get(8..), "{oldest} is there, {before} must go");
        Ok(())
    })
    .await
}

/// The keeper returns as a standby with what the master has; nothing of the way there is left. Returns what it logged.
async fn returns(cluster: &mut Cluster, old: &str, round: u32) -> Result<String> {
    cluster.restart_keeper(old)?;
    cluster.healthy(2, SOON).await?;
    cluster.replicated("SELECT id FROM kept ORDER BY id").await?;
    let rows = cluster.master()?.client().await?.rows("SELECT id FROM kept ORDER BY id").await?;
    let wanted: Vec<_> = (1..=round).map(|id| vec![id.to_string()]).collect();
    ensure!(rows == wanted, "{rows:?}");

    let data = cluster.cluster_data()?;
    let db = db_of(&data, old)?;
    let keeper = cluster.keeper(old)?;
    let state = keeper.state("dbstate")?;
    ensure!(state["UID"] == db.as_str() && state["Initializing"] == false, "{state}");
    let generation = data.pointer(&format!("/dbs/{db}/generation")).context("no generation")?;
    ensure!(state["Generation"] == *generation, "{state} of generation {generation}");
    let mut files: Vec<String> = fs::read_dir(keeper.data_dir())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    files.sort();
    ensure!(files == ["dbstate", "keeperstate", "lock", "postgres"], "{files:?}");
    let pgdata = keeper.pgdata();
    ensure!(pgdata.join("standby.signal").exists(), "{old} has no standby.signal");
    ensure!(!pgdata.join("backup_label").exists(), "{old} has a backup_label");
    ensure!(
        fs::read_link(pgdata.join("postgresql.auto.conf"))? == Path::new("/dev/null"),
        "postgresql.auto.conf of {old} is no link to /dev/null"
    );
    cluster.keeper_mut(old)?.running()?.log_text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_is_rewound_and_where_wal_for_that_is_gone_copied() -> Result<()> {
    scenario("rewind", async |cluster| {
        let spec = r#""usePgrewind": true, "dbWaitReadyTimeout": "10s", "pgParameters": {"wal_keep_size": "0"}"#;
        cluster.serve(&fast_with(spec), 2).await?;
        cluster.client().await?.run("CREATE TABLE kept (id int)").await?;

        let (old, _) = fork(cluster, 1).await?;
        let log = returns(cluster, &old, 1).await?;
        ensure!(log.contains("sync succeeded") && !log.contains("running pg_basebackup"), "{log}");

        // pg_rewind reads what the fork has written since.
        let (old, _) = fork(cluster, 2).await?;
        recycle_wal(cluster.keeper(&old)?).await?;
        let log = returns(cluster, &old, 2).await?;
        ensure!(log.contains("running pg_rewind") && log.contains("running pg_basebackup"), "{log}");
        ensure!(log.contains("error syncing with pg_rewind"), "{log}");

        // It succeeds, and then what it made needs WAL that the new master no longer has.
        let (old, new) = fork(cluster, 3).await?;
        recycle_wal(cluster.keeper(&new)?).await?;
        let log = returns(cluster, &old, 3).await?;
        ensure!(log.contains("sync succeeded") && log.contains("running pg_basebackup"), "{log}");
        Ok(())
    })
    .await
}
