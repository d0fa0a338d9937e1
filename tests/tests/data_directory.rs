//! A keeper and a keeper of Stolon can take each other's place on a data directory.

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;
use stolon_tests::cluster::{Cluster, FAST, text};
use stolon_tests::server::REPLICATION;
use stolon_tests::{ctl, scenario};

const SOON: Duration = Duration::from_secs(90);

const CLUSTER: &str = "6e7d1a2b";
const MASTER: &str = "a1b2c3d4";
const STANDBY: &str = "b2c3d4e5";

/// What Stolon's keeper leaves beside and in the PGDATA of `keeper`, in its order and its form.
fn leave_files(
    cluster: &Cluster,
    keeper: &str,
    db: &str,
    generation: i64,
    follow: Option<u16>,
) -> Result<()> {
    let user = cluster.site.user;
    let keeper = cluster.keeper(keeper)?;
    let write = |path: &Path, text: &str, mode: u32| -> Result<()> {
        fs::write(path, text)?;
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        user.own(path)
    };
    let (data, pgdata) = (keeper.data_dir(), keeper.pgdata());
    fs::set_permissions(data, Permissions::from_mode(0o700))?;
    write(&data.join("lock"), "", 0o644)?;
    write(
        &data.join("keeperstate"),
        &format!(r#"{{"UID":"{}","ClusterUID":"{CLUSTER}"}}"#, keeper.uid),
        0o600,
    )?;
    let state = format!(
        r#"{{"UID":"{db}","Generation":{generation},"Initializing":false,"InitPGParameters":null}}"#
    );
    write(&data.join("dbstate"), &state, 0o600)?;
    let mut conf = format!(
        "wal_level = 'replica'\nsynchronous_standby_names = ''\nunix_socket_directories = '/tmp'\nport = '{}'\n\
         max_replication_slots = '20'\nmax_wal_senders = '47'\nlisten_addresses = '127.0.0.1'\nhot_standby = 'on'\n\
         wal_keep_size = '128'\nmax_connections = '100'\n",
        keeper.port()
    );
    write(
        &pgdata.join("stolon-temp-postgresql.conf"),
        &format!("include 'postgresql.conf'\n{conf}"),
        0o600,
    )?;
    if let Some(port) = follow {
        let (name, password) = REPLICATION;
        conf.push_str(&format!(
            "primary_slot_name = 'stolon_{db}'\nrecovery_target_timeline = 'latest'\nprimary_conninfo = \
             'application_name=stolon_{db} host=127.0.0.1 password={password} port={port} sslmode=prefer user={name}'\n"
        ));
        write(&pgdata.join("standby.signal"), "", 0o600)?;
    }
    write(&pgdata.join("postgresql.conf"), &conf, 0o600)?;
    let hba = "local postgres admin md5\nlocal replication repl md5\nhost all admin 0.0.0.0/0 md5\n\
               host all admin ::0/0 md5\nhost replication repl 0.0.0.0/0 md5\nhost replication repl ::0/0 md5\n\
               host all all 0.0.0.0/0 md5\nhost all all ::0/0 md5\n";
    write(&pgdata.join("pg_hba.conf"), hba, 0o600)?;
    fs::remove_file(pgdata.join("postgresql.auto.conf"))?;
    symlink("/dev/null", pgdata.join("postgresql.auto.conf"))?;
    write(&pgdata.join("marker"), "a copy would not have it", 0o600)
}

/// The cluster data that Stolon's sentinel had written before everything was stopped.
fn cluster_data(cluster: &Cluster, system: &str) -> Result<Value> {
    let mut spec: Value = serde_json::from_str(FAST)?;
    let parameters = json!({"max_connections": "100", "wal_level": "replica"});
    for name in
        ["additionalWalSenders", "additionalMasterReplicationSlots", "pgHBA", "automaticPgRestart"]
    {
        spec[name] = Value::Null;
    }
    spec["pgParameters"] = parameters.clone();
    let time = "2024-05-14T09:41:07.551+02:00";
    let keeper = |uid: &str| {
        json!({
            "uid": uid, "generation": 1, "changeTime": time, "spec": {}, "status": {
                "healthy": true, "lastHealthyTime": time, "bootUUID": "5c1f6c1e-7a54-4f0b-9f6e-2f1b7a6f8d10",
                "postgresBinaryVersion": {"Maj": 15, "Min": 1}, "canBeMaster": true, "canBeSynchronousReplica": true,
            },
        })
    };
    let db = |uid: &str, keeper: &str, generation: i64, followers: Value| -> Result<Value> {
        Ok(json!({
            "uid": uid, "generation": generation, "changeTime": time, "spec": {
                "keeperUID": keeper, "requestTimeout": "10s", "maxStandbys": 20, "additionalWalSenders": 5,
                "additionalReplicationSlots": null, "initMode": "none", "pgParameters": parameters, "pgHBA": null,
                "role": "master", "followers": followers, "synchronousStandbys": null,
                "externalSynchronousStandbys": null,
            }, "status": {
                "healthy": true, "currentGeneration": generation, "listenAddress": "127.0.0.1",
                "port": cluster.keeper(keeper)?.port().to_string(), "systemdID": system, "timelineID": 1,
                "xLogPos": 100_663_648, "pgParameters": parameters, "synchronousStandbys": null,
                "olderWalFile": "000000010000000000000001",
            },
        }))
    };
    let master = db(MASTER, "keeper1", 3, json!([STANDBY]))?;
    let mut standby = db(STANDBY, "keeper2", 2, json!([]))?;
    standby["spec"]["role"] = "standby".into();
    standby["spec"]["followConfig"] = json!({"type": "internal", "dbuid": MASTER});
    Ok(json!({
        "formatVersion": 1, "changeTime": time,
        "cluster": {
            "uid": CLUSTER, "generation": 1, "changeTime": time, "spec": spec,
            "status": {"phase": "normal", "master": MASTER},
        },
        "keepers": {"keeper1": keeper("keeper1"), "keeper2": keeper("keeper2")},
        "dbs": {MASTER: master, STANDBY: standby},
        "proxy": {"generation": 2, "changeTime": time, "spec": {"masterDbUid": MASTER}, "status": {}},
    }))
}

/// What our keeper leaves is what Stolon's reads.
fn check_files(cluster: &Cluster, keeper: &str, db: &str, generation: i64) -> Result<()> {
    let keeper = cluster.keeper(keeper)?;
    let is = |path: &Path, mode: u32, wanted: Option<&str>| -> Result<()> {
        let found = fs::metadata(path)?.mode() & 0o7777;
        ensure!(found == mode, "{} has mode {found:o}", path.display());
        if let Some(wanted) = wanted {
            let text = fs::read_to_string(path)?;
            ensure!(text == wanted, "{} has {text}", path.display());
        }
        Ok(())
    };
    let (data, pgdata) = (keeper.data_dir(), keeper.pgdata());
    is(data, 0o700, None)?;
    is(&pgdata, 0o700, None)?;
    is(&data.join("lock"), 0o644, Some(""))?;
    is(
        &data.join("keeperstate"),
        0o600,
        Some(&format!(r#"{{"UID":"{}","ClusterUID":"{CLUSTER}"}}"#, keeper.uid)),
    )?;
    let state = format!(
        r#"{{"UID":"{db}","Generation":{generation},"Initializing":false,"InitPGParameters":null}}"#
    );
    is(&data.join("dbstate"), 0o600, Some(&state))?;
    let mut files: Vec<String> = fs::read_dir(data)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    files.retain(|name| !name.starts_with('.'));
    files.sort();
    ensure!(files == ["dbstate", "keeperstate", "lock", "postgres"], "{files:?}");
    is(&pgdata.join("postgresql.conf"), 0o600, None)?;
    let conf = fs::read_to_string(pgdata.join("postgresql.conf"))?;
    let is_line =
        |line: &str| line.split_once(" = '").is_some_and(|(_, value)| value.ends_with('\''));
    ensure!(conf.lines().all(is_line), "{conf}");
    let is_standby = db == STANDBY;
    ensure!(conf.contains(&format!("primary_slot_name = 'stolon_{db}'")) == is_standby, "{conf}");
    ensure!(conf.contains(&format!("application_name=stolon_{db}")) == is_standby, "{conf}");
    ensure!(pgdata.join("standby.signal").exists() == is_standby, "{db} has the wrong signal file");
    ensure!(!pgdata.join("recovery.signal").exists(), "{db} has a recovery.signal");
    ensure!(
        fs::read_link(pgdata.join("postgresql.auto.conf"))? == Path::new("/dev/null"),
        "not a link to /dev/null"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_of_stolons_keepers_are_taken_over_without_a_copy_and_left_as_they_read_them()
-> Result<()> {
    scenario("data_directories", async |cluster| {
        for keeper in ["keeper1", "keeper2"] {
            cluster.prepare_keeper(keeper, &[])?;
        }
        let mut origin = cluster.outsider(cluster.keeper("keeper1")?.pgdata()).await?;
        let client = origin.client().await?;
        client.run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await?;
        let slot = format!("SELECT pg_create_physical_replication_slot('stolon_{STANDBY}', true)");
        client.run(&slot).await?;
        let system = client.value("SELECT system_identifier FROM pg_control_system()").await?;
        origin.backup(&cluster.keeper("keeper2")?.pgdata(), &["-X", "stream"])?;
        origin.stop("fast")?;
        leave_files(cluster, "keeper1", MASTER, 3, None)?;
        leave_files(cluster, "keeper2", STANDBY, 2, Some(cluster.keeper("keeper1")?.port()))?;
        let key = cluster.key("clusterdata");
        cluster.etcd.put(&key, &serde_json::to_vec(&cluster_data(cluster, &system)?)?)?;

        // While one of Stolon's keepers has the directory, ours stays off: this is the lock that it takes.
        let lock =
            File::options().write(true).open(cluster.keeper("keeper1")?.data_dir().join("lock"))?;
        fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let refused = ctl::run(&mut cluster.keeper("keeper1")?.command()?, "")?;
        ensure!(
            refused.code == Some(1)
                && refused.err.contains("cannot take exclusive lock on data dir"),
            "{refused:?}"
        );
        drop(lock);

        cluster.add_sentinel()?;
        cluster.add_proxy()?;
        cluster.restart_keeper("keeper1")?;
        cluster.restart_keeper("keeper2")?;
        cluster.healthy(2, SOON).await?;
        cluster.replicated("SELECT id FROM kept").await?;
        let lock =
            File::options().write(true).open(cluster.keeper("keeper1")?.data_dir().join("lock"))?;
        ensure!(
            fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).is_err(),
            "the directory is not locked"
        );
        drop(lock);
        let rows = cluster.master()?.client().await?.rows("SELECT id FROM kept").await?;
        ensure!(rows == [["1"]], "{rows:?}");
        let data = cluster.cluster_data()?;
        for (keeper, db, generation) in [("keeper1", MASTER, 3), ("keeper2", STANDBY, 2)] {
            let entry =
                data.pointer(&format!("/dbs/{db}")).with_context(|| format!("no db {db}"))?;
            ensure!(text(entry, "/spec/keeperUID") == keeper, "{entry}");
            ensure!(entry["generation"] == generation, "the generation changed: {entry}");
            let keeper = cluster.keeper_mut(keeper)?;
            ensure!(keeper.pgdata().join("marker").exists(), "{} was copied", keeper.uid);
            let log = keeper.running()?.log_text()?;
            ensure!(
                !log.contains("resyncing") && !log.contains("current db UID different"),
                "{log}"
            );
            keeper.running()?.stop().await?;
        }
        check_files(cluster, "keeper1", MASTER, 3)?;
        check_files(cluster, "keeper2", STANDBY, 2)
    })
    .await
}
