//! A disk is full. PostgreSQL answers, and fails what writes; the keeper finds out by writing itself.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use stolon_tests::cluster::{FAST, fast_with};
use stolon_tests::{Client, Load, eventually, scenario, soon};

/// Long enough for a failover in a fast cluster.
const RECOVERY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_whose_disk_is_full_is_replaced_and_comes_back() -> Result<()> {
    scenario("full_master", async |cluster| {
        cluster.start(&fast_with(r#""synchronousReplication": true"#), 0).await?;
        cluster.add_small_keeper("small")?;
        cluster.healthy(1, Duration::from_secs(60)).await?;
        for uid in ["keeper1", "keeper2"] {
            cluster.add_keeper(uid)?;
        }
        cluster.healthy(3, Duration::from_secs(60)).await?;
        cluster.synchronous().await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        load.progress(50, RECOVERY).await?;

        cluster.keeper("small")?.disk()?.fill()?;
        cluster.new_master("small", RECOVERY).await?;
        // It cannot note down what it is to be, and is no master any more for all that.
        eventually("the old master is stopped", RECOVERY, async || {
            ensure!(cluster.keeper("small")?.postmaster().is_none(), "it runs");
            Ok(())
        })
        .await?;
        load.progress(50, RECOVERY).await?;

        cluster.keeper("small")?.disk()?.free()?;
        cluster.healthy(3, Duration::from_secs(60)).await?;
        load.progress(50, RECOVERY).await?;
        load.stop().await.check(cluster.proxy()?.port()).await?;
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_whose_disk_is_full_disturbs_nobody_and_comes_back() -> Result<()> {
    scenario("full_standby", async |cluster| {
        cluster.serve(FAST, 1).await?;
        cluster.add_small_keeper("small")?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        load.progress(50, RECOVERY).await?;

        cluster.keeper("small")?.disk()?.fill()?;
        eventually("its db is reported as unhealthy", RECOVERY, async || {
            let status = cluster.status()?;
            let keepers = status.get("keepers").and_then(|list| list.as_array());
            let small = keepers
                .into_iter()
                .flatten()
                .find(|keeper| keeper.get("uid") == Some(&"small".into()));
            let is_healthy = small.context("it is not listed")?.get("pg_healthy");
            ensure!(is_healthy == Some(&false.into()), "{is_healthy:?}");
            Ok(())
        })
        .await?;
        load.progress(200, RECOVERY).await?;

        cluster.keeper("small")?.disk()?.free()?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        let report = load.stop().await;
        ensure!(report.errors == 0, "{} errors", report.errors);
        report.check(cluster.proxy()?.port()).await?;
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_only_master_whose_disk_is_full_is_read_on_and_written_again_after_it() -> Result<()> {
    scenario("full_alone", async |cluster| {
        cluster.start(FAST, 0).await?;
        cluster.add_small_keeper("small")?;
        cluster.healthy(1, Duration::from_secs(60)).await?;
        soon("the proxy serves", async || {
            cluster.client().await?.run("CREATE TABLE kept AS SELECT 1 AS id").await
        })
        .await?;
        let session = cluster.client().await?;
        cluster.keeper("small")?.disk()?.fill()?;
        soon("its keeper reports that", async || {
            let data = cluster.cluster_data()?;
            let dbs = data.get("dbs").and_then(|dbs| dbs.as_object()).context("no dbs")?;
            let is_healthy = dbs.values().next().context("no db")?.pointer("/status/healthy");
            ensure!(is_healthy != Some(&true.into()), "it is healthy");
            Ok(())
        })
        .await?;
        for reader in [session, Client::connect(cluster.proxy()?.port()).await?] {
            ensure!(reader.value("SELECT count(*) FROM kept").await? == "1", "the row is gone");
        }
        cluster.keeper("small")?.disk()?.free()?;
        cluster.healthy(1, Duration::from_secs(60)).await?;
        cluster.client().await?.run("INSERT INTO kept SELECT generate_series(2, 1000)").await
    })
    .await
}
