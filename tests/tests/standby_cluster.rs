//! A cluster that follows a primary outside of it, and then becomes independent.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST, db_of};
use stolon_tests::server::Server;
use stolon_tests::{eventually, scenario};

const SOON: Duration = Duration::from_secs(90);

/// Waits until `keeper` has as many rows as were written.
async fn has_rows(cluster: &Cluster, keeper: &str, count: usize) -> Result<()> {
    let keeper = cluster.keeper(keeper)?;
    eventually(&format!("{} has {count} rows", keeper.uid), SOON, async || {
        let now = keeper.client().await?.value("SELECT count(*) FROM kept").await?;
        ensure!(now == count.to_string(), "it has {now}");
        Ok(())
    })
    .await
}

/// Waits until somebody streams from the origin by the slot.
async fn streams(origin: &Server) -> Result<()> {
    eventually("the cluster streams from the origin", SOON, async || {
        let active = "SELECT active FROM pg_replication_slots WHERE slot_name = 'downstream'";
        let active = origin.client().await?.value(active).await?;
        ensure!(active == "t", "the slot is not in use");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_cluster_follows_by_archive_then_by_streaming_fails_over_and_is_promoted()
-> Result<()> {
    scenario("standby_cluster", async |cluster| {
        let archive = cluster.directory("archive")?;
        let backup = cluster.directory("backup")?;
        let mut origin = cluster.outsider(cluster.directory("origin")?).await?;
        origin.configure(&format!("archive_mode = on\narchive_command = 'cp %p {}/%f'", archive.display()))?;
        origin.stop("fast")?;
        origin.start(&cluster.scratch)?;
        let source = origin.client().await?;
        source.run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await?;
        source.run("SELECT pg_create_physical_replication_slot('downstream')").await?;
        origin.backup(&backup, &["-X", "fetch"])?;

        // By the archive alone; the second keeper cascades from the first.
        let fetch = json!({"restoreCommand": format!("cp {}/%f %p", archive.display())});
        let mut spec: Value = serde_json::from_str(FAST)?;
        spec["initMode"] = "pitr".into();
        spec["role"] = "standby".into();
        spec["pitrConfig"] = json!({"dataRestoreCommand": format!("cp -a {}/. %d", backup.display())});
        spec["standbyConfig"] = json!({"archiveRecoverySettings": fetch});
        cluster.start(&spec.to_string(), 2).await?;
        cluster.healthy(2, SOON).await?;
        source.run("INSERT INTO kept VALUES (2)").await?;
        source.run("SELECT pg_switch_wal()").await?;
        let first = cluster.master_uid()?;
        let second = cluster.standbys()?.first().context("no standby")?.uid.clone();
        has_rows(cluster, &first, 2).await?;
        has_rows(cluster, &second, 2).await?;
        let below = cluster.master()?.client().await?;
        let below = below.value("SELECT application_name FROM pg_stat_replication").await?;
        ensure!(below == format!("stolon_{}", db_of(&cluster.cluster_data()?, &second)?), "{below} streams");

        // By streaming from a slot, with a delay. The documentation's spelling of the option is another than the stored one.
        let settings = json!({
            "primaryConnInfo": origin.conninfo(), "primarySlotName": "downstream", "recoveryMinApplyDelay": "10ms",
        });
        let patch = json!({"standbyConfig": {"standbySettings": settings}});
        cluster.ctl(&["update", "--patch", &patch.to_string()])?.success()?;
        streams(&origin).await?;
        source.run("INSERT INTO kept VALUES (3)").await?;
        has_rows(cluster, &first, 3).await?;
        has_rows(cluster, &second, 3).await?;
        cluster.healthy(2, SOON).await?;
        let client = cluster.master()?.client().await?;
        ensure!(client.value("SHOW recovery_min_apply_delay").await? == "10ms", "no delay");
        ensure!(client.value("SHOW restore_command").await? == fetch["restoreCommand"], "no archive");
        ensure!(client.value("SHOW primary_slot_name").await? == "downstream", "no slot");
        let refused = client.run("INSERT INTO kept VALUES (0)").await.unwrap_err();
        ensure!(format!("{refused:#}").contains("SQLSTATE 25006"), "a standby took a write: {refused:#}");
        drop(client);

        // The one below takes over its place, and is still a standby of the origin.
        cluster.keeper_mut(&first)?.kill_node()?;
        ensure!(cluster.new_master(&first, SOON).await? == second, "another was elected");
        streams(&origin).await?;
        source.run("INSERT INTO kept VALUES (4)").await?;
        has_rows(cluster, &second, 4).await?;
        cluster.restart_keeper(&first)?;
        cluster.healthy(2, SOON).await?;
        has_rows(cluster, &first, 4).await?;

        // Promoted it takes writes on a timeline of its own, and what the origin writes is no longer its business.
        cluster.ctl_insist(&["promote", "--yes"]).await?;
        eventually("the proxy leads to a master that takes writes", SOON, async || {
            cluster.client().await?.run("INSERT INTO kept VALUES (5)").await
        })
        .await?;
        source.run("INSERT INTO kept VALUES (100)").await?;
        cluster.healthy(2, SOON).await?;
        ensure!(cluster.master_uid()? == second, "the master changed");
        let timeline = "SELECT timeline_id > 1 FROM pg_control_checkpoint()";
        cluster.client().await?.run("CHECKPOINT").await?;
        ensure!(cluster.client().await?.value(timeline).await? == "t", "the timeline is still the origin's");
        cluster.replicated("SELECT id FROM kept ORDER BY id").await?;
        let rows = cluster.client().await?.value("SELECT max(id) FROM kept").await?;
        ensure!(rows == "5", "a row of the origin arrived: {rows}");
        let back = cluster.ctl(&["update", "--patch", r#"{"role": "standby"}"#])?;
        ensure!(
            back.code == Some(1) && back.err.contains("cannot update a cluster from master role to standby role"),
            "{back:?}"
        );
        Ok(())
    })
    .await
}
