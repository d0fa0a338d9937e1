//! A keeper returns and finds that what it needs is gone: the master's WAL, or its own data directory.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST, db_of};
use stolon_tests::{scenario, soon};

const SOON: Duration = Duration::from_secs(90);

/// The keeper of the only standby.
fn standby(cluster: &Cluster) -> Result<String> {
    Ok(cluster.standbys()?.first().context("there is no standby")?.uid.clone())
}

async fn insert(cluster: &Cluster, id: u32) -> Result<()> {
    cluster.master()?.client().await?.run(&format!("INSERT INTO kept VALUES ({id})")).await
}

/// Waits until the master and its standby have rows 1 to `last`, and no others.
async fn has_rows(cluster: &Cluster, last: u32) -> Result<()> {
    let query = "SELECT id FROM kept ORDER BY id";
    cluster.replicated(query).await?;
    let rows = cluster.master()?.client().await?.rows(query).await?;
    let wanted: Vec<_> = (1..=last).map(|id| vec![id.to_string()]).collect();
    ensure!(rows == wanted, "{rows:?}");
    Ok(())
}

/// A master and a standby that have the first row: their keepers, and the master's db.
async fn two_with_a_row(cluster: &mut Cluster) -> Result<(String, String, String)> {
    cluster.serve(FAST, 2).await?;
    cluster.client().await?.run("CREATE TABLE kept (id int)").await?;
    insert(cluster, 1).await?;
    has_rows(cluster, 1).await?;
    let (master, standby) = (cluster.master_uid()?, standby(cluster)?);
    let old = db_of(&cluster.cluster_data()?, &master)?;
    Ok((master, standby, old))
}

/// Waits until the keeper has another db than `old`, and every db does its work.
async fn has_another_db(cluster: &Cluster, keeper: &str, old: &str) -> Result<()> {
    soon(&format!("{keeper} has another db than {old}"), async || {
        let db = db_of(&cluster.cluster_data()?, keeper)?;
        ensure!(db != old, "it has not");
        Ok(())
    })
    .await?;
    cluster.healthy(2, SOON).await
}

