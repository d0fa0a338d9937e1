//! How many standbys there are, and how far behind one may be to be elected.

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, db_of, fast_with, text};
use stolon_tests::{scenario, soon};

const SOON: Duration = Duration::from_secs(90);

/// Waits until there are `count` standbys with a slot each, and every other keeper runs nothing. Names the standbys' keepers.
async fn has_standbys(cluster: &Cluster, count: usize) -> Result<BTreeSet<String>> {
    cluster.healthy(count + 1, SOON).await?;
    let data = cluster.cluster_data()?;
    let master = cluster.master()?;
    let dbs = data.get("dbs").and_then(Value::as_object).context("no dbs")?;
    let is_standby = |db: &&Value| text(db, "/spec/keeperUID") != master.uid;
    let keepers: BTreeSet<_> =
        dbs.values().filter(is_standby).map(|db| text(db, "/spec/keeperUID").to_owned()).collect();
    let wanted: BTreeSet<_> = keepers
        .iter()
        .map(|keeper| Ok(format!("stolon_{}", db_of(&data, keeper)?)))
        .collect::<Result<_>>()?;
    soon(&format!("the master has the slots {wanted:?}"), async || {
        let slots = master.slots().await?;
        ensure!(slots == wanted, "it has {slots:?}");
        Ok(())
    })
    .await?;
    for keeper in cluster.standbys()?.iter().filter(|keeper| !keepers.contains(&keeper.uid)) {
        soon(&format!("{} runs nothing", keeper.uid), async || {
            ensure!(keeper.postmaster().is_none(), "PostgreSQL runs");
            Ok(())
        })
        .await?;
    }
    Ok(keepers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standbys_and_slots_follow_the_number_wanted_and_the_synchronous_one_stays() -> Result<()> {
    scenario("standbys_per_sender", async |cluster| {
        cluster.serve(&fast_with(r#""synchronousReplication": true"#), 3).await?;
        cluster.client().await?.run("CREATE TABLE kept (id int)").await?;
        let (master, all) = (cluster.master_uid()?, has_standbys(cluster, 2).await?);
        let sync = soon("a synchronous standby is confirmed", async || {
            let data = cluster.cluster_data()?;
            let db = text(&data, "/cluster/status/master").to_owned();
            let db = text(&data, &format!("/dbs/{db}/status/synchronousStandbys/0")).to_owned();
            ensure!(!db.is_empty(), "none is");
            Ok(text(&data, &format!("/dbs/{db}/spec/keeperUID")).to_owned())
        })
        .await?;
        let before = db_of(&cluster.cluster_data()?, &sync)?;

        cluster.patch(r#"{"maxStandbysPerSender": 1}"#)?;
        let left = has_standbys(cluster, 1).await?;
        ensure!(left == BTreeSet::from([sync.clone()]), "{left:?} are left, {sync} is synchronous");
        cluster.client().await?.run("INSERT INTO kept VALUES (1)").await?;

        // One that was let go begins anew.
        cluster.patch(r#"{"maxStandbysPerSender": 2}"#)?;
        ensure!(has_standbys(cluster, 2).await? == all, "others are standbys now");
        ensure!(db_of(&cluster.cluster_data()?, &sync)? == before, "{sync} was copied anew");
        ensure!(cluster.master_uid()? == master, "the master changed");
        cluster.replicated("SELECT id FROM kept").await
    })
    .await
}

/// Bytes.
const MAX_LAG: u64 = 1_000_000;

/// The position of a db in bytes, as the sentinel knows.
fn position(data: &Value, db: &str) -> Result<u64> {
    let position = data.pointer(&format!("/dbs/{db}/status/xLogPos")).and_then(Value::as_u64);
    position.with_context(|| format!("no position of {db}"))
}

/// How far the keeper's db is behind the master, as the sentinel knows.
fn lag(data: &Value, keeper: &str) -> Result<u64> {
    let master = position(data, text(data, "/cluster/status/master"))?;
    Ok(master.saturating_sub(position(data, &db_of(data, keeper)?)?))
}

/// Writes more than the lag allowed. The position after it.
async fn write_much(cluster: &Cluster) -> Result<u64> {
    let client = cluster.master()?.client().await?;
    client.run("INSERT INTO kept SELECT generate_series(1, 50000)").await?;
    Ok(client.value("SELECT pg_current_wal_lsn() - '0/0'").await?.parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_lags_too_much_is_not_elected() -> Result<()> {
    scenario("standby_lag", async |cluster| {
        cluster.serve(&fast_with(&format!(r#""maxStandbyLag": {MAX_LAG}"#)), 3).await?;
        cluster.client().await?.run("CREATE TABLE kept (id int)").await?;
        let (master, standbys) = (cluster.master_uid()?, cluster.standbys()?);
        let (late, other) = (standbys[0].uid.clone(), standbys[1].uid.clone());

        // It answers and is healthy, but what the master sends stays in the network.
        let receiver = cluster.keeper(&late)?.wal_receiver().await?;
        kill_process(receiver, Signal::STOP)?;
        cluster.keeper_mut(&other)?.kill_node()?;
        let written = write_much(cluster).await?;
        soon(&format!("the sentinel knows of the writing, and {late} lags"), async || {
            let data = cluster.cluster_data()?;
            let known = position(&data, text(&data, "/cluster/status/master"))?;
            ensure!(known >= written, "{known} of {written}");
            let lag = lag(&data, &late)?;
            ensure!(lag > MAX_LAG, "by {lag} bytes");
            Ok(())
        })
        .await?;

        // It is the only one that lives.
        cluster.keeper_mut(&master)?.kill_node()?;
        cluster.sentinel_logs("no eligible masters", SOON).await?;
        cluster
            .sentinel_logs("ignoring keeper since its behind that maximum xlog position", SOON)
            .await?;
        ensure!(cluster.master_uid()? == master, "{} was elected", cluster.master_uid()?);
        ensure!(cluster.keeper(&late)?.postmaster().is_some(), "{late} does not run");

        // Of two the other one is elected.
        cluster.restart_keeper(&master)?;
        cluster.restart_keeper(&other)?;
        soon(&format!("{other} has caught up and {late} has not"), async || {
            let data = cluster.cluster_data()?;
            for keeper in [&master, &late, &other] {
                let db = db_of(&data, keeper)?;
                let is_healthy = data.pointer(&format!("/dbs/{db}/status/healthy"));
                ensure!(is_healthy == Some(&true.into()), "{keeper} is not healthy");
            }
            let lags = (lag(&data, &other)?, lag(&data, &late)?);
            ensure!(lags.0 == 0 && lags.1 > MAX_LAG, "they lag by {lags:?}");
            Ok(())
        })
        .await?;
        cluster.keeper_mut(&master)?.kill_node()?;
        let elected = cluster.new_master(&master, SOON).await?;
        ensure!(elected == other, "{elected} was elected");

        kill_process(receiver, Signal::CONT)?;
        cluster.restart_keeper(&master)?;
        cluster.healthy(3, SOON).await?;
        cluster.replicated("SELECT count(*) FROM kept").await?;
        let count = cluster.master()?.client().await?.value("SELECT count(*) FROM kept").await?;
        ensure!(count == "50000", "{count} rows");
        Ok(())
    })
    .await
}
