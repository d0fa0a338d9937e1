//! A cluster is made from a backup and an archive of WAL, up to the point that its spec names.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST, text};
use stolon_tests::server::Server;
use stolon_tests::{scenario, soon};

const SOON: Duration = Duration::from_secs(90);

/// A point in the origin's history: after the row of this number, and before the next.
struct Points {
    lsn: String,
    time: String,
    xid: String,
}

/// Writes rows 1 to 5; between them lie a named restore point, a position, a time and a transaction.
async fn write_history(origin: &Server) -> Result<Points> {
    let client = origin.client().await?;
    let insert = async |id: u8| client.run(&format!("INSERT INTO kept VALUES ({id})")).await;
    insert(1).await?;
    client.run("SELECT pg_create_restore_point('one')").await?;
    insert(2).await?;
    let lsn = client.value("SELECT pg_current_wal_insert_lsn()").await?;
    insert(3).await?;
    let time = client.value("SELECT clock_timestamp()").await?;
    let xid = client.value("INSERT INTO kept VALUES (4) RETURNING xmin").await?;
    insert(5).await?;
    Ok(Points { lsn, time, xid })
}

/// Everything written so far is in the archive.
async fn archived(origin: &Server, archive: &Path) -> Result<()> {
    let segment = origin.client().await?.value("SELECT pg_walfile_name(pg_switch_wal())").await?;
    soon(&format!("{segment} is archived"), async || {
        ensure!(archive.join(&segment).exists(), "it is not");
        Ok(())
    })
    .await
}

/// Makes the cluster anew from the backup, and waits until its master is there.
async fn recover(cluster: &Cluster, pitr: &Value) -> Result<()> {
    let mut spec: Value = serde_json::from_str(FAST)?;
    spec["initMode"] = "pitr".into();
    spec["pitrConfig"] = pitr.clone();
    // Otherwise it would go on writing into the archive of its origin, and the next recovery would follow its timeline.
    spec["pgParameters"] = json!({"archive_mode": "off"});
    cluster.ctl(&["init", "--yes", &spec.to_string()])?.success()?;
    cluster.healthy(1, SOON).await
}

async fn rows(cluster: &Cluster) -> Result<Vec<String>> {
    let rows = cluster.master()?.client().await?.rows("SELECT id FROM kept ORDER BY id").await?;
    Ok(rows.into_iter().flatten().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_recovered_up_to_each_kind_of_target() -> Result<()> {
    scenario("recovery_targets", async |cluster| {
        let archive = cluster.directory("archive")?;
        let backup = cluster.directory("backup 100%")?;
        let mut origin = cluster.outsider(cluster.directory("origin")?).await?;
        origin.configure(&format!(
            "archive_mode = on\narchive_command = 'cp %p {}/%f'\nwork_mem = '6MB'",
            archive.display()
        ))?;
        origin.stop("fast")?;
        origin.start(&cluster.scratch)?;
        origin.client().await?.run("CREATE TABLE kept (id int)").await?;
        origin.backup(&backup, &["-X", "none", "--no-manifest"])?;
        let points = write_history(&origin).await?;
        archived(&origin, &archive).await?;
        origin.stop("fast")?;

        cluster.add_sentinel()?;
        cluster.add_keeper("keeper1")?;
        // A percent sign is doubled in the command; in the restore command they are PostgreSQL's own.
        let restore = format!("cp -a '{}'/. %d", backup.display().to_string().replace('%', "%%"));
        let fetch = format!("cp {}/%f %p", archive.display());
        let with = |target: Value| {
            let mut pitr = json!({"dataRestoreCommand": restore, "archiveRecoverySettings": {"restoreCommand": fetch}});
            if !target.is_null() {
                pitr["recoveryTargetSettings"] = target;
            }
            pitr
        };
        let mut systems = Vec::new();
        for (target, last) in [
            (json!({"recoveryTargetName": "one"}), 1),
            (json!({"recoveryTargetLsn": points.lsn}), 2),
            (json!({"recoveryTargetTime": points.time}), 3),
            (json!({"recoveryTargetXid": points.xid}), 4),
            (json!({"recoveryTarget": "immediate", "recoveryTargetTimeline": "latest"}), 0),
            (Value::Null, 5),
        ] {
            recover(cluster, &with(target.clone())).await?;
            let rows = rows(cluster).await?;
            let wanted: Vec<String> = (1..=last).map(|id: u8| id.to_string()).collect();
            ensure!(rows == wanted, "{target}: {rows:?}");
            // It is a master like any other: it takes writes, on a timeline of its own, and its settings are no recovery's.
            let master = cluster.master()?.client().await?;
            master.run("INSERT INTO kept VALUES (100)").await?;
            ensure!(master.value("SHOW recovery_target_action").await? == "pause", "{target}: the target is still set");
            let data = cluster.cluster_data()?;
            let db = text(&data, "/cluster/status/master").to_owned();
            systems.push(text(&data, &format!("/dbs/{db}/status/systemdID")).to_owned());
            let timeline = data.pointer(&format!("/dbs/{db}/status/timelineID")).and_then(Value::as_u64);
            ensure!(timeline > Some(1), "{target}: the timeline is {timeline:?}");
            ensure!(
                text(&data, "/cluster/spec/pgParameters/work_mem") == "6MB",
                "{target}: the backup's parameters were not merged: {data}"
            );
        }
        systems.dedup();
        ensure!(systems.len() == 1 && systems != [""], "the system changed: {systems:?}");

        // Standbys join as usual.
        cluster.add_keeper("keeper2")?;
        cluster.healthy(2, SOON).await?;
        cluster.replicated("SELECT id FROM kept ORDER BY id").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_fails_leaves_nothing_and_is_tried_again() -> Result<()> {
    scenario("failed_restore", async |cluster| {
        // As a backup of a standby is: with a signal file that says to follow.
        let backup = cluster.backup_with_a_row(&["-X", "fetch", "-R"]).await?;
        ensure!(backup.join("standby.signal").exists(), "the backup is not one of a standby");
        let pass = cluster.scratch.path("pass");
        let command = format!("cp -a {}/. %d && [ -e {} ]", backup.display(), pass.display());
        let mut spec: Value = serde_json::from_str(FAST)?;
        spec["initMode"] = "pitr".into();
        spec["pitrConfig"] = json!({"dataRestoreCommand": command, "archiveRecoverySettings": {"restoreCommand": "false"}});
        cluster.ctl(&["init", "--yes", &spec.to_string()])?.success()?;
        cluster.add_sentinel()?;
        cluster.add_keeper("keeper1")?;
        let keeper = cluster.keeper("keeper1")?;
        keeper
            .process
            .as_ref()
            .context("no process")?
            .logged("sh failed: exit status: 1", SOON)
            .await?;
        soon("what the command left is removed", async || {
            ensure!(!keeper.pgdata().exists(), "it is there");
            Ok(())
        })
        .await?;
        std::fs::write(&pass, "")?;
        cluster.healthy(1, SOON).await?;
        let rows = rows(cluster).await?;
        ensure!(rows == ["1"], "{rows:?}");
        Ok(())
    })
    .await
}