/// The master goes on until the WAL that the slot of `db` is for is gone.
async fn recycle_wal(cluster: &Cluster, db: &str) -> Result<()> {
    let client = cluster.master()?.client().await?;
    soon("the slot of the standby is lost", async || {
        client.run("CREATE TABLE IF NOT EXISTS passing (id int)").await?;
        client.run("INSERT INTO passing VALUES (1)").await?;
        client.run("SELECT pg_switch_wal()").await?;
        client.run("CHECKPOINT").await?;
        let query =
            format!("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'stolon_{db}'");
        let status = client.value(&query).await?;
        ensure!(status == "lost", "it is {status}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_whose_wal_is_gone_is_copied_anew() -> Result<()> {
    scenario("lost_wal", async |cluster| {
        // Ten times sleepInterval a standby must stand still before it counts as stuck.
        let spec = r#"{"initMode": "new", "sleepInterval": "500ms", "failInterval": "10s", "proxyCheckInterval": "1s",
            "proxyTimeout": "3s", "usePgrewind": true,
            "pgParameters": {"max_slot_wal_keep_size": "16MB", "wal_keep_size": "0"}}"#;
        cluster.serve(spec, 2).await?;
        cluster.client().await?.run("CREATE TABLE kept (id int)").await?;
        let (master, standby) = (cluster.master_uid()?, standby(cluster)?);
        // pg_rewind has nothing to do on an instance that only lags, and leaves it as stuck as it was.
        for (round, patch, is_rewound) in [(1, r#"{"usePgrewind": true}"#, true), (2, r#"{"usePgrewind": false}"#, false)] {
            cluster.patch(patch)?;
            insert(cluster, 3 * round - 2).await?;
            cluster.healthy(2, SOON).await?;
            let old = db_of(&cluster.cluster_data()?, &standby)?;
            cluster.keeper_mut(&standby)?.stop().await?;
            insert(cluster, 3 * round - 1).await?;
            recycle_wal(cluster, &old).await?;
            cluster.restart_keeper(&standby)?;
            has_another_db(cluster, &standby, &old).await?;
            cluster
                .sentinel_logs("removing db that won't be able to sync due to missing wals on current master", SOON)
                .await?;
            insert(cluster, 3 * round).await?;
            has_rows(cluster, 3 * round).await?;
            ensure!(cluster.master_uid()? == master, "the master changed");
            let log = cluster.keeper_mut(&standby)?.running()?.log_text()?;
            ensure!(log.contains("running pg_rewind") == is_rewound, "round {round}: {log}");
            ensure!(log.contains("running pg_basebackup"), "round {round}: {log}");
            soon("the master has the slot of the new db alone", async || {
                let slots = cluster.master()?.slots().await?;
                let wanted = format!("stolon_{}", db_of(&cluster.cluster_data()?, &standby)?);
                ensure!(slots.iter().eq([&wanted]), "it has {slots:?} instead of {wanted}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
    .await
}

/// What a keeper says whose data are another db's, or nobody's.
const COMPLAINT: &str = "different local dbUID but init mode is none, this shouldn't happen.";

/// The keeper complains and makes nothing.
async fn makes_nothing(cluster: &Cluster, keeper: &str) -> Result<()> {
    let keeper = cluster.keeper(keeper)?;
    keeper.process.as_ref().context("it does not run")?.logged(COMPLAINT, SOON).await?;
    ensure!(!keeper.pgdata().exists(), "{} made data", keeper.uid);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_lost_its_directory_waits_until_it_is_removed() -> Result<()> {
    scenario("standby_lost_data", async |cluster| {
        cluster.serve(FAST, 2).await?;
        cluster.client().await?.run("CREATE TABLE kept (id int)").await?;
        insert(cluster, 1).await?;
        let (master, standby) = (cluster.master_uid()?, standby(cluster)?);
        let old = db_of(&cluster.cluster_data()?, &standby)?;
        let keeper = cluster.keeper_mut(&standby)?;
        keeper.stop().await?;
        keeper.lose_data()?;
        cluster.restart_keeper(&standby)?;
        makes_nothing(cluster, &standby).await?;
        soon("the db without data counts as failed", async || {
            let data = cluster.cluster_data()?;
            let db = data.pointer(&format!("/dbs/{old}")).context("the db is gone")?;
            // A field that is false is left out.
            ensure!(db.pointer("/status/healthy") != Some(&true.into()), "it is healthy");
            Ok(())
        })
        .await?;
        makes_nothing(cluster, &standby).await?;
        insert(cluster, 2).await?;

        // Whether the data may come back is for people to know. When they say no, the keeper begins anew.
        cluster.ctl_insist(&["removekeeper", &standby]).await?;
        has_another_db(cluster, &standby, &old).await?;
        has_rows(cluster, 2).await?;
        ensure!(cluster.master_uid()? == master, "the master changed");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_lost_its_directory_is_replaced_and_never_made_anew() -> Result<()> {
    scenario("master_lost_data", async |cluster| {
        let (master, standby, old) = two_with_a_row(cluster).await?;
        cluster.keeper_mut(&standby)?.kill_node()?;
        let keeper = cluster.keeper_mut(&master)?;
        keeper.stop().await?;
        keeper.lose_data()?;
        cluster.restart_keeper(&master)?;

        // An empty master in the place of the full one would be the end of what the standby has.
        cluster.sentinel_logs("no eligible masters", SOON).await?;
        makes_nothing(cluster, &master).await?;
        ensure!(cluster.master_uid()? == master, "{} was elected", cluster.master_uid()?);

        cluster.restart_keeper(&standby)?;
        let elected = cluster.new_master(&master, SOON).await?;
        ensure!(elected == standby, "{elected} was elected");
        has_another_db(cluster, &master, &old).await?;
        soon("the proxy serves", async || {
            cluster.client().await?.run("INSERT INTO kept VALUES (2)").await
        })
        .await?;
        has_rows(cluster, 2).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_lost_pgdata_alone_is_replaced_too() -> Result<()> {
    scenario("master_lost_pgdata", async |cluster| {
        let (master, standby, old) = two_with_a_row(cluster).await?;
        let keeper = cluster.keeper_mut(&master)?;
        keeper.stop().await?;
        fs::remove_dir_all(keeper.pgdata())?;
        // What the keeper remembers still fits the cluster data.
        ensure!(keeper.state("dbstate")?["UID"] == old, "{}", keeper.state("dbstate")?);
        cluster.restart_keeper(&master)?;
        let elected = cluster.new_master(&master, SOON).await?;
        ensure!(elected == standby, "{elected} was elected");
        has_another_db(cluster, &master, &old).await?;
        has_rows(cluster, 1).await?;
        let log = cluster.keeper_mut(&master)?.running()?.log_text()?;
        ensure!(log.contains("running pg_basebackup"), "{log}");
        ensure!(!log.contains("initializing the database cluster"), "{log}");
        Ok(())
    })
    .await
}
