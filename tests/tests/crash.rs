//! One process dies, and the cluster goes on.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use stolon_tests::cluster::FAST;
use stolon_tests::{Load, eventually, scenario};

/// Long enough for a failover in a fast cluster, or for an election of a sentinel.
const RECOVERY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_alone_is_killed() -> Result<()> {
    scenario("postgres_killed", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        load.progress(50, RECOVERY).await?;
        let master = cluster.master()?;
        let postmaster = master.postmaster();
        master.kill_postgres()?;
        load.progress(50, RECOVERY).await?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        ensure!(cluster.master()?.postmaster() != postmaster, "PostgreSQL was not killed");
        let report = load.stop().await;
        report.check(cluster.proxy()?.port()).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_masters_keeper_alone_is_killed_and_started_again() -> Result<()> {
    scenario("keeper_killed", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let master = cluster.master_uid()?;
        let postmaster = cluster.keeper(&master)?.postmaster().context("no postmaster")?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        load.progress(50, RECOVERY).await?;
        cluster.keeper_mut(&master)?.kill_keeper()?;
        cluster.restart_keeper(&master)?;
        // As in the reference, a keeper that starts stops the PostgreSQL it finds and starts its own. Until it has, the
        // cluster looks as healthy as before and the load goes on.
        eventually("the keeper starts a PostgreSQL of its own", RECOVERY, async || {
            let now = cluster.keeper(&master)?.postmaster().context("no postmaster runs")?;
            ensure!(now != postmaster, "the one it found still runs");
            Ok(())
        })
        .await?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        load.progress(50, RECOVERY).await?;
        ensure!(cluster.master_uid()? == master, "a restart of the keeper caused a failover");
        let report = load.stop().await;
        report.check(cluster.proxy()?.port()).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_masters_keeper_is_killed_for_good() -> Result<()> {
    scenario("keeper_gone", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let master = cluster.master_uid()?;
        let mut old = cluster.client().await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        load.progress(50, RECOVERY).await?;
        cluster.keeper_mut(&master)?.kill_keeper()?;
        // Its PostgreSQL lives on, but nobody may reach it through a proxy any more.
        old.closed(RECOVERY).await?;
        cluster.new_master(&master, RECOVERY).await?;
        load.progress(50, RECOVERY).await?;
        cluster.restart_keeper(&master)?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        let report = load.stop().await;
        ensure!(report.stuck.is_empty(), "{:?}", report.stuck);
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_sentinel_is_killed() -> Result<()> {
    scenario("sentinel_killed", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        let leader = cluster.leader()?;
        cluster.sentinels.remove(leader).process.kill()?;
        // Whoever leads now shows it by dealing with the next fault.
        let master = cluster.master_uid()?;
        cluster.keeper_mut(&master)?.kill_node()?;
        // The dead leader's session lasts 20 s.
        cluster.new_master(&master, Duration::from_secs(60)).await?;
        load.progress(50, RECOVERY).await?;
        let report = load.stop().await;
        ensure!(report.stuck.is_empty(), "{:?}", report.stuck);
        ensure!(cluster.leader()? == 0, "the surviving sentinel does not lead");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_is_killed_and_started_again() -> Result<()> {
    scenario("proxy_killed", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        load.progress(50, RECOVERY).await?;
        let mut session = cluster.client().await?;
        let scratch = &cluster.scratch;
        let proxy = cluster.proxies.first_mut().context("no proxy")?;
        proxy.process.kill()?;
        session.closed(Duration::from_secs(5)).await?;
        proxy.restart(scratch)?;
        load.progress(50, Duration::from_secs(10)).await?;
        let report = load.stop().await;
        report.check(cluster.proxy()?.port()).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_killed_and_started_again() -> Result<()> {
    scenario("etcd_killed", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let master = cluster.master_uid()?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        load.progress(50, RECOVERY).await?;
        let mut session = cluster.client().await?;
        cluster.etcd.kill()?;
        // Without etcd a proxy cannot know that its master still is one.
        session.closed(Duration::from_secs(10)).await?;
        cluster.etcd.restart(&cluster.scratch).await?;
        load.progress(50, RECOVERY).await?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        ensure!(cluster.master_uid()? == master, "the loss of etcd caused a failover");
        // What decides must be alive too.
        cluster.keeper_mut(&master)?.kill_node()?;
        cluster.new_master(&master, Duration::from_secs(60)).await?;
        load.progress(50, RECOVERY).await?;
        ensure!(load.stop().await.stuck.is_empty(), "an operation got stuck");
        Ok(())
    })
    .await
}
