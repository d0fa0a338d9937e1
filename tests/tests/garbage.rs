//! What cannot be understood in the store changes nothing and breaks nothing.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST};
use stolon_tests::process::Process;
use stolon_tests::{Load, eventually, scenario};

const SOON: Duration = Duration::from_secs(30);

/// Every daemon but etcd.
fn daemons(cluster: &mut Cluster) -> Vec<&mut Process> {
    let keepers = cluster.keepers.iter_mut().filter_map(|keeper| keeper.process.as_mut());
    let sentinels = cluster.sentinels.iter_mut().map(|sentinel| &mut sentinel.process);
    keepers
        .chain(sentinels)
        .chain(cluster.proxies.iter_mut().map(|proxy| &mut proxy.process))
        .collect()
}

fn all_alive(cluster: &mut Cluster) -> Result<()> {
    daemons(cluster).into_iter().try_for_each(Process::alive)
}

/// The lines that say something about the cluster data. The proxy says it with the level of the reference, INFO.
fn complaints(process: &Process) -> Result<usize> {
    let log = process.log_text()?;
    Ok(log
        .lines()
        .filter(|line| line.contains("cluster data") || line.contains("clusterdata"))
        .count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_the_cluster_data_stops_nothing() -> Result<()> {
    scenario("garbage_cluster_data", async |cluster| {
        cluster.serve(FAST, 2).await?;
        cluster
            .client()
            .await?
            .run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
            .await?;
        let master = cluster.master_uid()?;
        let postmasters: Vec<_> =
            cluster.keepers.iter().map(|keeper| keeper.postmaster()).collect();
        let key = cluster.key("clusterdata");
        let garbage: [&[u8]; 5] = [
            b"garbage",
            b"{\"formatVersion\":1,\"cluster\":{\"uid\":",
            b"[]",
            b"{\"formatVersion\":77}",
            b"\xff\xfe\x00",
        ];
        for value in garbage {
            let good = cluster.etcd.get(&key)?.context("no cluster data")?;
            let mut heard = vec![];
            for daemon in daemons(cluster) {
                heard.push(complaints(daemon)?);
            }
            let session = cluster.client().await?;
            cluster.etcd.put(&key, value)?;
            // A format of the future is understood to be one, and the proxy stops at once as the reference does.
            if serde_json::from_slice::<serde_json::Value>(value)
                .is_ok_and(|value| value.is_object())
            {
                drop(session);
            } else {
                let insert = session.run("INSERT INTO kept VALUES (2)").await;
                insert.context("the last good state does not hold")?;
            }
            eventually("every daemon complains", SOON, async || {
                for (daemon, before) in daemons(cluster).into_iter().zip(&heard) {
                    daemon.alive()?;
                    // The sentinel that does not lead reads too, because it may lead next.
                    ensure!(
                        complaints(daemon)? > *before,
                        "{} does not: {}",
                        daemon.name(),
                        value.escape_ascii()
                    );
                }
                Ok(())
            })
            .await?;
            let now: Vec<_> = cluster.keepers.iter().map(|keeper| keeper.postmaster()).collect();
            ensure!(
                now == postmasters,
                "{}: PostgreSQL was stopped or restarted",
                value.escape_ascii()
            );
            ensure!(
                cluster.etcd.get(&key)?.as_deref() == Some(value),
                "{} was overwritten",
                value.escape_ascii()
            );
            cluster.etcd.put(&key, &good)?;
            cluster.healthy(2, SOON).await?;
            eventually("the proxy serves", SOON, async || {
                cluster.client().await?.run("SELECT 1").await
            })
            .await?;
        }
        ensure!(cluster.master_uid()? == master, "the master changed");
        let count = cluster.client().await?.value("SELECT count(*) FROM kept").await?;
        ensure!(count == "5", "{count} rows");
        all_alive(cluster)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_cluster_data_wipes_nothing() -> Result<()> {
    scenario("missing_cluster_data", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let master = cluster.master_uid()?;
        let postmasters: Vec<_> =
            cluster.keepers.iter().map(|keeper| keeper.postmaster()).collect();
        let key = cluster.key("clusterdata");
        let good = cluster.etcd.get(&key)?.context("no cluster data")?;
        let mut session = cluster.client().await?;
        cluster.etcd.delete(&key)?;
        // Nobody says who is master, so nothing may pass; the databases go on.
        session.closed(SOON).await?;
        let now: Vec<_> = cluster.keepers.iter().map(|keeper| keeper.postmaster()).collect();
        ensure!(now == postmasters, "PostgreSQL was stopped or restarted");
        cluster.etcd.put(&key, &good)?;
        cluster.healthy(2, SOON).await?;
        ensure!(cluster.master_uid()? == master, "the master changed");
        all_alive(cluster)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_infos_does_not_hinder_a_failover() -> Result<()> {
    scenario("garbage_infos", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let master = cluster.master_uid()?;
        let records = [
            ("keepers/info/ghost", "garbage"),
            (
                "keepers/info/phantom",
                r#"{"infoUID":"a","uid":"phantom","postgresState":{"generation":"many"}}"#,
            ),
            (
                "keepers/info/stranger",
                r#"{"infoUID":"b","uid":"stranger","clusterUID":"another","bootUUID":"c"}"#,
            ),
            ("proxies/info/ghost", "garbage"),
            ("proxies/info/phantom", r#"{"InfoUID":1}"#),
            ("sentinels/info/ghost", "{"),
        ];
        for (key, value) in records {
            cluster.etcd.put(&cluster.key(key), value.as_bytes())?;
        }
        for key in ["keepers/info/ghost", "proxies/info/ghost"] {
            eventually(&format!("the leader names {key}"), SOON, async || {
                let mut said = false;
                for sentinel in &cluster.sentinels {
                    said |= sentinel.process.log_text()?.contains(key);
                }
                ensure!(said, "no sentinel does");
                Ok(())
            })
            .await?;
        }
        let load = Load::start(cluster.proxy()?.port(), 1).await?;
        load.progress(20, SOON).await?;
        cluster.keeper_mut(&master)?.kill_node()?;
        cluster.new_master(&master, SOON).await?;
        load.progress(20, SOON).await?;
        ensure!(load.stop().await.stuck.is_empty(), "an operation got stuck");
        let data = cluster.cluster_data()?;
        for uid in ["ghost", "phantom", "stranger"] {
            ensure!(data.pointer(&format!("/keepers/{uid}")).is_none(), "{uid} became a keeper");
        }
        cluster.ctl(&["status"])?.success()?;
        cluster.restart_keeper(&master)?;
        cluster.healthy(2, Duration::from_secs(60)).await?;
        all_alive(cluster)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_repairs_its_own_info() -> Result<()> {
    scenario("garbage_own_info", async |cluster| {
        cluster.serve(FAST, 2).await?;
        let master = cluster.master_uid()?;
        let mut session = cluster.client().await?;
        for keeper in ["keeper1", "keeper2"] {
            let key = cluster.key(&format!("keepers/info/{keeper}"));
            cluster.etcd.put(&key, b"garbage")?;
            eventually(&format!("{keeper} writes its info again"), SOON, async || {
                let value = cluster.etcd.get(&key)?.unwrap_or_default();
                let value: serde_json::Value = serde_json::from_slice(&value)?;
                ensure!(value.pointer("/uid") == Some(&keeper.into()), "{value}");
                Ok(())
            })
            .await?;
        }
        cluster.healthy(2, SOON).await?;
        ensure!(cluster.master_uid()? == master, "the master changed");
        ensure!(session.closed(Duration::ZERO).await.is_err(), "the session was closed");
        session.run("SELECT 1").await
    })
    .await
}
