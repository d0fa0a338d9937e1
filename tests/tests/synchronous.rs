//! Synchronous replication: who is required, what waits for them, and who may be elected.

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, db_of, fast_with, text};
use stolon_tests::{Client, eventually, scenario, soon};

const SOON: Duration = Duration::from_secs(90);

/// The value of `synchronous_standby_names` that requires all of `keepers`.
fn names_of(data: &Value, keepers: &[String]) -> Result<String> {
    let dbs = keepers.iter().map(|keeper| db_of(data, keeper));
    let mut names = dbs.map(|db| Ok(format!("stolon_{}", db?))).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(match names.as_slice() {
        [one] => one.clone(),
        several => format!("{} ({})", several.len(), several.join(",")),
    })
}

/// What the master requires.
async fn required(cluster: &Cluster) -> Result<String> {
    cluster.master()?.client().await?.value("SHOW synchronous_standby_names").await
}

/// Waits until exactly `keepers` are required, and known to be in sync.
async fn requires(cluster: &Cluster, keepers: &[String]) -> Result<()> {
    eventually(&format!("{keepers:?} are required"), SOON, async || {
        let data = cluster.cluster_data()?;
        let (names, wanted) = (required(cluster).await?, names_of(&data, keepers)?);
        ensure!(names == wanted, "{names} is not {wanted}");
        let master = text(&data, "/cluster/status/master");
        let known = data.pointer(&format!("/dbs/{master}/status/synchronousStandbys"));
        let known = known.and_then(Value::as_array).map(Vec::len);
        ensure!(known == Some(keepers.len()), "{known:?} are known to be in sync");
        Ok(())
    })
    .await
}

/// The keeper of the one standby that is required and in sync, and that of the other.
async fn roles(cluster: &Cluster) -> Result<(String, String)> {
    let sync = soon("one standby is required and in sync", async || {
        let keepers = cluster.in_sync()?;
        ensure!(keepers.len() == 1, "{keepers:?} are");
        keepers.into_iter().next().context("none is")
    })
    .await?;
    let other = cluster.standbys()?.into_iter().find(|keeper| keeper.uid != sync);
    Ok((sync, other.context("there is no other")?.uid.clone()))
}

/// Whether a commit on the master waits for a standby.
async fn a_commit_waits(client: &Client) -> Result<()> {
    soon("a commit waits", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        ensure!(client.value(waiting).await? == "1", "none does");
        Ok(())
    })
    .await
}

