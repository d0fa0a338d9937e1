//! Keepers come, go and return.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST, fast_with, text};
use stolon_tests::{Load, eventually, scenario};

const SOON: Duration = Duration::from_secs(30);

/// One of the standbys' keepers.
fn standby(cluster: &Cluster) -> Result<String> {
    Ok(cluster.standbys()?.first().context("there is no standby")?.uid.clone())
}

/// Waits until the cluster data knows exactly `count` keepers.
async fn known_keepers(cluster: &Cluster, count: usize, within: Duration) -> Result<()> {
    eventually(&format!("the cluster has {count} keepers"), within, async || {
        let data = cluster.cluster_data()?;
        let keepers =
            data.get("keepers").and_then(|keepers| keepers.as_object()).context("no keepers")?;
        ensure!(keepers.len() == count, "it has {:?}", keepers.keys().collect::<Vec<_>>());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_standby_is_not_noticed_by_clients_and_returns() -> Result<()> {
    scenario("standby_killed", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let (master, standby) = (cluster.master_uid()?, standby(cluster)?);
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        cluster.keeper_mut(&standby)?.kill_node()?;
        eventually("the standby counts as failed", SOON, async || {
            let status = cluster.status()?;
            let keepers =
                status.get("keepers").and_then(|list| list.as_array()).context("no keepers")?;
            let keeper = keepers
                .iter()
                .find(|keeper| text(keeper, "/uid") == standby)
                .context("it is gone")?;
            ensure!(keeper.pointer("/healthy") == Some(&false.into()), "{keeper}");
            Ok(())
        })
        .await?;
        load.progress(50, SOON).await?;
        cluster.restart_keeper(&standby)?;
        cluster.healthy(2, SOON).await?;
        ensure!(cluster.master_uid()? == master, "the master changed");
        let report = load.stop().await;
        ensure!(report.errors == 0, "{} errors: clients noticed", report.errors);
        report.check(cluster.proxy()?.port()).await?;
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_added_keeper_becomes_a_standby() -> Result<()> {
    scenario("keeper_added", async |cluster| {
        cluster.serve(FAST, 1).await?;
        cluster
            .client()
            .await?
            .run("CREATE TABLE early (id int); INSERT INTO early VALUES (1)")
            .await?;
        cluster.add_keeper("late")?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        cluster.replicated("SELECT id FROM early").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_keeper_is_forgotten_with_its_slot() -> Result<()> {
    scenario("keeper_removed", async |cluster| {
        cluster.serve(FAST, 3).await?;
        let (master, gone) = (cluster.master_uid()?, standby(cluster)?);
        let refused = cluster.ctl(&["removekeeper", &master])?;
        ensure!(refused.code == Some(1), "the master's keeper was removed: {refused:?}");
        ensure!(
            refused.err.contains("keeper assigned db is the current cluster master db."),
            "{refused:?}"
        );
        let unknown = cluster.ctl(&["removekeeper", "nobody"])?;
        ensure!(
            unknown.code == Some(1) && unknown.err.contains("keeper doesn't exist"),
            "{unknown:?}"
        );

        cluster.keeper_mut(&gone)?.kill_node()?;
        // Its last info may still be taken for a new keeper's; the reference asks for patience here too.
        eventually("the killed keeper counts as failed", SOON, async || {
            let data = cluster.cluster_data()?;
            let keeper = data.pointer(&format!("/keepers/{gone}")).context("it is gone")?;
            // A field that is false is left out.
            ensure!(keeper.pointer("/status/healthy") != Some(&true.into()), "it is healthy");
            Ok(())
        })
        .await?;
        cluster.ctl_insist(&["removekeeper", &gone]).await?;
        known_keepers(cluster, 2, SOON).await?;
        cluster.keepers.retain(|keeper| keeper.uid != gone);
        cluster.healthy(2, SOON).await?;
        eventually("the removed keeper's slot is dropped", SOON, async || {
            let slots = cluster.master()?.slots().await?;
            ensure!(slots.len() == 1, "{slots:?}");
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_keeper_that_lives_returns_as_a_new_one() -> Result<()> {
    scenario("keeper_readded", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let removed = standby(cluster)?;
        let db = |cluster: &Cluster| -> Result<String> {
            let data = cluster.cluster_data()?;
            let dbs = data.get("dbs").and_then(|dbs| dbs.as_object()).context("no dbs")?;
            let db = dbs.iter().find(|(_, db)| text(db, "/spec/keeperUID") == removed);
            Ok(db.context("the keeper has no db")?.0.clone())
        };
        let before = db(cluster)?;
        cluster.ctl_insist(&["removekeeper", &removed]).await?;
        eventually("the keeper has a new db", Duration::from_secs(60), async || {
            let now = db(cluster)?;
            ensure!(now != before, "it is still {now}");
            Ok(())
        })
        .await?;
        cluster.healthy(2, Duration::from_secs(60)).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_keeper_is_replaced_and_removed_after_its_interval() -> Result<()> {
    scenario("keeper_dead", async |cluster| {
        let spec = fast_with(r#""deadKeeperRemovalInterval": "6s", "maxStandbysPerSender": 1"#);
        cluster.start(&spec, 3).await?;
        // The third keeper is a spare.
        known_keepers(cluster, 3, SOON).await?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        let (master, data) = (cluster.master_uid()?, cluster.cluster_data()?);
        let dbs = data.get("dbs").and_then(|dbs| dbs.as_object()).context("no dbs")?;
        let mut keepers = dbs.values().map(|db| text(db, "/spec/keeperUID").to_owned());
        let dead = keepers.find(|keeper| *keeper != master).context("no standby")?;
        cluster.keeper_mut(&dead)?.kill_node()?;
        known_keepers(cluster, 2, Duration::from_secs(60)).await?;
        let data = cluster.cluster_data()?;
        ensure!(data.pointer(&format!("/keepers/{dead}")).is_none(), "a living one was removed");
        cluster.healthy(2, Duration::from_secs(60)).await?;
        // It comes back with its old data and is the spare now.
        cluster.restart_keeper(&dead)?;
        known_keepers(cluster, 3, SOON).await?;
        ensure!(cluster.master_uid()? == master, "the master changed");
        cluster.healthy(2, SOON).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failkeeper_moves_the_master() -> Result<()> {
    scenario("failkeeper", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let old = cluster.master_uid()?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        load.progress(20, SOON).await?;
        cluster.ctl_insist(&["failkeeper", &old]).await?;
        cluster.new_master(&old, SOON).await?;
        load.progress(20, SOON).await?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        let report = load.stop().await;
        ensure!(report.stuck.is_empty(), "{:?}", report.stuck);
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}
