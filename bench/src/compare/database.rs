//! The PostgreSQL behind the peers, with what the programs need in it.

use super::ground::Ground;
use super::wire::Session;
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use stolon_tests::eventually;
use stolon_tests::ports::Port;
use stolon_tests::postgres::Postgres;
use stolon_tests::process::Process;

/// Its superuser, trusted on 127.0.0.1.
pub const USER: &str = "bench";
/// A row of the table that is copied.
const ROW: u64 = 1024;
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Database {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    bin: PathBuf,
    file: PathBuf,
    bytes: u64,
    process: Process,
    _reserved: Port,
}

impl Database {
    /// Makes and starts one. Nothing waits for a disk: what is measured is the path to it.
    pub async fn start(ground: &Ground) -> Result<Self> {
        let bin = Postgres::installed()?.bin;
        let reserved = Port::reserve()?;
        let data = ground.scratch.path("pgdata");
        fs::create_dir(&data)?;
        ground.user.own(&data)?;
        let mut initdb = Command::new(bin.join("initdb"));
        initdb.args(["--auth", "trust", "--username", USER, "--no-sync", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C", "--pgdata"]).arg(&data);
        ground.user.run(&mut initdb);
        checked(&mut initdb)?;
        let mut command = Command::new(bin.join("postgres"));
        command.arg("-D").arg(&data);
        for setting in [
            "listen_addresses=127.0.0.1",
            &format!("port={}", reserved.number),
            "unix_socket_directories=",
            "max_connections=300",
            "shared_buffers=256MB",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_wal_size=4GB",
            "autovacuum=off",
            "log_min_messages=fatal",
            "log_min_error_statement=fatal",
        ] {
            command.args(["-c", setting]);
        }
        ground.user.run(&mut command);
        let process = Process::start(&ground.scratch, "postgres", &mut command)?;
        let port = reserved.number;
        eventually("PostgreSQL answers", Duration::from_secs(30), async || {
            tokio::task::spawn_blocking(move || Session::connect(port).map(drop)).await?
        })
        .await?;
        Ok(Self {
            port,
            bin,
            file: ground.scratch.path("rows"),
            bytes: 0,
            process,
            _reserved: reserved,
        })
    }

    /// Fills pgbench's tables.
    pub fn fill_pgbench(&self, scale: u32) -> Result<()> {
        let mut command = self.pgbench(self.port);
        checked(command.args(["-i", "-q", "-s", &scale.to_string()])).map(|_| ())
    }

    /// Makes the table that is copied, of `bytes`, and the file with its rows.
    pub fn fill_rows(&mut self, bytes: u64) -> Result<()> {
        let rows = bytes / ROW;
        self.bytes = rows * ROW;
        // A number of ten digits, a tab, the text, a newline.
        self.sql(&format!(
            "CREATE UNLOGGED TABLE rows (number text, filler text); CREATE UNLOGGED TABLE sink (LIKE rows); \
             INSERT INTO rows SELECT lpad(n::text, 10, '0'), rpad(md5(n::text), {}, 'x') FROM generate_series(1, {rows}) n",
            ROW - 12
        ))?;
        timed(&mut self.copy_out(self.port, Some(&self.file))?)?;
        let size = fs::metadata(&self.file)?.len();
        ensure!(size == self.bytes, "the file of rows has {size} bytes and not {}", self.bytes);
        Ok(())
    }

    /// How much a copy carries.
    pub fn copied_bytes(&self) -> u64 {
        self.bytes
    }

    /// `pgbench` against a port.
    pub fn pgbench(&self, port: u16) -> Command {
        let mut command = Command::new(self.bin.join("pgbench"));
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", USER, "-d", "postgres"]);
        command.arg("-n").stdin(Stdio::null());
        command
    }

    fn psql(&self, port: u16, sql: &str) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", USER, "-d", "postgres"]);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]).stdin(Stdio::null());
        command
    }

    /// Runs statements at the database itself.
    pub fn sql(&self, sql: &str) -> Result<()> {
        checked(&mut self.psql(self.port, sql)).map(|_| ())
    }

    /// COPY TO STDOUT through a port, into a file or away.
    pub fn copy_out(&self, port: u16, to: Option<&Path>) -> Result<Command> {
        let mut command = self.psql(port, "COPY rows TO STDOUT");
        let to = File::create(to.unwrap_or(Path::new("/dev/null")))?;
        command.stdout(to);
        Ok(command)
    }

    /// COPY FROM STDIN through a port into a table that this empties.
    pub fn copy_in(&self, port: u16) -> Result<Command> {
        self.sql("TRUNCATE sink")?;
        let mut command = self.psql(port, "COPY sink FROM STDIN");
        command.stdin(File::open(&self.file)?);
        Ok(command)
    }
}

/// Runs a program to its end. How long that took.
pub fn timed(command: &mut Command) -> Result<Duration> {
    let began = Instant::now();
    let output = command.stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    let elapsed = began.elapsed();
    succeeded(command, output)?;
    Ok(elapsed)
}

/// Runs a program to its end; its errors are ours.
pub fn checked(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    succeeded(command, output)
}

fn succeeded(command: &Command, output: Output) -> Result<String> {
    ensure!(
        output.status.success(),
        "{} failed: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Drop for Database {
    fn drop(&mut self) {
        // An immediate shutdown: a killed postmaster would leave its shared memory behind.
        if self.process.signal(Signal::QUIT).is_ok() {
            let asked = Instant::now();
            while self.process.alive().is_ok() && asked.elapsed() < STOP_WITHIN {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
