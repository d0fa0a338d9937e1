//! Real etcd members on free ports of the loopback, ended with the test.

use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use stolon_store::etcd::EtcdStore;
use stolon_store::{Config, ConfigSource, Store, TlsFiles};
use tempfile::TempDir;
use tokio::time::Instant;

/// How long etcd may take to elect its leader.
const READY: Duration = Duration::from_secs(30);

/// How often a cluster is started anew because another process took one of its ports.
const ATTEMPTS: usize = 3;

pub struct EtcdCluster {
    pub members: Vec<EtcdMember>,
    pub tls: Option<ServerTls>,
    _directory: TempDir,
}

/// What the members show to clients and demand of them.
#[derive(Clone)]
pub struct ServerTls {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// What our own clients show.
    pub client: TlsFiles,
}

pub struct EtcdMember {
    pub endpoint: String,
    arguments: Vec<String>,
    log: PathBuf,
    process: Option<Child>,
}

impl EtcdCluster {
    pub async fn start(size: usize) -> Self {
        Self::start_with(size, None).await
    }

    pub async fn start_with(size: usize, tls: Option<ServerTls>) -> Self {
        for _ in 1..ATTEMPTS {
            let mut cluster = Self::spawn(size, tls.clone());
            if cluster.is_ready().await {
                return cluster;
            }
        }
        let mut cluster = Self::spawn(size, tls);
        assert!(cluster.is_ready().await, "etcd is not ready; {}", cluster.logs());
        cluster
    }

    fn spawn(size: usize, tls: Option<ServerTls>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ports = free_ports(2 * size);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let peers: Vec<String> =
            (0..size).map(|i| format!("m{i}=http://127.0.0.1:{}", ports[2 * i + 1])).collect();
        let members = (0..size).map(|i| {
            let endpoint = format!("{scheme}://127.0.0.1:{}", ports[2 * i]);
            let arguments =
                arguments(directory.path(), i, &endpoint, &peers, ports[2 * i + 1], tls.as_ref());
            let log = directory.path().join(format!("m{i}.log"));
            let mut member = EtcdMember { endpoint, arguments, log, process: None };
            member.start();
            member
        });
        Self { members: members.collect(), tls, _directory: directory }
    }

    async fn is_ready(&mut self) -> bool {
        let store = self.store().await;
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if store.get("ready").await.is_ok() {
                return true;
            }
            if self.members.iter_mut().any(EtcdMember::has_ended) {
                return false;
            }
        }
        false
    }

    fn logs(&self) -> String {
        let tail = |member: &EtcdMember| {
            let log = std::fs::read_to_string(&member.log).unwrap_or_default();
            log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
        };
        self.members.iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    pub fn endpoints(&self) -> String {
        self.members.iter().map(|member| member.endpoint.clone()).collect::<Vec<_>>().join(",")
    }

    /// A client of all members, in their order.
    pub async fn store(&self) -> Arc<dyn Store> {
        let tls = self.tls.as_ref().map(|tls| tls.client.clone()).unwrap_or_default();
        client(&self.endpoints(), tls, Duration::from_secs(5)).await
    }

    /// A client of one member.
    pub async fn store_of(&self, member: usize) -> Arc<dyn Store> {
        client(&self.members[member].endpoint, TlsFiles::default(), Duration::from_secs(5)).await
    }
}

pub async fn client(endpoints: &str, tls: TlsFiles, timeout: Duration) -> Arc<dyn Store> {
    let source = ConfigSource {
        backend: "etcdv3".to_owned(),
        endpoints: endpoints.to_owned(),
        cluster_name: "test".to_owned(),
        timeout,
        tls,
        ..ConfigSource::default()
    };
    Arc::new(EtcdStore::new(Config::parse(&source).unwrap()).await.unwrap())
}

impl EtcdMember {
    pub fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(&self.log).unwrap();
        let spawned = Command::new("etcd")
            .args(&self.arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .spawn();
        self.process = Some(spawned.expect("etcd must be installed (Debian: etcd-server)"));
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("the member runs");
        kill_process(Pid::from_child(process), signal).unwrap();
    }

    fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some())
    }
}

impl Drop for EtcdMember {
    fn drop(&mut self) {
        self.kill();
    }
}

fn arguments(
    directory: &Path,
    member: usize,
    endpoint: &str,
    peers: &[String],
    peer_port: u16,
    tls: Option<&ServerTls>,
) -> Vec<String> {
    let peer = format!("http://127.0.0.1:{peer_port}");
    let data = directory.join(format!("m{member}"));
    let mut arguments: Vec<String> = [
        ("--name", format!("m{member}")),
        ("--data-dir", data.display().to_string()),
        ("--listen-client-urls", endpoint.to_owned()),
        ("--advertise-client-urls", endpoint.to_owned()),
        ("--listen-peer-urls", peer.clone()),
        ("--initial-advertise-peer-urls", peer),
        ("--initial-cluster", peers.join(",")),
        ("--initial-cluster-state", "new".to_owned()),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .collect();
    // A member that thaws must not depose the leader: the default since etcd 3.5.
    arguments.push("--pre-vote".to_owned());
    if let Some(tls) = tls {
        let file = |path: &Path| path.display().to_string();
        arguments.extend(["--client-cert-auth".to_owned()]);
        arguments.extend(["--cert-file".to_owned(), file(&tls.certificate)]);
        arguments.extend(["--key-file".to_owned(), file(&tls.key)]);
        arguments.extend(["--trusted-ca-file".to_owned(), file(&tls.ca)]);
    }
    arguments
}

/// Ports that are free now; all are held until all are found, so that none is found twice.
fn free_ports(n: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..n).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
