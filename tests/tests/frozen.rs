//! A process is frozen (SIGSTOP): it holds its sockets and answers nobody. Later it goes on, with what it knew before.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST, fast_with};
use stolon_tests::{Load, eventually, orphans, scenario};

/// Long enough for a failover in a fast cluster.
const RECOVERY: Duration = Duration::from_secs(30);

/// What of a PostgreSQL is frozen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The process that accepts connections. Sessions go on.
    Postmaster,
    /// Everything, WAL senders too.
    All,
}

impl Part {
    fn signal(self, postmaster: i32, signal: Signal) {
        let send = |pid: i32| {
            // Some end by themselves, and the keeper may have ended all of them.
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, signal));
        };
        // The postmaster first: from then on nobody is added.
        send(postmaster);
        if self == Self::All {
            orphans::tree(postmaster).into_iter().for_each(send);
        }
    }
}

/// Freezes some processes of the master's PostgreSQL until another is master and has been written to. Old sessions must be cut, and
/// no acknowledged commit may be lost, neither at the failover nor when the old master goes on.
async fn freeze_master(cluster: &mut Cluster, part: Part) -> Result<()> {
    cluster.serve(&fast_with(r#""synchronousReplication": true"#), 3).await?;
    let old = cluster.master_uid()?;
    cluster.synchronous().await?;
    let mut session = cluster.client().await?;
    session.run("SELECT 1").await?;
    // What is on its way at the freeze fails when the sessions are cut.
    let load = Load::start_with(cluster.proxy()?.port(), 4, RECOVERY).await?;
    load.progress(100, RECOVERY).await?;

    let postmaster = cluster.keeper(&old)?.postmaster().context("no postmaster runs")?;
    part.signal(postmaster, Signal::STOP);
    session.closed(RECOVERY).await.context("a session of the frozen master")?;
    cluster.new_master(&old, RECOVERY).await?;
    load.progress(100, RECOVERY).await?;

    part.signal(postmaster, Signal::CONT);
    cluster.healthy(3, Duration::from_secs(60)).await?;
    ensure!(cluster.master_uid()? != old, "the old master came back as master");
    load.progress(100, RECOVERY).await?;
    load.stop().await.check(cluster.proxy()?.port()).await?;
    cluster.replicated("SELECT count(*), sum(id) FROM appended").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_accepts_and_never_answers_is_replaced() -> Result<()> {
    scenario("frozen_postmaster", async |cluster| freeze_master(cluster, Part::Postmaster).await)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_frozen_as_a_whole_is_replaced() -> Result<()> {
    scenario("frozen_postgres", async |cluster| freeze_master(cluster, Part::All).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_is_frozen_finds_another_master_when_it_goes_on() -> Result<()> {
    scenario("frozen_keeper", async |cluster| {
        cluster.serve(&fast_with(r#""synchronousReplication": true"#), 3).await?;
        cluster.synchronous().await?;
        let old = cluster.master_uid()?;
        let mut session = cluster.client().await?;
        let load = Load::start(cluster.proxy()?.port(), 4).await?;
        load.progress(100, RECOVERY).await?;
        cluster.keeper_mut(&old)?.running()?.signal(Signal::STOP)?;
        session.closed(RECOVERY).await?;
        cluster.new_master(&old, RECOVERY).await?;
        load.progress(100, RECOVERY).await?;
        // Its PostgreSQL has run all the time, and nobody has told it.
        let direct = cluster.keeper(&old)?.client().await?;
        ensure!(direct.value("SELECT pg_is_in_recovery()").await? == "f", "somebody demoted it");
        drop(direct);
        cluster.keeper_mut(&old)?.running()?.signal(Signal::CONT)?;
        cluster.healthy(3, Duration::from_secs(60)).await?;
        ensure!(cluster.master_uid()? != old, "the old master came back as master");
        load.stop().await.check(cluster.proxy()?.port()).await?;
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_was_frozen_while_it_led_decides_nothing_when_it_goes_on() -> Result<()> {
    scenario("frozen_sentinel", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        let frozen = cluster.leader()?;
        let other = 1 - frozen;
        cluster.sentinels.get_mut(frozen).context("no leader")?.process.signal(Signal::STOP)?;
        let old = cluster.master_uid()?;
        cluster.keeper_mut(&old)?.kill_node()?;
        // The leader's session lasts 20 s.
        let new = cluster.new_master(&old, Duration::from_secs(60)).await?;
        load.progress(50, RECOVERY).await?;
        ensure!(cluster.leader()? == other, "the frozen sentinel is still taken for the leader");

        cluster.sentinels.get_mut(frozen).context("no leader")?.process.signal(Signal::CONT)?;
        cluster.restart_keeper(&old)?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        ensure!(cluster.master_uid()? == new, "another master than the new leader's");
        ensure!(cluster.leader()? == other, "the thawed sentinel leads");
        // It is well again: when the other goes it takes over.
        cluster.sentinels.get_mut(other).context("no other")?.process.stop().await?;
        eventually("the thawed sentinel leads", RECOVERY, async || {
            ensure!(cluster.leader()? == frozen, "the other does");
            Ok(())
        })
        .await?;
        let report = load.stop().await;
        ensure!(report.stuck.is_empty(), "{:?}", report.stuck);
        Ok(())
    })
    .await
}
