//! A proxy that does not know the truth passes nothing on.

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use stolon_tests::cluster::{Cluster, FAST};
use stolon_tests::relay::Relay;
use stolon_tests::{Client, Load, eventually, scenario, soon};
use tokio::task::JoinSet;

/// `proxyTimeout` of the fast spec.
const PROXY_TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_proxy_passes_no_statement_to_the_old_master() -> Result<()> {
    scenario("frozen_proxy", async |cluster| {
        cluster.serve(FAST, 2).await?;
        cluster.add_proxy()?;
        let frozen = cluster.proxies.get(1).context("no second proxy")?.port();
        let old = cluster.master_uid()?;
        soon("the second proxy serves", async || Client::connect(frozen).await?.run("SELECT 1").await).await?;
        let setup = cluster.client().await?;
        setup.run("CREATE TABLE fenced (id bigserial PRIMARY KEY, session int, port int DEFAULT inet_server_port())").await?;

        // Sessions that never rest, so that at the freeze statements are on their way everywhere.
        let mut sessions = JoinSet::new();
        for session in 0..8 {
            let client = Client::connect(frozen).await?;
            sessions.spawn(async move {
                let insert = format!("INSERT INTO fenced (session) VALUES ({session})");
                while client.run(&insert).await.is_ok() {}
            });
        }
        // Idle ones too: their next statement comes after the thaw.
        let idle = [Client::connect(frozen).await?, Client::connect(frozen).await?];
        eventually("the sessions write", Duration::from_secs(10), async || {
            let count: usize = setup.value("SELECT count(*) FROM fenced").await?.parse()?;
            ensure!(count > 100, "{count} rows");
            Ok(())
        })
        .await?;

        // The old master loses its keeper for the time being, and so nobody demotes it.
        cluster.keeper_mut(&old)?.running()?.signal(Signal::STOP)?;
        signal(cluster, 1, Signal::STOP)?;
        cluster.new_master(&old, Duration::from_secs(30)).await?;
        soon("the other proxy serves the new master", async || {
            let port = cluster.client().await?.value("SELECT inet_server_port()").await?;
            ensure!(port != cluster.keeper(&old)?.port().to_string(), "it still leads to the old one");
            Ok(())
        })
        .await?;

        let old_master = cluster.keeper(&old)?.client().await?;
        ensure!(old_master.value("SELECT pg_is_in_recovery()").await? == "f", "the old master does not take writes");
        // The sequence counts even an INSERT that was rolled back.
        let trace = "SELECT (SELECT count(*) FROM fenced), (SELECT last_value FROM fenced_id_seq)";
        let before = old_master.rows(trace).await?;
        signal(cluster, 1, Signal::CONT)?;
        for client in &idle {
            let answer = client.run("INSERT INTO fenced (session) VALUES (100)").await;
            ensure!(answer.is_err(), "an old session was served after the thaw");
        }
        while sessions.join_next().await.is_some() {}
        soon("the thawed proxy serves the new master", async || {
            let port = Client::connect(frozen).await?.value("SELECT inet_server_port()").await?;
            ensure!(port != cluster.keeper(&old)?.port().to_string(), "it still leads to the old one");
            Ok(())
        })
        .await?;
        let after = old_master.rows(trace).await?;
        ensure!(before == after, "statements reached the old master: {before:?} became {after:?}");

        cluster.keeper_mut(&old)?.running()?.signal(Signal::CONT)?;
        drop(old_master);
        cluster.healthy(2, Duration::from_secs(60)).await
    })
    .await
}

fn signal(cluster: &mut Cluster, proxy: usize, signal: Signal) -> Result<()> {
    cluster.proxies.get_mut(proxy).context("no such proxy")?.process.signal(signal)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_cut_off_from_etcd_closes_in_time_and_serves_again() -> Result<()> {
    scenario("cut_proxy", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let relay = Relay::start(cluster.etcd.address()).await?;
        cluster.add_proxy_via(&format!("http://{}", relay.address()))?;
        let port = cluster.proxies.get(1).context("no second proxy")?.port();
        soon("the second proxy serves", async || {
            Client::connect(port).await?.run("SELECT 1").await
        })
        .await?;
        let load = Load::start(cluster.proxy()?.port(), 1).await?;

        for _ in 0..2 {
            let mut session = Client::connect(port).await?;
            session.run("SELECT 1").await?;
            relay.cut();
            // The last good check may have begun just before the cut; the rest is for a busy machine.
            session
                .closed(PROXY_TIMEOUT + Duration::from_millis(500))
                .await
                .context("after the cut")?;
            eventually("it refuses new clients", Duration::from_secs(2), async || {
                let answer = Client::connect_within(port, Duration::from_secs(1)).await;
                ensure!(answer.is_err(), "a new client was served without etcd");
                Ok(())
            })
            .await?;
            relay.heal();
            let healed = Instant::now();
            eventually("it serves after the cut", Duration::from_secs(2), async || {
                Client::connect_within(port, Duration::from_secs(2)).await?.run("SELECT 1").await
            })
            .await
            .with_context(|| format!("{:?} after the link was healed", healed.elapsed()))?;
        }
        // The proxy beside it had no reason to notice.
        let report = load.stop().await;
        ensure!(report.errors == 0, "{} errors at the other proxy", report.errors);
        report.check(cluster.proxy()?.port()).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_etcd_closes_the_sessions_and_causes_no_failover() -> Result<()> {
    scenario("frozen_etcd", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let master = cluster.master_uid()?;
        let mut session = cluster.client().await?;
        let port = cluster.proxy()?.port();
        cluster.etcd.freeze()?;
        let frozen = Instant::now();
        session
            .closed(PROXY_TIMEOUT + Duration::from_millis(500))
            .await
            .context("after the freeze")?;
        // The fault lasts longer than failInterval, and what nobody could say meanwhile is no sign of death.
        tokio::time::sleep_until((frozen + Duration::from_secs(8)).into()).await;
        cluster.etcd.thaw()?;
        eventually("the proxy serves after the freeze", Duration::from_secs(2), async || {
            Client::connect_within(port, Duration::from_secs(2)).await?.run("SELECT 1").await
        })
        .await?;
        cluster.healthy(2, Duration::from_secs(30)).await?;
        ensure!(cluster.master_uid()? == master, "the freeze caused a failover");
        Ok(())
    })
    .await
}
