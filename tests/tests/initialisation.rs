//! The first master is made as the spec says, and an initialisation that is interrupted begins anew.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, db_of, fast_with, text};
use stolon_tests::gate::Gate;
use stolon_tests::{scenario, soon};

const SOON: Duration = Duration::from_secs(90);

async fn shows(cluster: &Cluster, keeper: &str, parameter: &str) -> Result<String> {
    cluster.keeper(keeper)?.client().await?.value(&format!("SHOW {parameter}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_cluster_has_its_locale_encoding_checksums_and_the_merged_parameters() -> Result<()> {
    scenario("new_cluster_merged", async |cluster| {
        let spec = r#""newConfig": {"locale": "C", "encoding": "LATIN1", "dataChecksums": true},
            "pgParameters": {"work_mem": "5MB"}"#;
        cluster.serve(&fast_with(spec), 2).await?;
        for keeper in ["keeper1", "keeper2"] {
            for (parameter, value) in
                [("server_encoding", "LATIN1"), ("data_checksums", "on"), ("work_mem", "5MB")]
            {
                let shown = shows(cluster, keeper, parameter).await?;
                ensure!(shown == value, "{parameter} of {keeper} is {shown}");
            }
        }
        let collation = "SELECT datcollate FROM pg_database WHERE datname = 'postgres'";
        let collation = cluster.client().await?.value(collation).await?;
        ensure!(collation == "C", "the collation is {collation}");
        // What initdb configured is in the spec now, and not what keepers manage.
        let data = cluster.cluster_data()?;
        let merged = data.pointer("/cluster/spec/pgParameters").context("no parameters")?;
        ensure!(text(merged, "/work_mem") == "5MB", "{merged}");
        for (name, is_there) in [
            ("max_connections", true),
            ("lc_messages", true),
            ("dynamic_shared_memory_type", true),
            ("port", false),
            ("wal_keep_size", false),
            ("wal_retrieve_retry_interval", false),
        ] {
            ensure!(merged.get(name).is_some() == is_there, "{name}: {merged}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_cluster_without_merging_has_only_the_users_parameters() -> Result<()> {
    scenario("new_cluster_unmerged", async |cluster| {
        let spec = r#""mergePgParameters": false, "pgParameters": {"max_connections": "57"},
            "newConfig": {"dataChecksums": false}"#;
        cluster.serve(&fast_with(spec), 1).await?;
        let data = cluster.cluster_data()?;
        let parameters = data.pointer("/cluster/spec/pgParameters").context("no parameters")?;
        ensure!(*parameters == json!({"max_connections": "57"}), "{parameters}");
        ensure!(
            cluster.keeper("keeper1")?.state("dbstate")?["InitPGParameters"] == Value::Null,
            "parameters were read"
        );
        for (parameter, value) in [("max_connections", "57"), ("data_checksums", "off")] {
            let shown = shows(cluster, "keeper1", parameter).await?;
            ensure!(shown == value, "{parameter} is {shown}");
        }
        Ok(())
    })
    .await
}

/// Catches `keeper` at each of `steps` in turn and kills it there. Whatever it had made until then is worth nothing: the state
/// says so, and the next run begins anew.
async fn interrupt_at_each(
    cluster: &mut Cluster,
    keeper: &str,
    gate: &Gate,
    steps: &[&str],
) -> Result<()> {
    let mut steps = steps.iter().peekable();
    gate.close(steps.peek().context("no step")?)?;
    cluster.restart_keeper(keeper)?;
    let mut is_first = true;
    while let Some(step) = steps.next() {
        let pid = gate.reached(step).await?;
        let state = cluster.keeper(keeper)?.state("dbstate")?;
        let db = db_of(&cluster.cluster_data()?, keeper)?;
        ensure!(
            state["UID"] == db && state["Generation"] == 0 && state["Initializing"] == true,
            "at {step}: {state}"
        );
        if !is_first {
            let process = cluster.keeper_mut(keeper)?.running()?;
            ensure!(
                process.log_text()?.contains("db failed to initialize or resync"),
                "at {step}: it went on"
            );
        }
        is_first = false;
        let marker = cluster.keeper(keeper)?.pgdata().join("marker");
        let is_marked = fs::write(&marker, "").is_ok();
        cluster.keeper_mut(keeper)?.kill_keeper()?;
        // Closed before the other opens, so that the next run cannot slip through.
        if let Some(next) = steps.peek() {
            gate.close(next)?;
        }
        gate.turn_away(step, pid)?;
        cluster.restart_keeper(keeper)?;
        if is_marked {
            soon(&format!("what was made until {step} is removed"), async || {
                ensure!(!marker.exists(), "it is there");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

fn gated(cluster: &mut Cluster, keeper: &str) -> Result<Gate> {
    let (gate, postgres) =
        Gate::new(&cluster.scratch, keeper, cluster.site.user, &cluster.site.postgres)?;
    let original = std::mem::replace(&mut cluster.site.postgres, postgres);
    cluster.prepare_keeper(keeper, &[])?;
    cluster.site.postgres = original;
    Ok(gate)
}

fn is_complete(cluster: &Cluster, keeper: &str) -> Result<()> {
    let state = cluster.keeper(keeper)?.state("dbstate")?;
    let db = db_of(&cluster.cluster_data()?, keeper)?;
    ensure!(state["UID"] == db && state["Initializing"] == false, "{state}");
    ensure!(state["Generation"].as_i64() > Some(0), "{state}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_initialisation_interrupted_at_any_step_begins_anew() -> Result<()> {
    scenario("interrupted_initialisation", async |cluster| {
        let gate = gated(cluster, "keeper1")?;
        cluster.start(&fast_with(r#""pgParameters": {"work_mem": "5MB"}"#), 0).await?;
        let steps = ["initdb", "initdb-done", "postgres-temporary", "postgres"];
        interrupt_at_each(cluster, "keeper1", &gate, &steps).await?;
        cluster.healthy(1, SOON).await?;
        is_complete(cluster, "keeper1")?;
        ensure!(shows(cluster, "keeper1", "work_mem").await? == "5MB", "the parameters are lost");
        let merged = cluster.cluster_data()?;
        ensure!(
            merged.pointer("/cluster/spec/pgParameters/max_connections").is_some(),
            "not merged: {merged}"
        );

        // The data are complete once the state says so: from here on a killed keeper finds them and goes on with them.
        let master = cluster.keeper("keeper1")?.client().await?;
        master.run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await?;
        cluster.keeper_mut("keeper1")?.kill_node()?;
        cluster.restart_keeper("keeper1")?;
        cluster.healthy(1, SOON).await?;
        let rows = cluster.keeper("keeper1")?.client().await?.rows("SELECT id FROM kept").await?;
        ensure!(rows == [["1"]], "{rows:?}");

        // A copy that is interrupted begins anew too.
        let gate = gated(cluster, "keeper2")?;
        let steps = ["pg_basebackup", "pg_basebackup-done", "postgres"];
        interrupt_at_each(cluster, "keeper2", &gate, &steps).await?;
        cluster.healthy(2, SOON).await?;
        is_complete(cluster, "keeper2")?;
        cluster.replicated("SELECT id FROM kept").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_interrupted_at_any_step_begins_anew() -> Result<()> {
    scenario("interrupted_restore", async |cluster| {
        let backup = cluster.backup_with_a_row(&["-X", "fetch"]).await?;
        let gate = gated(cluster, "keeper1")?;
        let (before, after) = (gate.hold("restore"), gate.hold("restore-done"));
        let command = format!("{before}; cp -a {}/. %d && {{ {after}; }}", backup.display());
        let pitr = json!({"dataRestoreCommand": command, "archiveRecoverySettings": {"restoreCommand": "false"}});
        let spec = fast_with(&format!(r#""pitrConfig": {pitr}"#)).replace("\"new\"", "\"pitr\"");
        cluster.start(&spec, 0).await?;
        let steps = ["restore", "restore-done", "postgres-temporary", "postgres"];
        interrupt_at_each(cluster, "keeper1", &gate, &steps).await?;
        cluster.healthy(1, SOON).await?;
        is_complete(cluster, "keeper1")?;
        let rows = cluster.keeper("keeper1")?.client().await?.rows("SELECT id FROM kept").await?;
        ensure!(rows == [["1"]], "{rows:?}");
        Ok(())
    })
    .await
}
