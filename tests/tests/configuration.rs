//! `stolonctl update` reaches every PostgreSQL.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST, fast_with};
use stolon_tests::{eventually, scenario};

const SOON: Duration = Duration::from_secs(30);

/// Waits until `SHOW parameter` gives `value` on every keeper.
async fn shows(cluster: &Cluster, parameter: &str, value: &str) -> Result<()> {
    for keeper in &cluster.keepers {
        eventually(&format!("{parameter} is {value} on {}", keeper.uid), SOON, async || {
            let now = keeper.client().await?.value(&format!("SHOW {parameter}")).await?;
            ensure!(now == value, "it is {now}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

fn postmasters(cluster: &Cluster) -> Vec<Option<i32>> {
    cluster.keepers.iter().map(|keeper| keeper.postmaster()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_that_needs_no_restart_is_reloaded() -> Result<()> {
    scenario("parameter_reloaded", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let before = postmasters(cluster);
        let mut session = cluster.client().await?;
        cluster
            .ctl(&["update", "--patch", r#"{"pgParameters": {"work_mem": "7MB"}}"#])?
            .success()?;
        shows(cluster, "work_mem", "7MB").await?;
        // A patch with null removes the parameter.
        cluster
            .ctl(&["update", "--patch", r#"{"pgParameters": {"work_mem": null}}"#])?
            .success()?;
        shows(cluster, "work_mem", "4MB").await?;
        cluster.healthy(2, SOON).await?;
        ensure!(postmasters(cluster) == before, "PostgreSQL was restarted");
        ensure!(!session.is_closed(), "a reload closed a session");
        session.run("SELECT 1").await?;
        ensure!(session.closed(Duration::ZERO).await.is_err(), "the session is closed");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_that_needs_a_restart_waits_for_it_or_gets_it() -> Result<()> {
    scenario("parameter_restart", async |cluster| {
        cluster.serve(&fast_with(r#""pgParameters": {"max_connections": "90"}"#), 2).await?;
        shows(cluster, "max_connections", "90").await?;
        let before = postmasters(cluster);
        cluster
            .ctl(&["update", "--patch", r#"{"pgParameters": {"max_connections": "120"}}"#])?
            .success()?;
        for keeper in &cluster.keepers {
            eventually(&format!("{} waits for a restart", keeper.uid), SOON, async || {
                let pending =
                    "SELECT pending_restart FROM pg_settings WHERE name = 'max_connections'";
                let pending = keeper.client().await?.value(pending).await?;
                ensure!(pending == "t", "pending_restart is {pending}");
                Ok(())
            })
            .await?;
        }
        ensure!(postmasters(cluster) == before, "PostgreSQL was restarted without leave");
        shows(cluster, "max_connections", "90").await?;
        cluster.ctl(&["update", "--patch", r#"{"automaticPgRestart": true}"#])?.success()?;
        shows(cluster, "max_connections", "120").await?;
        cluster.healthy(2, Duration::from_secs(60)).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_hba_is_enforced() -> Result<()> {
    scenario("hba", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let client = cluster.client().await?;
        client.run("CREATE ROLE app LOGIN PASSWORD 'app'").await?;
        client.run("CREATE DATABASE closed").await?;
        let rules = r#"{"pgHBA": ["host closed all 127.0.0.1/32 reject", "host all all 127.0.0.1/32 md5"]}"#;
        cluster.ctl(&["update", "--patch", rules])?.success()?;
        for keeper in &cluster.keepers {
            eventually(&format!("{} has the new rules", keeper.uid), SOON, async || {
                let rules = "SELECT auth_method FROM pg_hba_file_rules WHERE database = '{closed}'";
                let rules = keeper.client().await?.rows(rules).await?;
                ensure!(rules == [["reject"]], "{rules:?}");
                Ok(())
            })
            .await?;
        }
        let port = cluster.proxy()?.port();
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user("app").password("app").dbname("closed");
        let refused = config.connect(tokio_postgres::NoTls).await.err().context("the rule does not hold")?;
        let code = refused.code().context("the session ended without an error of PostgreSQL")?.code();
        ensure!(code == "28000", "SQLSTATE {code}");
        config.dbname("postgres");
        drop(config.connect(tokio_postgres::NoTls).await.context("the other database")?);
        cluster.healthy(2, SOON).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_update_changes_nothing() -> Result<()> {
    scenario("bad_update", async |cluster| {
        cluster.ctl(&["init", "--yes", FAST])?.success()?;
        let key = cluster.key("clusterdata");
        let before = cluster.etcd.get(&key)?;
        for patch in [
            r#"{"sleepInterval": "soon"}"#,
            r#"{"proxyCheckInterval": "1h"}"#,
            r#"{"initMode": "pitr"}"#,
            "{",
        ] {
            let said = cluster.ctl(&["update", "--patch", patch])?;
            ensure!(said.code == Some(1) && !said.err.is_empty(), "{patch}: {said:?}");
        }
        ensure!(cluster.etcd.get(&key)? == before, "the cluster data changed");
        Ok(())
    })
    .await
}
