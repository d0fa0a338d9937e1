//! Keepers as processes of their own, run by a user that PostgreSQL accepts.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Every wait of the tests ends after this.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

pub fn poll_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Looks until `look` succeeds. When that takes too long: what the last look came to.
pub async fn until<T, E>(mut look: impl AsyncFnMut() -> Result<T, E>) -> Result<T, E> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look().await;
        if seen.is_ok() || Instant::now() >= deadline {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The directory of the newest PostgreSQL on this machine.
pub fn pg_bin() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL must be installed")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL must be installed").1
}

/// Whom PostgreSQL runs as: ourselves, or the user `postgres` when we are root.
fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("user postgres");
    let mut fields = line.split(':').skip(2).map(|id| id.parse().unwrap());
    Some((fields.next().unwrap(), fields.next().unwrap()))
}

/// A directory for the data of several keepers, and for a copy of the binary where every user can read it.
pub struct Home {
    dir: TempDir,
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("keeper-test-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = dir.path().join("stolon-keeper");
        fs::copy(env!("CARGO_BIN_EXE_stolon-keeper"), &binary).unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        if let Some((uid, gid)) = server_user() {
            chown(&data, Some(uid), Some(gid)).unwrap();
        }
        Self { dir }
    }

    pub fn data(&self, uid: &str) -> PathBuf {
        self.dir.path().join("data").join(uid)
    }

    /// The keeper `uid` with every flag it needs.
    pub fn command(&self, uid: &str, port: u16, endpoint: &str) -> Command {
        let mut command = Command::new(self.dir.path().join("stolon-keeper"));
        command
            .arg(format!("--data-dir={}", self.data(uid).display()))
            .arg(format!("--uid={uid}"))
            .arg(format!("--pg-port={port}"))
            .arg(format!("--pg-bin-path={}", pg_bin().display()))
            .arg(format!("--store-endpoints={endpoint}"))
            .args(["--cluster-name=test", "--store-backend=etcdv3", "--log-color=false"])
            .args(["--pg-listen-address=127.0.0.1", "--store-timeout=2s"])
            .args(["--pg-su-username=su", "--pg-su-password=su 'pw\\"])
            .args(["--pg-repl-username=repl", "--pg-repl-password=repl:pw"])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some((uid, gid)) = server_user() {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs the keeper to its end, which must come soon.
    pub fn output(&self, mut command: Command) -> Output {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut process = Process::new(child, self.log("output"));
        poll_until("the keeper to end", || process.child.try_wait().unwrap());
        process.child.wait().unwrap();
        let mut output =
            Output { status: process.child.wait().unwrap(), stdout: vec![], stderr: vec![] };
        std::io::Read::read_to_end(process.child.stdout.as_mut().unwrap(), &mut output.stdout)
            .unwrap();
        std::io::Read::read_to_end(process.child.stderr.as_mut().unwrap(), &mut output.stderr)
            .unwrap();
        output
    }

    /// Starts the keeper; its log goes to a file.
    pub fn start(&self, uid: &str, mut command: Command) -> Process {
        let path = self.log(uid);
        let log = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        Process::new(command.stderr(log).spawn().unwrap(), path)
    }

    fn log(&self, uid: &str) -> PathBuf {
        self.dir.path().join(format!("{uid}.log"))
    }
}

/// A process that does not outlive its test.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn new(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM, and wait for the end.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        signal(self.child.id(), rustix::process::Signal::TERM);
        poll_until("the keeper to end", || self.child.try_wait().unwrap())
    }

    /// SIGKILL of the keeper alone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            signal(self.child.id(), rustix::process::Signal::TERM);
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline && self.child.try_wait().is_ok_and(|s| s.is_none()) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}
