//! A PostgreSQL that no keeper runs: an external primary, data to adopt, the origin of a backup.

use crate::client::{Client, SUPERUSER};
use crate::ctl;
use crate::keeper::Site;
use crate::orphans;
use crate::ports::Port;
use crate::scratch::Scratch;
use anyhow::Result;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The replication user of the keepers, and its password.
pub const REPLICATION: (&str, &str) = ("repl", "r3pl");

/// A server with its data; it need not run.
#[derive(Debug)]
pub struct Server {
    pgdata: PathBuf,
    port: Port,
    site: Site,
    is_running: bool,
}

impl Server {
    /// `initdb`, a start, and the roles that keepers use.
    pub async fn init(scratch: &Scratch, site: &Site, pgdata: PathBuf) -> Result<Self> {
        let mut server =
            Self { pgdata, port: Port::reserve()?, site: site.clone(), is_running: false };
        let pgdata = server.pgdata.display().to_string();
        let passwords = site.passwords.0.display().to_string();
        server.program(
            "initdb",
            ["-D", &pgdata, "-U", SUPERUSER, "--pwfile", &passwords, "--auth", "md5", "-E", "UTF8"],
        )?;
        server
            .configure(&format!("port = {}\nlisten_addresses = '127.0.0.1'", server.port.number))?;
        server.start(scratch)?;
        let (user, password) = REPLICATION;
        server
            .client()
            .await?
            .run(&format!("CREATE ROLE {user} LOGIN REPLICATION PASSWORD '{password}'"))
            .await?;
        Ok(server)
    }

    /// Appends lines to `postgresql.conf`.
    pub fn configure(&self, lines: &str) -> Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.pgdata.join("postgresql.conf"))?;
        Ok(writeln!(file, "{lines}")?)
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self, scratch: &Scratch) -> Result<()> {
        let (pgdata, log) = (self.pgdata.display().to_string(), scratch.log("outsider")?.0);
        self.site.user.own(&log)?;
        let log = log.display().to_string();
        let options = "-c unix_socket_directories=/tmp";
        self.program("pg_ctl", ["start", "-w", "-D", &pgdata, "-l", &log, "-o", options])?;
        self.is_running = true;
        Ok(())
    }

    /// Stops it: `fast`, `immediate`.
    pub fn stop(&mut self, mode: &str) -> Result<()> {
        let pgdata = self.pgdata.display().to_string();
        self.program("pg_ctl", ["stop", "-w", "-D", &pgdata, "-m", mode])?;
        self.is_running = false;
        Ok(())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Its PGDATA.
    pub fn pgdata(&self) -> &Path {
        &self.pgdata
    }

    /// A session as superuser.
    pub async fn client(&self) -> Result<Client> {
        Client::connect(self.port()).await
    }

    /// How a standby of the keepers connects to it.
    pub fn conninfo(&self) -> String {
        let (user, password) = REPLICATION;
        format!("host=127.0.0.1 port={} user={user} password={password}", self.port())
    }

    /// `pg_basebackup` of it into `target`.
    pub fn backup(&self, target: &Path, options: &[&str]) -> Result<()> {
        let target = target.display().to_string();
        let conninfo = self.conninfo();
        let arguments = ["-D", &target, "-d", &conninfo, "-c", "fast"];
        self.program("pg_basebackup", arguments.into_iter().chain(options.iter().copied()))
    }

    fn program(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<()> {
        // Below a shell, because this process collects PostgreSQL's programs among its own children as orphans.
        orphans::adopt();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "\"$0\" \"$@\"; exit $?"]).arg(self.site.postgres.bin.join(name));
        command.args(arguments).current_dir("/");
        self.site.user.run(&mut command);
        ctl::run(&mut command, "")?.success().map(|_| ())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_running {
            // Where it has gone already there is nothing to stop.
            let _ = self.stop("immediate");
        }
    }
}
