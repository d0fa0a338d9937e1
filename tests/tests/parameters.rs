//! What keepers force on PostgreSQL, whatever the spec and the users say: parameters, slots, access rules.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, db_of, fast_with, text};
use stolon_tests::keeper::Keeper;
use stolon_tests::{eventually, scenario};

const SOON: Duration = Duration::from_secs(90);

/// Waits until every keeper's PostgreSQL has these values.
async fn show(cluster: &Cluster, wanted: &[(&str, &str)]) -> Result<()> {
    for keeper in &cluster.keepers {
        for (name, value) in wanted {
            eventually(&format!("{name} is {value} on {}", keeper.uid), SOON, async || {
                let now = keeper.client().await?.value(&format!("SHOW {name}")).await?;
                ensure!(now == *value, "it is {now}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_keeper_manages_is_forced_and_not_reported() -> Result<()> {
    scenario("forced_parameters", async |cluster| {
        let spec = r#""mergePgParameters": false, "automaticPgRestart": true, "pgParameters": {"port": "1", "listen_addresses": "*",
            "unix_socket_directories": "/nowhere", "hot_standby": "off", "max_replication_slots": "1",
            "max_wal_senders": "1", "synchronous_standby_names": "nobody", "wal_level": "minimal",
            "wal_keep_segments": "4", "wal_keep_size": "48MB", "log_line_prefix": "it's %m "}"#;
        cluster.serve(&fast_with(spec), 2).await?;
        let forced = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", "/tmp"),
            ("hot_standby", "on"),
            ("max_replication_slots", "20"),
            ("max_wal_senders", "47"),
            ("synchronous_standby_names", ""),
            ("wal_level", "replica"),
            ("wal_keep_size", "48MB"),
            ("log_line_prefix", "it's %m "),
        ];
        show(cluster, &forced).await?;
        let data = cluster.cluster_data()?;
        for keeper in &cluster.keepers {
            let port = keeper.client().await?.value("SHOW port").await?;
            ensure!(port == keeper.port().to_string(), "{} listens at {port}", keeper.uid);
            let place = format!("/dbs/{}/status/pgParameters", db_of(&data, &keeper.uid)?);
            let reported = data.pointer(&place).context("nothing is reported")?;
            ensure!(text(reported, "/wal_level") == "replica", "{reported}");
            for (managed, _) in forced.iter().filter(|(name, _)| !matches!(*name, "wal_level" | "log_line_prefix")) {
                ensure!(reported.get(managed).is_none(), "{managed} of {} is reported: {reported}", keeper.uid);
            }
        }

        // The one other value of wal_level that is honoured, and what needs a restart gets it.
        cluster.patch(r#"{"pgParameters": {"wal_level": "logical"}, "additionalWalSenders": 9, "maxStandbys": 22}"#)?;
        show(cluster, &[("wal_level", "logical"), ("max_wal_senders", "55"), ("max_replication_slots", "22")]).await?;
        cluster.healthy(2, SOON).await?;

        // What a user changes past the cluster does not stay.
        let master = cluster.master()?;
        let refused = master.client().await?.run("ALTER SYSTEM SET work_mem = '1MB'").await;
        ensure!(refused.is_err(), "ALTER SYSTEM was let through");
        for keeper in &cluster.keepers {
            let auto = fs::read_link(keeper.pgdata().join("postgresql.auto.conf"))?;
            ensure!(auto == Path::new("/dev/null"), "postgresql.auto.conf of {} leads to {}", keeper.uid, auto.display());
        }
        show(cluster, &[("work_mem", "4MB")]).await
    })
    .await
}

/// Waits until the master has these slots and those of its followers, and standbys have none.
async fn has_slots(cluster: &Cluster, wanted: &[&str]) -> Result<()> {
    eventually(&format!("the master has the slots {wanted:?}"), SOON, async || {
        let data = cluster.cluster_data()?;
        let mut wanted: BTreeSet<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        for standby in cluster.standbys()? {
            if standby.process.is_some() {
                let others: Vec<String> = standby
                    .slots()
                    .await?
                    .into_iter()
                    .filter(|name| name.starts_with("stolon_"))
                    .collect();
                ensure!(others.is_empty(), "{} has {others:?}", standby.uid);
            }
            wanted.extend(db_of(&data, &standby.uid).ok().map(|db| format!("stolon_{db}")));
        }
        let slots = cluster.master()?.slots().await?;
        ensure!(slots == wanted, "it has {slots:?} instead of {wanted:?}");
        Ok(())
    })
    .await
}

/// Waits until the rules of `keeper` beyond its own roles' are these.
async fn has_rules(keeper: &Keeper, wanted: &[String]) -> Result<()> {
    eventually(&format!("{} has the rules {wanted:?}", keeper.uid), SOON, async || {
        let text = fs::read_to_string(keeper.pgdata().join("pg_hba.conf"))?;
        let local = "local postgres admin md5\nlocal replication repl md5\n";
        let rules = text.strip_prefix(local).with_context(|| text.clone())?;
        ensure!(rules.lines().eq(wanted.iter()), "{rules}");
        let broken = "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL";
        ensure!(keeper.client().await?.value(broken).await? == "0", "PostgreSQL refuses them");
        Ok(())
    })
    .await
}

fn rules(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_and_access_rules_are_the_specs_and_what_users_own_stays() -> Result<()> {
    scenario("slots_and_rules", async |cluster| {
        cluster.serve(&fast_with(r#""additionalMasterReplicationSlots": ["backup"]"#), 2).await?;
        has_slots(cluster, &["stolon_backup"]).await?;
        let client = cluster.master()?.client().await?;
        for name in ["mine", "stolon_stray"] {
            client.run(&format!("SELECT pg_create_physical_replication_slot('{name}')")).await?;
        }
        has_slots(cluster, &["mine", "stolon_backup"]).await?;
        cluster.patch(r#"{"additionalMasterReplicationSlots": ["audit", "log"]}"#)?;
        has_slots(cluster, &["mine", "stolon_audit", "stolon_log"]).await?;

        // No rules are another thing than the default rules.
        let everywhere = [
            "host all admin 0.0.0.0/0 md5",
            "host all admin ::0/0 md5",
            "host replication repl 0.0.0.0/0 md5",
            "host replication repl ::0/0 md5",
        ];
        let default = ["host all all 0.0.0.0/0 md5", "host all all ::0/0 md5"];
        cluster.patch(r#"{"pgHBA": []}"#)?;
        for keeper in &cluster.keepers {
            has_rules(keeper, &rules(&everywhere)).await?;
        }
        cluster.patch(r#"{"pgHBA": null}"#)?;
        for keeper in &cluster.keepers {
            has_rules(keeper, &rules(&[&everywhere[..], &default].concat())).await?;
        }

        // Strict: only a master lets the others' keepers in, from where they are.
        cluster.patch(r#"{"defaultSUReplAccessMode": "strict"}"#)?;
        let peer = ["host all admin 127.0.0.1/32 md5", "host replication repl 127.0.0.1/32 md5"];
        has_rules(cluster.master()?, &rules(&[&peer[..], &default].concat())).await?;
        for standby in cluster.standbys()? {
            has_rules(standby, &rules(&default)).await?;
        }
        cluster.add_keeper("keeper3")?;
        cluster.healthy(3, SOON).await?;
        has_rules(cluster.master()?, &rules(&[&peer[..], &peer, &default].concat())).await?;

        // A new master gets all of it, but for the slot that a user made on the old one.
        let old = cluster.master_uid()?;
        cluster.keeper_mut(&old)?.kill_node()?;
        cluster.new_master(&old, SOON).await?;
        cluster.restart_keeper(&old)?;
        cluster.healthy(3, SOON).await?;
        has_slots(cluster, &["stolon_audit", "stolon_log"]).await?;
        has_rules(cluster.master()?, &rules(&[&peer[..], &peer, &default].concat())).await?;
        let data = cluster.cluster_data()?;
        ensure!(data.pointer("/cluster/spec/pgHBA") == Some(&Value::Null), "{data}");
        Ok(())
    })
    .await
}
