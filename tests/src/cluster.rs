//! Everything of one test: etcd, sentinels, keepers and proxies of one cluster.

use crate::binaries::Origin;
use crate::client::{Client, PASSWORD};
use crate::ctl::{self, Said};
use crate::etcd::Etcd;
use crate::eventually;
use crate::keeper::{Keeper, Site};
use crate::postgres::{OsUser, Postgres};
use crate::proxy::Proxy;
use crate::scratch::Scratch;
use crate::sentinel::Sentinel;
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The `--cluster-name`.
pub const NAME: &str = "e2e";

/// A spec whose timers are short, for tests that are not about the default ones.
pub const FAST: &str = r#"{"initMode": "new", "sleepInterval": "1s", "failInterval": "3s", "proxyCheckInterval": "1s",
    "proxyTimeout": "3s"}"#;

/// [`FAST`] with further options.
pub fn fast_with(options: &str) -> String {
    format!("{}, {options}}}", FAST.trim_end_matches('}'))
}

/// What a test works with. Fields are dropped in order: first the clients of etcd, then etcd, then the files.
#[derive(Debug)]
pub struct Cluster {
    /// Every proxy that was started.
    pub proxies: Vec<Proxy>,
    /// The sentinels.
    pub sentinels: Vec<Sentinel>,
    /// Every keeper that was started.
    pub keepers: Vec<Keeper>,
    /// The store.
    pub etcd: Etcd,
    /// What keepers share, and whose binaries are started.
    pub site: Site,
    /// The files.
    pub scratch: Scratch,
    /// How many sentinels were started, also those that were taken out again: each has a log of its own.
    started_sentinels: usize,
}

impl Cluster {
    /// An etcd with nothing in it.
    pub async fn new() -> Result<Self> {
        Self::with(Postgres::installed()?).await
    }

    /// An etcd with nothing in it, for keepers that run `postgres`.
    pub async fn with(postgres: Postgres) -> Result<Self> {
        let (scratch, user) = (Scratch::new()?, OsUser::find()?);
        let passwords = (
            password_file(&scratch, user, "superuser", PASSWORD)?,
            password_file(&scratch, user, "repl", "r3pl")?,
        );
        let etcd = Etcd::start(&scratch).await?;
        let store = store_flags(&etcd.endpoint());
        let origin = Origin::Ours;
        let site = Site { origin, postgres, user, store, daemon: vec![], passwords };
        Ok(Self {
            proxies: vec![],
            sentinels: vec![],
            keepers: vec![],
            etcd,
            site,
            scratch,
            started_sentinels: 0,
        })
    }

    /// `stolonctl init` with `spec`, then the processes: two sentinels, `keepers` keepers and a proxy.
    pub async fn start(&mut self, spec: &str, keepers: usize) -> Result<()> {
        self.ctl(&["init", "--yes", spec])?.success().context("stolonctl init")?;
        self.add_sentinel()?;
        self.add_sentinel()?;
        for number in 1..=keepers {
            self.add_keeper(&format!("keeper{number}"))?;
        }
        self.add_proxy()?;
        Ok(())
    }

    /// [`Cluster::start`], and waits until everything streams and the proxy serves.
    pub async fn serve(&mut self, spec: &str, keepers: usize) -> Result<()> {
        self.start(spec, keepers).await?;
        self.healthy(keepers, Duration::from_secs(120)).await?;
        eventually("the proxy serves", Duration::from_secs(20), async || {
            self.client().await?.run("SELECT 1").await
        })
        .await
    }

    /// Starts a further sentinel.
    pub fn add_sentinel(&mut self) -> Result<()> {
        self.started_sentinels += 1;
        let name = format!("sentinel{}", self.started_sentinels);
        self.sentinels.push(Sentinel::start(
            &self.scratch,
            &name,
            self.site.origin,
            &[&self.site.store[..], &self.site.daemon].concat(),
        )?);
        Ok(())
    }

