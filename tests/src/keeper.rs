//! One `stolon-keeper` and its PostgreSQL.

use crate::admin::Admin;
use crate::binaries::Origin;
use crate::client::{Client, DEADLINE, SUPERUSER};
use crate::orphans;
use crate::ports::Port;
use crate::postgres::{OsUser, Postgres};
use crate::process::Process;
use crate::scratch::Scratch;
use crate::small_disk::SmallDisk;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// What every keeper of a cluster shares.
#[derive(Clone, Debug)]
pub struct Site {
    /// Whose binary a new keeper is.
    pub origin: Origin,
    /// The programs.
    pub postgres: Postgres,
    /// The user that runs keeper and PostgreSQL.
    pub user: OsUser,
    /// The flags that lead to the cluster.
    pub store: Vec<String>,
    /// Further flags of every daemon.
    pub daemon: Vec<String>,
    /// Files with the passwords of superuser and replication user.
    pub passwords: (PathBuf, PathBuf),
}

/// A keeper under test. Its data, address and port outlive its process.
#[derive(Debug)]
pub struct Keeper {
    /// The uid it was given.
    pub uid: String,
    /// The process, if it runs.
    pub process: Option<Process>,
    /// Whose binary it is.
    pub origin: Origin,
    /// Further flags.
    pub flags: Vec<String>,
    /// Whether its PostgreSQL asks nobody for a password.
    pub trusts: bool,
    /// What it shows of itself.
    pub admin: Admin,
    site: Site,
    address: String,
    port: Port,
    data: PathBuf,
    /// The disk of its data, if it is one of its own. Unmounted when PostgreSQL has ended.
    disk: Option<SmallDisk>,
}

impl Keeper {
    /// Makes a keeper with an empty data directory and starts it.
    pub fn start(scratch: &Scratch, uid: &str, site: &Site) -> Result<Self> {
        let mut keeper = Self::prepare(scratch, uid, site)?;
        keeper.restart(scratch)?;
        Ok(keeper)
    }

    /// Makes a keeper with an empty data directory that does not run yet.
    pub fn prepare(scratch: &Scratch, uid: &str, site: &Site) -> Result<Self> {
        let data = scratch.path(uid);
        fs::create_dir(&data)?;
        site.user.own(&data)?;
        Ok(Self {
            uid: uid.to_owned(),
            process: None,
            origin: site.origin,
            flags: Vec::new(),
            trusts: false,
            admin: Admin::reserve()?,
            site: site.clone(),
            address: "127.0.0.1".to_owned(),
            port: Port::reserve()?,
            data,
            disk: None,
        })
    }

    /// Puts its data directory, which is empty, on a small disk.
    pub fn use_small_disk(&mut self) -> Result<()> {
        self.disk = Some(SmallDisk::mount(&self.data, self.site.user)?);
        Ok(())
    }

    /// Its small disk.
    pub fn disk(&self) -> Result<&SmallDisk> {
        self.disk.as_ref().with_context(|| format!("{} has no small disk", self.uid))
    }

    /// Starts its process again.
    pub fn restart(&mut self, scratch: &Scratch) -> Result<()> {
        let mut command = self.command()?;
        command.args(self.admin.flags());
        self.process = Some(Process::start(scratch, &self.uid, &mut command)?);
        Ok(())
    }

