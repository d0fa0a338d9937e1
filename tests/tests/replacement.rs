//! The binaries of a running cluster are replaced one by one by those of another build, and back again, while clients write.
//!
//! `STOLON_PEER=/directory` names the other build, such as the four binaries of Stolon (Go). Without it both are ours, and the
//! test shows a rolling restart.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::Duration;
use stolon_tests::binaries::Origin;
use stolon_tests::cluster::{Cluster, fast_with, text};
use stolon_tests::{Load, eventually, scenario};

const SOON: Duration = Duration::from_secs(60);

/// Which db each keeper runs. A resync would give it another one.
fn dbs(cluster: &Cluster) -> Result<BTreeMap<String, String>> {
    let data = cluster.cluster_data()?;
    let dbs = data.get("dbs").and_then(|dbs| dbs.as_object()).context("no dbs")?;
    Ok(dbs.iter().map(|(uid, db)| (text(db, "/spec/keeperUID").to_owned(), uid.clone())).collect())
}

async fn replace_keeper(cluster: &mut Cluster, uid: &str, origin: Origin) -> Result<()> {
    let keeper = cluster.keeper_mut(uid)?;
    keeper.running()?.stop().await?;
    keeper.process = None;
    keeper.origin = origin;
    cluster.restart_keeper(uid)?;
    cluster.healthy(3, SOON).await.with_context(|| format!("after {uid} was replaced"))
}

async fn replace_proxy(cluster: &mut Cluster, origin: Origin) -> Result<()> {
    let Cluster { proxies, scratch, .. } = &mut *cluster;
    let proxy = proxies.first_mut().context("no proxy")?;
    proxy.process.stop().await?;
    proxy.origin = origin;
    proxy.restart(scratch)?;
    eventually("the replaced proxy serves", SOON, async || {
        cluster.client().await?.run("SELECT 1").await
    })
    .await
}

/// Lets a sentinel of the other build take over from each one that runs, the leader among them.
async fn replace_sentinels(cluster: &mut Cluster, origin: Origin) -> Result<()> {
    cluster.site.origin = origin;
    for _ in 0..cluster.sentinels.len() {
        let mut old = cluster.sentinels.remove(0);
        cluster.add_sentinel()?;
        let uid = old.uid()?;
        old.process.stop().await?;
        eventually("another sentinel leads", SOON, async || {
            let status = cluster.status()?;
            let sentinels =
                status.get("sentinels").and_then(|list| list.as_array()).context("none")?;
            let leader = sentinels
                .iter()
                .find(|sentinel| sentinel.pointer("/leader") == Some(&true.into()))
                .context("nobody leads")?;
            ensure!(text(leader, "/uid") != uid, "{uid} leads still");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Both builds of stolonctl tell the same story.
async fn compare_stolonctl(cluster: &Cluster) -> Result<()> {
    for arguments in [&["status"][..], &["spec"], &["spec", "--defaults"]] {
        eventually("both builds of stolonctl say the same", SOON, async || {
            let ours = cluster.ctl_of(Origin::Ours, arguments, "")?;
            let peer = cluster.ctl_of(Origin::Peer, arguments, "")?;
            ensure!(ours == peer, "{arguments:?}: {ours:?} and {peer:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_binary_is_replaced_in_turn_and_back_again() -> Result<()> {
    scenario("replacement", async |cluster| {
        cluster.site.origin = Origin::Peer;
        cluster.serve(&fast_with(r#""synchronousReplication": true"#), 3).await?;
        let load = Load::start(cluster.proxy()?.port(), 2).await?;
        for origin in [Origin::Ours, Origin::Peer] {
            compare_stolonctl(cluster).await?;
            replace_proxy(cluster, origin).await?;
            replace_sentinels(cluster, origin).await?;
            let before = dbs(cluster)?;
            let master = cluster.master_uid()?;
            for standby in
                cluster.standbys()?.iter().map(|keeper| keeper.uid.clone()).collect::<Vec<_>>()
            {
                replace_keeper(cluster, &standby, origin).await?;
            }
            ensure!(dbs(cluster)? == before, "a replaced standby was copied anew");
            ensure!(cluster.master_uid()? == master, "the master changed with its standbys");
            // Its PostgreSQL stops with it: it comes back as it was, or another one has taken over.
            replace_keeper(cluster, &master, origin).await?;
            load.progress(100, SOON).await?;
        }
        let report = load.stop().await;
        report.check(cluster.proxy()?.port()).await?;
        cluster.replicated("SELECT count(*), sum(id) FROM appended").await
    })
    .await
}
