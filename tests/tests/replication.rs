//! A new cluster comes up, and what is written through the proxy is everywhere.

use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use stolon_tests::{cluster, scenario};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_cluster_of_three_streams_within_30_seconds() -> Result<()> {
    scenario("new_cluster", async |cluster| {
        let start = Instant::now();
        cluster.start(r#"{"initMode": "new"}"#, 3).await?;
        cluster.healthy(3, Duration::from_secs(30).saturating_sub(start.elapsed())).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_written_through_the_proxy_is_on_every_standby() -> Result<()> {
    scenario("row_everywhere", async |cluster| {
        cluster.serve(cluster::FAST, 3).await?;
        let client = cluster.client().await?;
        client.run("CREATE TABLE greeting (id int PRIMARY KEY, text text)").await?;
        client.run("INSERT INTO greeting VALUES (1, 'hello'), (2, 'grüß Gott')").await?;
        let rows = client.rows("SELECT id, text FROM greeting ORDER BY id").await?;
        ensure!(rows == [["1", "hello"], ["2", "grüß Gott"]], "{rows:?}");
        cluster.replicated("SELECT id, text FROM greeting ORDER BY id").await?;
        for standby in cluster.standbys()? {
            let error = standby
                .client()
                .await?
                .run("INSERT INTO greeting VALUES (3, 'no')")
                .await
                .unwrap_err();
            ensure!(
                format!("{error:#}").contains("SQLSTATE 25006"),
                "a standby took a write: {error:#}"
            );
        }
        let master = cluster.master()?.port().to_string();
        let port = client.value("SELECT inet_server_port()").await?;
        ensure!(port == master, "the proxy leads to {port}, the master is at {master}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_shows_the_whole_cluster() -> Result<()> {
    scenario("status", async |cluster| {
        cluster.serve(cluster::FAST, 2).await?;
        let status = cluster.status()?;
        let master = cluster.master_uid()?;
        ensure!(cluster::text(&status, "/cluster/master_keeper_uid") == master, "{status}");
        for (list, count) in [("/sentinels", 2), ("/proxies", 1), ("/keepers", 2)] {
            let items = status.pointer(list).and_then(|list| list.as_array()).map(Vec::len);
            ensure!(items == Some(count), "{list} has {items:?} items: {status}");
        }
        let text = cluster.ctl(&["status"])?.success()?;
        ensure!(text.contains(&format!("Master Keeper: {master}\n")), "{text}");
        ensure!(text.contains(&format!("{master} (master)\n└─")), "{text}");
        Ok(())
    })
    .await
}
