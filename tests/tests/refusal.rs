//! What cannot work is refused with a sentence and a non-zero exit, and nothing is lost.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use stolon_tests::cluster::{Cluster, FAST, store_flags};
use stolon_tests::ctl::{self, Said};
use stolon_tests::relay::Relay;
use stolon_tests::{Client, binaries, eventually, ports, scenario, soon};

/// That `said` is a failure whose last line on stderr is a FATAL line with `text`.
fn is_fatal(said: &Said, text: &str) -> Result<()> {
    ensure!(said.code == Some(1), "the exit code is {:?}: {}", said.code, said.err);
    let last = said.err.lines().last().unwrap_or_default();
    ensure!(
        last.contains("\tFATAL\t") && last.contains(text),
        "no FATAL line with \"{text}\": {}",
        said.err
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_flags_are_refused() -> Result<()> {
    scenario("bad_flags", async |cluster| {
        for program in ["stolon-keeper", "stolon-sentinel", "stolon-proxy"] {
            let run = |arguments: &[&str]| {
                ctl::run(Command::new(binaries::path(program)?).args(arguments), "")
            };
            let unknown = run(&["--nonsense"])?;
            is_fatal(&unknown, "unknown flag: --nonsense")?;
            ensure!(
                unknown.err.starts_with("Error: unknown flag: --nonsense\n"),
                "{}",
                unknown.err
            );
            // The keeper asks for this one before it asks for the cluster's name.
            let data_dir: &[&str] =
                if program == "stolon-keeper" { &["--data-dir", "/nowhere"] } else { &[] };
            for (arguments, text) in [
                (["--log-level", "loud"], "invalid log level: loud"),
                (["--store-backend", "etcdv3"], "cluster name required"),
                (["--cluster-name", "c"], "store backend type required"),
            ] {
                is_fatal(&run(&[&arguments, data_dir].concat())?, text)?;
            }
            let version = run(&["--version"])?;
            ensure!(
                version.code == Some(0) && version.out.starts_with(&format!("{program} version ")),
                "{version:?}"
            );
            ensure!(run(&["--help"])?.code == Some(0), "no help");
        }
        let unknown = cluster.ctl(&["foo"])?;
        ensure!(unknown.code == Some(1), "{unknown:?}");
        ensure!(
            unknown.err.starts_with("Error: unknown command \"foo\" for \"stolonctl\"\n"),
            "{}",
            unknown.err
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_etcd_fails_the_command_line() -> Result<()> {
    scenario("no_etcd_ctl", async |_| {
        let port = ports::closed()?;
        let mut command = Command::new(binaries::path("stolonctl")?);
        command
            .arg("status")
            .args(store_flags(&format!("http://{}", port.address())))
            .args(["--store-timeout", "2s"]);
        let said = ctl::run(&mut command, "")?;
        ensure!(said.code == Some(1) && !said.err.trim().is_empty(), "{said:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_on_a_taken_port_is_refused() -> Result<()> {
    scenario("taken_port", async |_| {
        let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = taken.local_addr()?;
        let etcd = ports::closed()?;
        let mut command = Command::new(binaries::path("stolon-proxy")?);
        command
            .args(store_flags(&format!("http://{}", etcd.address())))
            .args(["--port", &address.port().to_string()]);
        let text = format!(
            "cannot listen on {address}: another process (another stolon-proxy?) listens there; \
             stop it or choose another --port"
        );
        is_fatal(&ctl::run(&mut command, "")?, &text)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_finds_no_etcd_waits_for_it() -> Result<()> {
    scenario("no_etcd_daemon", async |cluster| {
        cluster.serve(FAST, 1).await?;
        let relay = Relay::start(cluster.etcd.address()).await?;
        relay.cut();
        cluster.add_proxy_via(&format!("http://{}", relay.address()))?;
        let proxy = cluster.proxies.last_mut().context("no proxy")?;
        let port = proxy.port();
        eventually("the proxy says that it cannot read", Duration::from_secs(20), async || {
            proxy.process.alive()?;
            let log = proxy.process.log_text()?;
            ensure!(log.contains("\tERROR\t") || log.contains("\tWARN\t"), "{log}");
            Ok(())
        })
        .await?;
        ensure!(
            Client::connect_within(port, Duration::from_secs(1)).await.is_err(),
            "it served without etcd"
        );
        relay.heal();
        soon("the proxy serves", async || Client::connect(port).await?.run("SELECT 1").await).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_password_file_is_refused() -> Result<()> {
    scenario("password_file", async |cluster| {
        cluster.ctl(&["init", "--yes", FAST])?.success()?;
        cluster.add_keeper("keeper1")?;
        cluster.add_sentinel()?;
        cluster.healthy(1, Duration::from_secs(60)).await?;
        let keeper = cluster.keeper_mut("keeper1")?;
        keeper.running()?.stop().await?;
        let missing = ctl::run(keeper.command()?.args(["--pg-su-passwordfile", "/nowhere/password"]), "")?;
        is_fatal(&missing, "cannot read pg superuser password: unable to read password from file /nowhere/password")?;
        let data = keeper.data_dir().to_owned();
        let empty = cluster.scratch.path("empty.password");
        fs::write(&empty, "\n")?;
        fs::set_permissions(&empty, Permissions::from_mode(0o644))?;
        let keeper = cluster.keeper("keeper1")?;
        let refused = ctl::run(keeper.command()?.arg("--pg-repl-passwordfile").arg(&empty), "")?;
        is_fatal(&refused, "replication user password is empty after removing trailing new line")?;
        ensure!(refused.err.contains("password file permissions are too open"), "{}", refused.err);
        ensure!(data.join("postgres/PG_VERSION").is_file(), "the data are gone");
        cluster.restart_keeper("keeper1")?;
        cluster.healthy(1, Duration::from_secs(60)).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_dir_with_open_permissions_is_refused() -> Result<()> {
    scenario("open_data_dir", async |cluster| {
        cluster.serve(FAST, 1).await?;
        cluster
            .client()
            .await?
            .run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
            .await?;
        let keeper = cluster.keeper_mut("keeper1")?;
        keeper.running()?.stop().await?;
        let postgres = keeper.data_dir().join("postgres");
        fs::set_permissions(&postgres, Permissions::from_mode(0o755))?;
        let refused = ctl::run(&mut keeper.command()?, "")?;
        is_fatal(&refused, "is open to other users (mode 0755)")?;
        fs::set_permissions(&postgres, Permissions::from_mode(0o700))?;
        serves_again(cluster).await
    })
    .await
}

/// The keeper starts again, and has lost nothing.
async fn serves_again(cluster: &mut Cluster) -> Result<()> {
    cluster.restart_keeper("keeper1")?;
    cluster.healthy(1, Duration::from_secs(60)).await?;
    soon("the row is there", async || {
        let rows = cluster.client().await?.rows("SELECT id FROM kept").await?;
        ensure!(rows == [["1"]], "{rows:?}");
        Ok(())
    })
    .await
}

/// Everything below a directory: names, modes and contents.
fn contents(directory: &Path) -> Result<BTreeMap<PathBuf, (u32, Vec<u8>)>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let entry = fs::symlink_metadata(&path)?;
            let bytes = if entry.is_file() { fs::read(&path)? } else { Vec::new() };
            if entry.is_dir() {
                directories.push(path.clone());
            }
            found.insert(path, (entry.mode(), bytes));
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_dir_that_cannot_be_written_to_is_refused_at_once_and_left_as_it_is() -> Result<()> {
    scenario("unwritable_data_dir", async |cluster| {
        cluster.serve(FAST, 1).await?;
        let client = cluster.client().await?;
        client.run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await?;
        cluster.keeper_mut("keeper1")?.running()?.stop().await?;
        let keeper = cluster.keeper("keeper1")?;
        let (data, file) = (keeper.data_dir(), cluster.scratch.path("superuser.password"));
        fs::set_permissions(data, Permissions::from_mode(0o500))?;
        let before = contents(data)?;
        for (directory, text) in [
            (
                data.to_owned(),
                format!(
                    "data dir \"{}\" is not writable: permission denied; make it writable for the user that \
                     runs the keeper",
                    data.display()
                ),
            ),
            (file.clone(), format!("cannot create data dir: mkdir {}: File exists", file.display())),
            (
                file.join("below"),
                format!("cannot create data dir: mkdir {}/below: Not a directory", file.display()),
            ),
        ] {
            let start = Instant::now();
            let refused = ctl::run(keeper.command()?.arg("--data-dir").arg(&directory), "")?;
            ensure!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
            is_fatal(&refused, &text)?;
        }
        ensure!(contents(data)? == before, "something changed in the data directory");
        fs::set_permissions(data, Permissions::from_mode(0o700))?;
        serves_again(cluster).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_dir_of_another_cluster_is_refused() -> Result<()> {
    scenario("foreign_data_dir", async |cluster| {
        cluster.serve(FAST, 1).await?;
        cluster
            .client()
            .await?
            .run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
            .await?;
        let good = cluster.etcd.get(&cluster.key("clusterdata"))?.context("no cluster data")?;
        for sentinel in &mut cluster.sentinels {
            sentinel.process.stop().await?;
        }
        cluster.keeper_mut("keeper1")?.running()?.stop().await?;
        cluster.ctl(&["init", "--yes", FAST])?.success()?;
        cluster.add_sentinel()?;
        let keeper = cluster.keeper("keeper1")?;
        let refused = ctl::run(&mut keeper.command()?, "")?;
        is_fatal(&refused, "belongs to cluster ")?;
        ensure!(keeper.data_dir().join("postgres/PG_VERSION").is_file(), "the data are gone");

        // With its own cluster data back everything is as it was.
        cluster.sentinels.clear();
        cluster.etcd.put(&cluster.key("clusterdata"), &good)?;
        cluster.add_sentinel()?;
        serves_again(cluster).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_keeper_on_one_data_dir_is_refused() -> Result<()> {
    scenario("second_keeper", async |cluster| {
        cluster.ctl(&["init", "--yes", FAST])?.success()?;
        cluster.add_keeper("keeper1")?;
        let first = cluster.keeper_mut("keeper1")?;
        first
            .running()?
            .logged("exclusive lock on data dir taken", Duration::from_secs(20))
            .await?;
        let refused = ctl::run(&mut first.command()?, "")?;
        is_fatal(&refused, "cannot take exclusive lock on data dir")?;
        first.running()?.alive()
    })
    .await
}
