//! The master's side is cut off from etcd, which everybody else still reaches.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use stolon_tests::cluster::{fast_with, store_flags};
use stolon_tests::relay::Relay;
use stolon_tests::{Client, Load, eventually, scenario, soon};

/// Long enough for a failover in a fast cluster.
const RECOVERY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_cut_off_from_etcd_is_out_of_reach_before_its_successor_is_in() -> Result<()> {
    scenario("cut_side", async |cluster| {
        let spec = fast_with(r#""synchronousReplication": true"#);
        cluster.ctl(&["init", "--yes", &spec])?.success()?;
        cluster.add_sentinel()?;
        // The side that will be cut off: the master's keeper, and a proxy beside it.
        let link = Relay::start(cluster.etcd.address()).await?;
        let endpoint = format!("http://{}", link.address());
        let direct = std::mem::replace(&mut cluster.site.store, store_flags(&endpoint));
        cluster.add_keeper("old")?;
        cluster.add_proxy_via(&endpoint)?;
        cluster.site.store = direct;
        cluster.healthy(1, Duration::from_secs(60)).await?;
        cluster.add_keeper("new")?;
        cluster.add_proxy()?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        let [near, far] = [0, 1].map(|place| cluster.proxies.get(place).map(|proxy| proxy.port()));
        let (near, far) = (near.context("no proxy")?, far.context("no second proxy")?);
        for port in [near, far] {
            soon("both proxies serve", async || Client::connect(port).await?.run("SELECT 1").await)
                .await?;
        }
        cluster.synchronous().await?;
        let mut sessions = [Client::connect(near).await?, Client::connect(far).await?];
        // After the cut commits wait until the old master is a standby again.
        let load = Load::start_with(near, 4, Duration::from_secs(60)).await?;
        load.progress(100, RECOVERY).await?;

        link.cut();
        for session in &mut sessions {
            session.closed(RECOVERY).await.context("a session of the old master")?;
        }
        let successor = cluster.keeper("new")?.port().to_string();
        let let_in = eventually("the successor is let in", RECOVERY, async || {
            let port = Client::connect(far).await?.value("SELECT inet_server_port()").await?;
            ensure!(port == successor, "{port} serves");
            Ok(Instant::now())
        })
        .await?;
        // Nobody has told the old master, and whoever asks it directly finds one.
        let old = cluster.keeper("old")?.client().await?;
        ensure!(old.value("SELECT pg_is_in_recovery()").await? == "f", "somebody demoted it");
        drop(old);

        link.heal();
        cluster.healthy(2, Duration::from_secs(60)).await?;
        load.progress(100, RECOVERY).await?;
        let report = load.stop().await;
        let first = report.acknowledged.values().map(|row| &row.timeline).min();
        let first = first.context("nothing was acknowledged")?;
        let of_old = report.acknowledged.values().filter(|row| row.timeline == *first);
        let last = of_old.map(|row| row.at).max().context("the old master took no row")?;
        ensure!(last < let_in, "the old master took a row {:?} after that", last - let_in);
        report.check(far).await?;
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}