    /// Its command line, which a test may change.
    pub fn command(&self) -> Result<Command> {
        orphans::adopt();
        let Site { postgres, user, store, daemon, passwords, .. } = &self.site;
        let mut command = Command::new(self.origin.path("stolon-keeper")?);
        // The environment of whoever runs the tests is not the subject.
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.data);
        command
            .args(store)
            .args(daemon)
            .args(["--uid", &self.uid])
            .arg("--data-dir")
            .arg(&self.data);
        command.args([
            "--pg-listen-address",
            &self.address,
            "--pg-port",
            &self.port.number.to_string(),
        ]);
        command.arg("--pg-bin-path").arg(&postgres.bin);
        command.args(["--pg-su-username", SUPERUSER, "--pg-repl-username", "repl"]);
        if self.trusts {
            command.args(["--pg-su-auth-method", "trust", "--pg-repl-auth-method", "trust"]);
        } else {
            command.arg("--pg-su-passwordfile").arg(&passwords.0);
            command.arg("--pg-repl-passwordfile").arg(&passwords.1);
        }
        command.args(&self.flags);
        user.run(&mut command);
        Ok(command)
    }

    /// Ends it and its PostgreSQL as an operator does.
    pub async fn stop(&mut self) -> Result<()> {
        self.running()?.stop().await?;
        self.process = None;
        Ok(())
    }

    /// From its next start on its PostgreSQL listens at `address`, and at another port.
    pub fn move_to(&mut self, address: &str) -> Result<()> {
        self.port = Port::reserve()?;
        address.clone_into(&mut self.address);
        Ok(())
    }

    /// Where its PostgreSQL listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The port of its PostgreSQL.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Its `--data-dir`.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Its PGDATA.
    pub fn pgdata(&self) -> PathBuf {
        self.data.join("postgres")
    }

    /// A file of its data directory as JSON.
    pub fn state(&self, name: &str) -> Result<Value> {
        let path = self.data.join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// A session with its PostgreSQL, past the proxy.
    pub async fn client(&self) -> Result<Client> {
        Client::connect_at(&self.address, self.port(), DEADLINE).await
    }

    /// The replication slots of its PostgreSQL.
    pub async fn slots(&self) -> Result<BTreeSet<String>> {
        let rows = self.client().await?.rows("SELECT slot_name FROM pg_replication_slots").await?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The process that receives WAL from the followed PostgreSQL.
    pub async fn wal_receiver(&self) -> Result<Pid> {
        let pid = self.client().await?.value("SELECT pid FROM pg_stat_wal_receiver").await?;
        Pid::from_raw(pid.parse()?).context("it has no process")
    }

    /// Everything in its data directory is gone, as if another disk had been put in its place. It must not run.
    pub fn lose_data(&self) -> Result<()> {
        for entry in fs::read_dir(&self.data)? {
            let path = entry?.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    }

    /// The running process.
    pub fn running(&mut self) -> Result<&mut Process> {
        self.process.as_mut().with_context(|| format!("{} does not run", self.uid))
    }

    /// SIGKILL for keeper and PostgreSQL at once, as if the machine had lost its power.
    pub fn kill_node(&mut self) -> Result<()> {
        let postmaster = self.postmaster();
        let mut process =
            self.process.take().with_context(|| format!("{} does not run", self.uid))?;
        orphans::kill_tree(i32::try_from(process.pid())?);
        if let Some(postmaster) = postmaster {
            orphans::kill_tree(postmaster);
        }
        process.kill()?;
        self.without_postmaster()
    }

    /// SIGKILL for the postmaster and its children; the keeper lives.
    pub fn kill_postgres(&self) -> Result<()> {
        let postmaster = self.postmaster().context("no postmaster runs")?;
        orphans::kill_tree(postmaster);
        // The keeper may start the next one at once.
        self.until(|| self.postmaster() != Some(postmaster))
    }

    /// SIGKILL for the keeper; its PostgreSQL lives.
    pub fn kill_keeper(&mut self) -> Result<()> {
        self.process.take().with_context(|| format!("{} does not run", self.uid))?.kill()
    }

    /// Waits until no postmaster runs. SIGKILL takes effect when the kernel comes to it.
    fn without_postmaster(&self) -> Result<()> {
        self.until(|| self.postmaster().is_none())
    }

    fn until(&self, is_so: impl Fn() -> bool) -> Result<()> {
        for _ in 0..250 {
            if is_so() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the postmaster of {} does not end", self.uid)
    }

    /// The pid of the running postmaster.
    pub fn postmaster(&self) -> Option<i32> {
        let file = fs::read_to_string(self.data.join("postgres/postmaster.pid")).ok()?;
        let pid = file.lines().next()?.trim().parse().ok()?;
        // The file of a killed postmaster stays, and its pid may be another process' by now.
        let entry = orphans::look(pid)?;
        let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        (!entry.is_zombie && directory == self.data.join("postgres")).then_some(pid)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let children = orphans::all();
            let keeper = i32::try_from(process.pid()).unwrap_or_default();
            let _ = process.kill();
            for child in
                children.iter().filter(|child| child.parent == keeper && child.name != "postgres")
            {
                orphans::kill_tree(child.pid.as_raw_nonzero().get());
            }
        }
        // An immediate shutdown removes the shared memory, which SIGKILL would leave behind.
        if let Some(postmaster) = self.postmaster() {
            let send = |pid: i32, signal| Pid::from_raw(pid).map(|pid| kill_process(pid, signal));
            let _ = send(postmaster, Signal::QUIT);
            // A test may have frozen them.
            for pid in orphans::tree(postmaster) {
                let _ = send(pid, Signal::CONT);
            }
        }
        if self.without_postmaster().is_ok() {
            return;
        }
        if let Some(pid) = self.postmaster() {
            orphans::kill_tree(pid);
        }
    }
}
