//! Data that somebody else made are taken over as they are: by `initMode` `existing`, and from keepers of Stolon.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST, db_of, text};
use stolon_tests::gate::Gate;
use stolon_tests::{scenario, soon};

const SOON: Duration = Duration::from_secs(90);

fn existing(options: Value) -> Result<String> {
    let mut spec: Value = serde_json::from_str(FAST)?;
    spec["initMode"] = "existing".into();
    spec["existingConfig"] = json!({"keeperUID": "keeper1"});
    for (name, value) in options.as_object().context("no options")? {
        spec[name] = value.clone();
    }
    Ok(spec.to_string())
}

/// A keeper that does not run yet, on data with one row that a plain PostgreSQL wrote.
async fn lay_out(cluster: &mut Cluster, configuration: &str) -> Result<String> {
    let keeper = cluster.prepare_keeper("keeper1", &[])?;
    let pgdata = keeper.pgdata();
    let mut plain = cluster.outsider(pgdata).await?;
    let client = plain.client().await?;
    client.run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await?;
    let system = client.value("SELECT system_identifier FROM pg_control_system()").await?;
    plain.stop("fast")?;
    plain.configure(configuration)?;
    Ok(system)
}

async fn has_the_row(cluster: &Cluster) -> Result<()> {
    let rows = cluster.master()?.client().await?.rows("SELECT id FROM kept").await?;
    ensure!(rows == [["1"]], "{rows:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn existing_data_are_adopted_with_their_parameters() -> Result<()> {
    scenario("existing", async |cluster| {
        let system = lay_out(
            cluster,
            "work_mem = '6MB'\nmax_connections = 61\ninclude_if_exists = 'more.conf'",
        )
        .await?;
        fs::write(
            cluster.keeper("keeper1")?.pgdata().join("more.conf"),
            "random_page_cost = 1.5\n",
        )?;
        cluster.site.user.own(&cluster.keeper("keeper1")?.pgdata().join("more.conf"))?;
        cluster
            .ctl(&[
                "init",
                "--yes",
                &existing(json!({"pgParameters": {"max_connections": "63"}}))?,
            ])?
            .success()?;
        cluster.add_sentinel()?;
        // Only the keeper that the spec names has the data.
        cluster.add_keeper("keeper2")?;
        cluster.sentinels[0]
            .process
            .logged("keeper \\\"keeper1\\\" state not available", SOON)
            .await?;
        cluster.restart_keeper("keeper1")?;
        cluster.healthy(2, SOON).await?;
        ensure!(cluster.master_uid()? == "keeper1", "another keeper is the master");
        has_the_row(cluster).await?;
        cluster.replicated("SELECT id FROM kept").await?;
        let data = cluster.cluster_data()?;
        let db = db_of(&data, "keeper1")?;
        ensure!(
            text(&data, &format!("/dbs/{db}/status/systemdID")) == system,
            "other data: {data}"
        );
        let merged = data.pointer("/cluster/spec/pgParameters").context("no parameters")?;
        for (name, value) in
            [("work_mem", "6MB"), ("random_page_cost", "1.5"), ("max_connections", "63")]
        {
            ensure!(text(merged, &format!("/{name}")) == value, "{name}: {merged}");
            for keeper in &cluster.keepers {
                let shown = keeper.client().await?.value(&format!("SHOW {name}")).await?;
                ensure!(shown == value, "{name} of {} is {shown}", keeper.uid);
            }
        }
        ensure!(merged.get("listen_addresses").is_none(), "{merged}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_adoption_deletes_nothing() -> Result<()> {
    scenario("failed_adoption", async |cluster| {
        let original = cluster.site.postgres.clone();
        let (gate, gated) = Gate::new(&cluster.scratch, "keeper1", cluster.site.user, &original)?;
        cluster.site.postgres = gated;
        let system = lay_out(cluster, "shared_preload_libraries = 'not_installed'").await?;
        let pgdata = cluster.keeper("keeper1")?.pgdata();
        let conf = fs::read_to_string(pgdata.join("postgresql.conf"))?;
        let is_untouched = || -> Result<()> {
            ensure!(
                fs::read_to_string(pgdata.join("postgresql.conf"))? == conf,
                "the configuration changed"
            );
            ensure!(pgdata.join("global/pg_control").exists(), "the data are gone");
            Ok(())
        };

        // The server does not start with it, again and again.
        cluster.ctl(&["init", "--yes", &existing(json!({}))?])?.success()?;
        cluster.add_sentinel()?;
        cluster.restart_keeper("keeper1")?;
        let failed = || -> Result<usize> {
            let log =
                cluster.keeper("keeper1")?.process.as_ref().context("no process")?.log_text()?;
            Ok(log.matches("failed to start").count())
        };
        soon("three starts have failed", async || {
            ensure!(failed()? >= 3, "{} have", failed()?);
            Ok(())
        })
        .await?;
        is_untouched()?;
        let state = cluster.keeper("keeper1")?.state("dbstate")?;
        ensure!(state["Initializing"] == false && state["Generation"] == 0, "{state}");

        // The keeper dies on the way.
        gate.close("postgres-temporary")?;
        let pid = gate.reached("postgres-temporary").await?;
        cluster.keeper_mut("keeper1")?.kill_keeper()?;
        gate.turn_away("postgres-temporary", pid)?;
        is_untouched()?;

        // Mended by hand, the adoption goes on where it was.
        fs::write(pgdata.join("postgresql.conf"), conf.replace("'not_installed'", "''"))?;
        cluster.restart_keeper("keeper1")?;
        cluster.healthy(1, SOON).await?;
        has_the_row(cluster).await?;
        let data = cluster.cluster_data()?;
        let db = db_of(&data, "keeper1")?;
        ensure!(
            text(&data, &format!("/dbs/{db}/status/systemdID")) == system,
            "other data: {data}"
        );
        ensure!(
            text(&data, "/cluster/spec/pgParameters/max_connections") == "100",
            "not merged: {data}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_to_adopt_is_said_and_nothing_is_made() -> Result<()> {
    scenario("nothing_to_adopt", async |cluster| {
        cluster.ctl(&["init", "--yes", &existing(json!({}))?])?.success()?;
        cluster.add_sentinel()?;
        cluster.add_keeper("keeper1")?;
        let keeper = cluster.keeper("keeper1")?;
        let process = keeper.process.as_ref().context("no process")?;
        process.logged("no initialized database cluster to take over", SOON).await?;
        ensure!(!keeper.pgdata().exists(), "PGDATA was made");
        ensure!(!keeper.data_dir().join("dbstate").exists(), "the db counts as taken over");
        Ok(())
    })
    .await
}