/// The standbys that the keeper says are in sync, the next time that it says so.
async fn next_report(cluster: &Cluster, keeper: &str) -> Result<Vec<String>> {
    let info = || -> Result<Value> {
        let key = cluster.key(&format!("keepers/info/{keeper}"));
        Ok(serde_json::from_slice(&cluster.etcd.get(&key)?.context("no info")?)?)
    };
    let last = info()?;
    soon("the keeper publishes", async || {
        let next = info()?;
        ensure!(text(&next, "/infoUID") != text(&last, "/infoUID"), "nothing new");
        let standbys = next.pointer("/postgresState/synchronousStandbys");
        let standbys = standbys.and_then(Value::as_array).context("nothing is said of standbys")?;
        Ok(standbys.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_required_standbys_are_replaced_kept_or_faked_between_min_and_max() -> Result<()> {
    scenario("sync_set", async |cluster| {
        cluster.serve(&fast_with(r#""synchronousReplication": true"#), 3).await?;
        cluster.client().await?.run("CREATE TABLE kept (id int)").await?;
        let (sync, other) = roles(cluster).await?;
        cluster.patch(r#"{"minSynchronousStandbys": 1, "maxSynchronousStandbys": 2}"#)?;
        requires(cluster, &[sync.clone(), other.clone()]).await?;
        cluster.patch(r#"{"maxSynchronousStandbys": 1}"#)?;
        let (sync, other) = roles(cluster).await?;

        // A lost one is replaced by way of both: until the new one is confirmed, the old one is the only one to elect.
        let both = names_of(&cluster.cluster_data()?, &[sync.clone(), other.clone()])?;
        let master = cluster.master_uid()?;
        let before = cluster.keeper_mut(&master)?.running()?.log_text()?.len();
        cluster.keeper_mut(&sync)?.kill_node()?;
        requires(cluster, std::slice::from_ref(&other)).await?;
        let log = cluster.keeper_mut(&master)?.running()?.log_text()?;
        let changes = log.get(before..).context("the log shrank")?;
        ensure!(
            changes.contains(&format!("\"syncStandbyNames\": \"{both}\"")),
            "never {both}: {changes}"
        );
        cluster.client().await?.run("INSERT INTO kept VALUES (1)").await?;

        // The last one is lost: it stays required, for it has everything, and commits wait for it.
        cluster.keeper_mut(&other)?.kill_node()?;
        let watcher = cluster.master()?.client().await?;
        let writer = cluster.master()?.client().await?;
        let write = tokio::spawn(async move { writer.run("INSERT INTO kept VALUES (2)").await });
        a_commit_waits(&watcher).await?;
        cluster.sentinel_logs("removing failed synchronous standby", SOON).await?;
        let name = names_of(&cluster.cluster_data()?, std::slice::from_ref(&other))?;
        ensure!(required(cluster).await? == name, "{name} is no longer required");

        // Removed for good they leave a name that nobody has, until fewer are enough.
        cluster.ctl_insist(&["removekeeper", &sync]).await?;
        cluster.ctl_insist(&["removekeeper", &other]).await?;
        soon("a fake standby is required", async || {
            let names = required(cluster).await?;
            ensure!(names == "stolonfakestandby", "{names}");
            Ok(())
        })
        .await?;
        a_commit_waits(&watcher).await?;
        cluster.patch(r#"{"minSynchronousStandbys": 0}"#)?;
        tokio::time::timeout(SOON, write).await.context("the commit still waits")???;
        ensure!(required(cluster).await?.is_empty(), "{}", required(cluster).await?);

        // Back again they are required as before.
        cluster.patch(r#"{"minSynchronousStandbys": 2, "maxSynchronousStandbys": 2}"#)?;
        cluster.restart_keeper(&sync)?;
        cluster.restart_keeper(&other)?;
        cluster.healthy(3, SOON).await?;
        requires(cluster, &[sync, other]).await?;
        cluster.client().await?.run("INSERT INTO kept VALUES (3)").await?;
        cluster.replicated("SELECT id FROM kept ORDER BY id").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_confirmed_synchronous_standby_is_elected_and_awaited_after_a_restart() -> Result<()>
{
    scenario("sync_election", async |cluster| {
        cluster.serve(&fast_with(r#""synchronousReplication": true"#), 3).await?;
        let client = cluster.client().await?;
        client.run("CREATE TABLE kept (id int); CREATE ROLE app LOGIN PASSWORD 'app'").await?;
        let (sync, other) = roles(cluster).await?;
        client.run("INSERT INTO kept VALUES (1)").await?;
        let master = cluster.master_uid()?;
        cluster.keeper_mut(&sync)?.kill_node()?;
        cluster.keeper_mut(&master)?.kill_node()?;
        // The other standby lives and may lack the row.
        cluster.sentinel_logs("no eligible masters", SOON).await?;
        ensure!(cluster.master_uid()? == master, "{} was elected", cluster.master_uid()?);
        ensure!(cluster.keeper(&other)?.postmaster().is_some(), "{other} does not run");
        cluster.restart_keeper(&sync)?;
        let elected = cluster.new_master(&master, SOON).await?;
        ensure!(elected == sync, "{elected} was elected, not {sync}");
        cluster.restart_keeper(&master)?;
        cluster.healthy(3, SOON).await?;
        cluster.replicated("SELECT id FROM kept").await?;
        let rows = cluster.master()?.client().await?.rows("SELECT id FROM kept").await?;
        ensure!(rows == [["1"]], "{rows:?}");

        // A master that was down lets nobody in but keepers, until whom it requires is in sync again.
        let (sync, other) = roles(cluster).await?;
        cluster.keeper_mut(&sync)?.running()?.stop().await?;
        cluster.keeper_mut(&other)?.running()?.stop().await?;
        cluster.master()?.kill_postgres()?;
        let port = cluster.master()?.port();
        soon("the master answers keepers", async || {
            Client::connect(port).await?.run("SELECT 1").await
        })
        .await?;
        let mut app = tokio_postgres::Config::new();
        app.host("127.0.0.1").port(port).user("app").password("app").dbname("postgres");
        let refused = app.connect(tokio_postgres::NoTls).await.err().context("a user got in")?;
        ensure!(refused.code().map(|code| code.code()) == Some("28000"), "{refused:?}");
        cluster.restart_keeper(&sync)?;
        cluster.restart_keeper(&other)?;
        soon("users get in", async || {
            drop(app.connect(tokio_postgres::NoTls).await?);
            Ok(())
        })
        .await?;
        cluster.healthy(3, SOON).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_required_standby_that_lacks_commits_is_not_in_sync_and_not_elected() -> Result<()> {
    scenario("sync_lag", async |cluster| {
        cluster.serve(&fast_with(r#""synchronousReplication": true"#), 3).await?;
        let client = cluster.master()?.client().await?;
        client.run("CREATE TABLE kept (id int)").await?;
        let (sync, late) = roles(cluster).await?;
        let master = cluster.master_uid()?;
        cluster.replicated("SELECT count(*) FROM kept").await?;

        // What is acknowledged without it stays in the network.
        let receiver = cluster.keeper(&late)?.wal_receiver().await?;
        kill_process(receiver, Signal::STOP)?;
        client.run("INSERT INTO kept VALUES (1)").await?;
        cluster.patch(r#"{"maxSynchronousStandbys": 2}"#)?;
        let late_db = db_of(&cluster.cluster_data()?, &late)?;
        soon(&format!("PostgreSQL calls {late} synchronous"), async || {
            let names = names_of(&cluster.cluster_data()?, &[sync.clone(), late.clone()])?;
            ensure!(required(cluster).await? == names, "{names} are not required");
            let query = format!(
                "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'stolon_{late_db}'"
            );
            let state = client.value(&query).await?;
            ensure!(state == "sync", "it is {state}");
            Ok(())
        })
        .await?;
        let sync_db = db_of(&cluster.cluster_data()?, &sync)?;
        for _ in 0..2 {
            let reported = next_report(cluster, &master).await?;
            ensure!(reported == [sync_db.clone()], "{reported:?} are in sync, not only {sync_db}");
        }

        // With the only one that has the row gone, nobody is elected.
        cluster.keeper_mut(&sync)?.kill_node()?;
        cluster.keeper_mut(&master)?.kill_node()?;
        cluster.sentinel_logs("no eligible masters", SOON).await?;
        ensure!(cluster.master_uid()? == master, "{} was elected", cluster.master_uid()?);
        ensure!(cluster.keeper(&late)?.postmaster().is_some(), "{late} does not run");
        cluster.restart_keeper(&sync)?;
        let elected = cluster.new_master(&master, SOON).await?;
        ensure!(elected == sync, "{elected} was elected, not {sync}");
        kill_process(receiver, Signal::CONT)?;
        cluster.restart_keeper(&master)?;
        cluster.healthy(3, SOON).await?;
        requires(cluster, &[late, master]).await?;
        cluster.replicated("SELECT id FROM kept").await?;
        let rows = cluster.master()?.client().await?.rows("SELECT id FROM kept").await?;
        ensure!(rows == [["1"]], "{rows:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keepers_that_cannot_be_master_or_synchronous_are_neither() -> Result<()> {
    scenario("keeper_options", async |cluster| {
        cluster
            .start(&fast_with(r#""synchronousReplication": true, "maxSynchronousStandbys": 2"#), 1)
            .await?;
        cluster.healthy(1, SOON).await?;
        ensure!(required(cluster).await? == "stolonfakestandby", "{}", required(cluster).await?);
        cluster.prepare_keeper("keeper2", &["--can-be-synchronous-replica=false"])?;
        cluster.prepare_keeper("keeper3", &["--can-be-master=false"])?;
        cluster.restart_keeper("keeper2")?;
        cluster.restart_keeper("keeper3")?;
        cluster.healthy(3, SOON).await?;
        requires(cluster, &["keeper3".to_owned()]).await?;

        // The one may not be elected because it is not in sync, the other although it is.
        cluster.keeper_mut("keeper1")?.kill_node()?;
        cluster.sentinel_logs("no eligible masters", SOON).await?;
        ensure!(cluster.master_uid()? == "keeper1", "{} was elected", cluster.master_uid()?);
        cluster.restart_keeper("keeper1")?;
        cluster.healthy(3, SOON).await?;
        cluster.patch(r#"{"synchronousReplication": false}"#)?;
        soon("nobody is required", async || {
            let data = cluster.cluster_data()?;
            let db = text(&data, "/cluster/status/master").to_owned();
            let lists = ["spec", "status"]
                .map(|part| data.pointer(&format!("/dbs/{db}/{part}/synchronousStandbys")));
            ensure!(lists == [Some(&Value::Null), Some(&Value::Null)], "{lists:?}");
            ensure!(required(cluster).await?.is_empty(), "{}", required(cluster).await?);
            Ok(())
        })
        .await?;
        cluster.healthy(3, SOON).await?;
        cluster.keeper_mut("keeper1")?.kill_node()?;
        let elected = cluster.new_master("keeper1", SOON).await?;
        ensure!(elected == "keeper2", "{elected} was elected");
        Ok(())
    })
    .await
}
