//! A real etcd on free ports of the loopback interface, ended with the test.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stolon_store::ClusterStore;
use tempfile::TempDir;

/// How long etcd may take to answer on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often the start is tried: somebody else may take a port between its choice and its use.
const STARTS: usize = 5;

/// One member with an empty data directory.
pub struct Etcd {
    child: Child,
    _data: TempDir,
    /// Its client address, such as `http://127.0.0.1:2379`.
    pub endpoint: String,
}

impl Etcd {
    /// Starts it and waits until it answers.
    pub fn start() -> Self {
        for _ in 0..STARTS {
            let mut etcd = Self::spawn();
            if etcd.is_ready() {
                return etcd;
            }
        }
        panic!("etcd did not start {STARTS} times; see whether it runs on this machine at all");
    }

    fn spawn() -> Self {
        let data = tempfile::tempdir().unwrap();
        let (client, peer) = (free_port(), free_port());
        let endpoint = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        // The kernel ends it if this process is killed before it can.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "etcd", "--name", "test", "--data-dir"])
            .arg(data.path())
            .args(["--listen-client-urls", &endpoint, "--advertise-client-urls", &endpoint])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}"), "--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd and setpriv must be installed (Debian: etcd-server, util-linux)");
        Self { child, _data: data, endpoint }
    }

    /// Whether it answers; not, when it ended because a port was taken.
    fn is_ready(&mut self) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < READY_WITHIN {
            if self.is_healthy() {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn is_healthy(&self) -> bool {
        let address = self.endpoint.trim_start_matches("http://");
        let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
        let request = format!("GET /health HTTP/1.0\r\nHost: {address}\r\n\r\n");
        let mut answer = String::new();
        std::io::Write::write_all(&mut stream, request.as_bytes()).is_ok()
            && stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.contains("\"health\":\"true\"")
    }

    /// The store of the cluster `name`, to prepare and to look at what the program reads and writes.
    pub async fn cluster(&self, name: &str) -> ClusterStore {
        let config = crate::run::common(&self.endpoint, name).store_config().unwrap();
        stolon_store::connect(config).await.unwrap()
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