    /// Starts a further keeper.
    pub fn add_keeper(&mut self, uid: &str) -> Result<()> {
        self.keepers.push(Keeper::start(&self.scratch, uid, &self.site)?);
        Ok(())
    }

    /// Makes a further keeper that does not run yet: [`Cluster::restart_keeper`] starts it.
    pub fn prepare_keeper(&mut self, uid: &str, flags: &[&str]) -> Result<&mut Keeper> {
        let mut keeper = Keeper::prepare(&self.scratch, uid, &self.site)?;
        keeper.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.keepers.push(keeper);
        self.keeper_mut(uid)
    }

    /// Starts a keeper on a small disk.
    pub fn add_small_keeper(&mut self, uid: &str) -> Result<()> {
        self.prepare_keeper(uid, &[])?.use_small_disk()?;
        self.restart_keeper(uid)
    }

    /// A new directory that belongs to the user who runs PostgreSQL.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.scratch.path(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        self.site.user.own(&path)?;
        Ok(path)
    }

    /// Makes a PostgreSQL that no keeper runs, with its data in `pgdata`, and the roles of the cluster's keepers.
    pub async fn outsider(&self, pgdata: PathBuf) -> Result<Server> {
        Server::init(&self.scratch, &self.site, pgdata).await
    }

    /// A backup of an outsider that had the table `kept` with the row 1, and runs no longer; `options` are pg_basebackup's.
    pub async fn backup_with_a_row(&self, options: &[&str]) -> Result<PathBuf> {
        let mut origin = self.outsider(self.directory("origin")?).await?;
        let client = origin.client().await?;
        client.run("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await?;
        drop(client);
        let backup = self.directory("backup")?;
        origin.backup(&backup, options)?;
        origin.stop("fast")?;
        Ok(backup)
    }

    /// Starts a further proxy.
    pub fn add_proxy(&mut self) -> Result<()> {
        let endpoint = self.etcd.endpoint();
        self.add_proxy_via(&endpoint)
    }

    /// Starts a further proxy that reaches etcd at `endpoint`.
    pub fn add_proxy_via(&mut self, endpoint: &str) -> Result<()> {
        let name = format!("proxy{}", self.proxies.len() + 1);
        let flags = [store_flags(endpoint), self.site.daemon.clone()].concat();
        let proxy = Proxy::start(&self.scratch, &name, self.site.origin, &flags)?;
        self.proxies.push(proxy);
        Ok(())
    }

    /// Runs `stolonctl` on this cluster.
    pub fn ctl(&self, arguments: &[&str]) -> Result<Said> {
        self.ctl_with_input(arguments, "")
    }

    /// Runs `stolonctl` on this cluster with something on its stdin.
    pub fn ctl_with_input(&self, arguments: &[&str], input: &str) -> Result<Said> {
        self.ctl_of(Origin::Ours, arguments, input)
    }

    /// Runs whose `stolonctl` on this cluster, with something on its stdin.
    pub fn ctl_of(&self, origin: Origin, arguments: &[&str], input: &str) -> Result<Said> {
        let mut command = Command::new(origin.path("stolonctl")?);
        ctl::run(command.args(arguments).args(&self.site.store), input)
    }

    /// Runs a subcommand of `stolonctl` that gives up when the leader wrote at the same moment, until it succeeds.
    pub async fn ctl_insist(&self, arguments: &[&str]) -> Result<()> {
        eventually(
            &format!("stolonctl {} succeeds", arguments.join(" ")),
            Duration::from_secs(10),
            async || self.ctl(arguments)?.success().map(|_| ()),
        )
        .await
    }

    /// Changes options of the cluster's spec.
    pub fn patch(&self, options: &str) -> Result<()> {
        self.ctl(&["update", "--patch", options])?.success().map(|_| ())
    }

    /// Waits until one of the sentinels has logged `text`.
    pub async fn sentinel_logs(&self, text: &str, within: Duration) -> Result<()> {
        eventually(&format!("a sentinel logs \"{text}\""), within, async || {
            let logs = self.sentinels.iter().map(|sentinel| sentinel.process.log_text());
            let logs = logs.collect::<Result<Vec<_>>>()?;
            ensure!(logs.iter().any(|log| log.contains(text)), "none does");
            Ok(())
        })
        .await
    }

    /// The full name of one of the cluster's keys.
    pub fn key(&self, name: &str) -> String {
        format!("stolon/cluster/{NAME}/{name}")
    }

    /// The cluster data as it is stored.
    pub fn cluster_data(&self) -> Result<Value> {
        let bytes = self.etcd.get(&self.key("clusterdata"))?.context("there is no cluster data")?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// `stolonctl status` as JSON.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.ctl(&["status", "--format", "json"])?.success()?)?)
    }

    /// Which of the sentinels leads.
    pub fn leader(&self) -> Result<usize> {
        let status = self.status()?;
        let mut all = status.get("sentinels").and_then(Value::as_array).into_iter().flatten();
        let leader = all.find(|sentinel| sentinel.get("leader") == Some(&Value::Bool(true)));
        let uid = text(leader.context("no sentinel leads")?, "/uid");
        let place = self.sentinels.iter().position(|one| one.uid().is_ok_and(|own| own == uid));
        place.with_context(|| format!("the leader {uid} is none of ours"))
    }

    /// The uid of the master's keeper.
    pub fn master_uid(&self) -> Result<String> {
        let data = self.cluster_data()?;
        let db = text(&data, "/cluster/status/master");
        let keeper = text(&data, &format!("/dbs/{db}/spec/keeperUID"));
        ensure!(!keeper.is_empty(), "there is no master");
        Ok(keeper.to_owned())
    }

    /// The keeper with this uid.
    pub fn keeper(&self, uid: &str) -> Result<&Keeper> {
        self.keepers
            .iter()
            .find(|keeper| keeper.uid == uid)
            .with_context(|| format!("no keeper {uid}"))
    }

    /// The keeper with this uid, to do something to it.
    pub fn keeper_mut(&mut self, uid: &str) -> Result<&mut Keeper> {
        self.keepers
            .iter_mut()
            .find(|keeper| keeper.uid == uid)
            .with_context(|| format!("no keeper {uid}"))
    }

    /// Starts a keeper again.
    pub fn restart_keeper(&mut self, uid: &str) -> Result<()> {
        let keeper = self.keepers.iter_mut().find(|keeper| keeper.uid == uid);
        keeper.with_context(|| format!("no keeper {uid}"))?.restart(&self.scratch)
    }

    /// The keepers of the synchronous standbys that the master requires and is known to have, if these are the same.
    pub fn in_sync(&self) -> Result<Vec<String>> {
        let data = self.cluster_data()?;
        let master = text(&data, "/cluster/status/master");
        let place = |part: &str| format!("/dbs/{master}/{part}/synchronousStandbys");
        let (spec, status) = (data.pointer(&place("spec")), data.pointer(&place("status")));
        ensure!(spec == status, "{spec:?} are required, {status:?} in sync");
        let dbs = spec.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Ok(dbs.map(|db| text(&data, &format!("/dbs/{db}/spec/keeperUID")).to_owned()).collect())
    }

    /// Waits until somebody may be elected: a standby that is required and in sync.
    pub async fn synchronous(&self) -> Result<()> {
        eventually("a standby is required and in sync", Duration::from_secs(60), async || {
            ensure!(!self.in_sync()?.is_empty(), "none is required");
            Ok(())
        })
        .await
    }

    /// Waits until the master is another than `old`, and names it.
    pub async fn new_master(&self, old: &str, within: Duration) -> Result<String> {
        eventually("another keeper is master", within, async || {
            let now = self.master_uid()?;
            ensure!(now != old, "it is still {now}");
            Ok(now)
        })
        .await
    }

    /// The master's keeper.
    pub fn master(&self) -> Result<&Keeper> {
        self.keeper(&self.master_uid()?)
    }

    /// The keepers that are not the master's.
    pub fn standbys(&self) -> Result<Vec<&Keeper>> {
        let master = self.master_uid()?;
        Ok(self.keepers.iter().filter(|keeper| keeper.uid != master).collect())
    }

    /// The first proxy.
    pub fn proxy(&self) -> Result<&Proxy> {
        self.proxies.first().context("no proxy was started")
    }

    /// A session through the first proxy.
    pub async fn client(&self) -> Result<Client> {
        Client::connect(self.proxy()?.port()).await
    }

    /// Waits until there are `keepers` healthy, converged instances: a master and standbys that stream from it.
    pub async fn healthy(&self, keepers: usize, within: Duration) -> Result<()> {
        eventually(&format!("a healthy cluster of {keepers}"), within, async || {
            self.check_healthy(keepers).await
        })
        .await
    }

    async fn check_healthy(&self, keepers: usize) -> Result<()> {
        let data = self.cluster_data()?;
        ensure!(
            text(&data, "/cluster/status/phase") == "normal",
            "the phase is {}",
            text(&data, "/cluster/status/phase")
        );
        let dbs = data.get("dbs").and_then(Value::as_object).context("no dbs")?;
        ensure!(dbs.len() == keepers, "there are {} dbs", dbs.len());
        for (uid, db) in dbs {
            let keeper = text(db, "/spec/keeperUID");
            ensure!(
                db.pointer("/status/healthy") == Some(&Value::Bool(true)),
                "db {uid} of {keeper} is not healthy"
            );
            let (wanted, current) = (db.get("generation"), db.pointer("/status/currentGeneration"));
            ensure!(
                wanted == current,
                "db {uid} of {keeper} is at generation {current:?} of {wanted:?}"
            );
        }
        let master = self.master()?.client().await?;
        let streaming = master
            .rows("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'")
            .await?;
        ensure!(streaming.len() == keepers - 1, "{} standbys stream", streaming.len());
        Ok(())
    }

    /// Waits until `row` is on every standby: `query` gives the same value there as on the master.
    pub async fn replicated(&self, query: &str) -> Result<()> {
        let wanted = self.master()?.client().await?.rows(query).await?;
        for standby in self.standbys()? {
            let what = format!("{} has what the master has for {query}", standby.uid);
            eventually(&what, Duration::from_secs(20), async || {
                let rows = standby.client().await?.rows(query).await?;
                ensure!(rows == wanted, "{rows:?} is not {wanted:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// What the cluster looks like, for the report of a failed test.
    pub fn describe(&self) -> String {
        match self.ctl(&["status"]) {
            Ok(said) => format!("{}{}", said.out, said.err),
            Err(error) => format!("{error:#}"),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // An assertion failed; an error is reported by the frame of the test.
            let _ = std::io::stderr().write_all(self.scratch.show_logs().as_bytes());
        }
    }
}

/// The uid of the db of a keeper.
pub fn db_of(data: &Value, keeper: &str) -> Result<String> {
    let dbs = data.get("dbs").and_then(Value::as_object).context("no dbs")?;
    let mut of_keeper = dbs.iter().filter(|(_, db)| text(db, "/spec/keeperUID") == keeper);
    Ok(of_keeper.next().with_context(|| format!("no db of {keeper}"))?.0.clone())
}

/// The text at a place in a JSON value, or the empty string.
pub fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// The flags that lead to the cluster in the etcd at `endpoint`.
pub fn store_flags(endpoint: &str) -> Vec<String> {
    ["--cluster-name", NAME, "--store-backend", "etcdv3", "--store-endpoints", endpoint]
        .map(str::to_owned)
        .to_vec()
}

fn password_file(scratch: &Scratch, user: OsUser, name: &str, password: &str) -> Result<PathBuf> {
    let path = scratch.path(&format!("{name}.password"));
    fs::write(&path, password)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    user.own(&path)?;
    Ok(path)
}
