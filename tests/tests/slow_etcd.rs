//! etcd answers late, and nobody draws a conclusion from it.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use stolon_tests::cluster::store_flags;
use stolon_tests::relay::Relay;
use stolon_tests::{Client, Load, scenario, soon};

/// In each direction, so that an answer takes two seconds.
const DELAY: Duration = Duration::from_secs(1);
/// Longer than `failInterval`, `proxyTimeout` and the leader's session, which are 20, 15 and 20 s.
const LASTS: Duration = Duration::from_secs(35);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_take_two_seconds_cause_no_failover_and_drop_no_session() -> Result<()> {
    scenario("slow_etcd", async |cluster| {
        cluster.ctl(&["init", "--yes", r#"{"initMode": "new"}"#])?.success()?;
        let link = Relay::start(cluster.etcd.address()).await?;
        let endpoint = format!("http://{}", link.address());
        cluster.site.store = store_flags(&endpoint);
        for uid in ["keeper1", "keeper2"] {
            cluster.add_sentinel()?;
            cluster.add_keeper(uid)?;
        }
        cluster.add_proxy_via(&endpoint)?;
        cluster.healthy(2, Duration::from_secs(120)).await?;
        soon("the proxy serves", async || cluster.client().await?.run("SELECT 1").await).await?;
        let master = cluster.master_uid()?;
        let leader = cluster.leader()?;
        let idle = cluster.client().await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;

        let slowed = Instant::now();
        link.slow_down(DELAY);
        cluster.status()?;
        ensure!(slowed.elapsed() >= DELAY * 2, "etcd is not slow");
        while slowed.elapsed() < LASTS {
            load.progress(50, Duration::from_secs(10)).await?;
            Client::connect(cluster.proxy()?.port()).await.context("a new session")?;
            ensure!(cluster.master_uid()? == master, "there was a failover");
        }
        link.slow_down(Duration::ZERO);
        ensure!(idle.value("SELECT 1").await? == "1", "the idle session answers wrongly");
        ensure!(cluster.leader()? == leader, "the leader changed");
        cluster.healthy(2, Duration::from_secs(30)).await?;
        let report = load.stop().await;
        ensure!(report.errors == 0, "{} errors", report.errors);
        report.check(cluster.proxy()?.port()).await
    })
    .await
}
