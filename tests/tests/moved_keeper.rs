//! A keeper returns at another address, or behind another one: everybody finds it there.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, db_of, text};
use stolon_tests::relay::Relay;
use stolon_tests::{scenario, soon};

const SOON: Duration = Duration::from_secs(90);

/// Waits until the cluster knows the keeper's PostgreSQL at `address`.
async fn is_known_at(cluster: &Cluster, keeper: &str, address: &str) -> Result<()> {
    soon(&format!("{keeper} is known at {address}"), async || {
        let data = cluster.cluster_data()?;
        let db = db_of(&data, keeper)?;
        let known = |name: &str| text(&data, &format!("/dbs/{db}/status/{name}")).to_owned();
        let known = format!("{}:{}", known("listenAddress"), known("port"));
        ensure!(known == address, "it is at {known}");
        let status = cluster.status()?;
        let keepers = status.get("keepers").and_then(Value::as_array).context("no keepers")?;
        let its = keepers.iter().find(|its| text(its, "/uid") == keeper).context("it is gone")?;
        ensure!(text(its, "/listen_address") == address, "{its}");
        Ok(())
    })
    .await
}

/// Waits until every standby streams from `address`.
async fn is_followed_at(cluster: &Cluster, address: &str) -> Result<()> {
    for standby in cluster.standbys()? {
        soon(&format!("{} streams from {address}", standby.uid), async || {
            let query = "SELECT sender_host || ':' || sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'";
            let sender = standby.client().await?.value(query).await?;
            ensure!(sender == address, "it streams from {sender}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Waits until the proxy leads to `address`, and takes row `id` there.
async fn is_served_at(cluster: &Cluster, address: &str, id: u32) -> Result<()> {
    soon(&format!("the proxy leads to {address}"), async || {
        let page: Value = serde_json::from_str(&cluster.proxy()?.page("/status").await?.1)?;
        ensure!(text(&page, "/master/address") == address, "{page}");
        cluster.client().await?.run(&format!("INSERT INTO kept VALUES ({id})")).await
    })
    .await
}

async fn restart(cluster: &mut Cluster, keeper: &str) -> Result<()> {
    cluster.restart_keeper(keeper)?;
    cluster.healthy(2, SOON).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_keeper_is_followed_served_and_elected_where_it_is() -> Result<()> {
    scenario("moved_keeper", async |cluster| {
        // A move takes less than failInterval, so that the master stays master.
        let spec = r#"{"initMode": "new", "sleepInterval": "1s", "failInterval": "12s", "proxyCheckInterval": "1s",
            "proxyTimeout": "3s"}"#;
        cluster.serve(spec, 2).await?;
        cluster.client().await?.run("CREATE TABLE kept (id int)").await?;
        let (master, standby) = (cluster.master_uid()?, cluster.standbys()?[0].uid.clone());
        let dbs = [&master, &standby].map(|keeper| db_of(&cluster.cluster_data()?, keeper));

        let keeper = cluster.keeper_mut(&master)?;
        keeper.stop().await?;
        keeper.move_to("127.0.0.2")?;
        let moved = format!("127.0.0.2:{}", keeper.port());
        restart(cluster, &master).await?;
        is_known_at(cluster, &master, &moved).await?;
        is_followed_at(cluster, &moved).await?;
        is_served_at(cluster, &moved, 1).await?;

        // What is advertised counts, not where PostgreSQL listens.
        let keeper = cluster.keeper_mut(&master)?;
        keeper.stop().await?;
        let relay = Relay::start(moved).await?;
        let (_, port) = relay.address().split_once(':').context("no port")?;
        keeper.flags = vec![
            "--pg-advertise-address=127.0.0.1".to_owned(),
            format!("--pg-advertise-port={port}"),
        ];
        restart(cluster, &master).await?;
        is_known_at(cluster, &master, relay.address()).await?;
        is_followed_at(cluster, relay.address()).await?;
        is_served_at(cluster, relay.address(), 2).await?;

        let keeper = cluster.keeper_mut(&standby)?;
        keeper.stop().await?;
        keeper.move_to("127.0.0.3")?;
        let moved = format!("127.0.0.3:{}", keeper.port());
        restart(cluster, &standby).await?;
        is_known_at(cluster, &standby, &moved).await?;
        is_followed_at(cluster, relay.address()).await?;
        cluster.replicated("SELECT id FROM kept ORDER BY id").await?;
        for (keeper, old) in [&master, &standby].iter().zip(dbs) {
            ensure!(db_of(&cluster.cluster_data()?, keeper)? == old?, "{keeper} was copied anew");
        }
        ensure!(cluster.master_uid()? == master, "the master changed");

        cluster.keeper_mut(&master)?.kill_node()?;
        let elected = cluster.new_master(&master, SOON).await?;
        ensure!(elected == standby, "{elected} was elected");
        is_served_at(cluster, &moved, 3).await?;
        restart(cluster, &master).await?;
        is_followed_at(cluster, &moved).await?;
        cluster.replicated("SELECT id FROM kept ORDER BY id").await
    })
    .await
}
