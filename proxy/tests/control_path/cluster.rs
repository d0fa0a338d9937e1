//! A cluster in memory: cluster data as a sentinel would write it, masters that say their name, and one proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stolon_model::cluster::{Cluster, ClusterData, Db, DbStatus, FORMAT_VERSION, Proxy, ProxySpec};
use stolon_model::generation::Generation;
use stolon_model::info::ProxyInfo;
use stolon_model::spec::ClusterSpec;
use stolon_model::time::GoDuration;
use stolon_model::uid::{DbUid, ProxyUid};
use stolon_proxy::follow::{Follower, WhenFallen};
use stolon_proxy::gatehouse::Gatehouse;
use stolon_proxy::settings::Settings;
use stolon_proxy::status::Status;
use stolon_store::memory::MemoryStore;
use stolon_store::{ClusterPath, ClusterStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub const ME: &str = "me";
const BOUND: Duration = Duration::from_secs(120);

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// A master that greets with its name and then echoes.
pub async fn master(name: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut session, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = session.split();
                to.write_all(name).await?;
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

/// Cluster data with the dbs `a` and `b`.
#[derive(Clone)]
pub struct Script {
    pub data: ClusterData,
}

impl Script {
    pub fn new(a: SocketAddr, b: SocketAddr, timeout: Duration) -> Self {
        let db = |name: &str, address: SocketAddr| {
            let status = DbStatus {
                listen_address: address.ip().to_string(),
                port: address.port().to_string(),
                ..DbStatus::default()
            };
            (DbUid::new(name), Db { uid: DbUid::new(name), status, ..Db::default() })
        };
        let nanos = |span: Duration| GoDuration {
            nanos: i64::try_from(span.as_nanos()).expect("a short time"),
        };
        let spec = ClusterSpec {
            init_mode: Some("new".to_owned()),
            proxy_check_interval: Some(nanos(timeout / 4)),
            proxy_timeout: Some(nanos(timeout)),
            ..ClusterSpec::default()
        };
        Self {
            data: ClusterData {
                format_version: FORMAT_VERSION,
                cluster: Some(Cluster { spec: Some(spec), ..Cluster::default() }),
                dbs: BTreeMap::from([db("a", a), db("b", b)]),
                proxy: Some(Proxy::default()),
                ..ClusterData::default()
            },
        }
    }

    /// This generation, this master, this proxy enabled.
    pub fn at(&self, generation: i64, master: &str) -> ClusterData {
        let mut data = self.data.clone();
        data.proxy = Some(Proxy {
            generation: Generation(generation),
            spec: ProxySpec {
                master_db_uid: DbUid::new(master),
                enabled_proxies: vec![ProxyUid::new(ME)],
            },
            ..Proxy::default()
        });
        data
    }
}

/// One proxy and its store.
pub struct Fixture {
    /// The proxy's own client of the store: its faults are the proxy's alone.
    pub memory: Arc<MemoryStore>,
    pub store: ClusterStore,
    pub gatehouse: Arc<Gatehouse>,
    pub status: Arc<Status>,
    pub shutdown: CancellationToken,
    pub follower: Follower,
}

impl Fixture {
    pub fn new(when_fallen: WhenFallen) -> Self {
        let memory = Arc::new(MemoryStore::new());
        let path = ClusterPath::new("stolon/cluster", "c");
        let store = ClusterStore::new(memory.clone(), path.clone());
        let writer = ClusterStore::new(Arc::new(memory.client()), path);
        let uid = ProxyUid::new(ME);
        let status = Arc::new(Status::new(uid.clone(), "c".to_owned()));
        let settings = Settings { startup_timeout: None, ..Settings::default() };
        let gatehouse =
            Gatehouse::start(1, "127.0.0.1:0".to_owned(), settings, Arc::clone(&status))
                .expect("worker threads start");
        let gatehouse = Arc::new(gatehouse);
        let follower = Follower::new(
            uid,
            store,
            Arc::clone(&gatehouse),
            Arc::clone(&status),
            when_fallen,
            fastrand::Rng::with_seed(1),
        );
        let shutdown = CancellationToken::new();
        Self { memory, store: writer, gatehouse, status, shutdown, follower }
    }

    /// Runs the proxy beside the test's own steps, then stops it.
    pub async fn beside(&self, steps: impl Future<Output = ()>) {
        let steps = async {
            steps.await;
            self.shutdown.cancel();
        };
        tokio::join!(self.follower.run(self.shutdown.clone(), || {}), steps);
    }

    pub async fn write(&self, data: &ClusterData) {
        self.store.put_cluster_data(data).await.expect("the store takes it");
    }

    pub async fn eventually(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        within(what, async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// What the proxy has published, once it has reached this generation.
    pub async fn acknowledged(&self, generation: i64) -> ProxyInfo {
        within("the acknowledgement", async {
            loop {
                let infos = self.store.proxy_infos().await.expect("infos");
                match infos.good.get(&ProxyUid::new(ME)) {
                    Some(info) if info.generation.0 == generation => return info.clone(),
                    _ => tokio::task::yield_now().await,
                }
            }
        })
        .await
    }

    /// The last words of the proxy.
    pub async fn closed(&self) -> ProxyInfo {
        within("the last words", async {
            loop {
                let infos = self.store.proxy_infos().await.expect("infos");
                match infos.good.get(&ProxyUid::new(ME)) {
                    Some(info) if info.is_closed => return info.clone(),
                    _ => tokio::task::yield_now().await,
                }
            }
        })
        .await
    }

    pub async fn forwarding(&self) {
        self.eventually("forwarding", || self.status.snapshot().master.forwards).await;
    }

    pub async fn connect(&self) -> TcpStream {
        let address = within("the port", async {
            loop {
                match self.status.snapshot().listening {
                    Some(address) => return address,
                    None => tokio::task::yield_now().await,
                }
            }
        })
        .await;
        within("a connection", TcpStream::connect(address)).await.expect("the proxy listens")
    }

    /// A session with the master of this name.
    pub async fn session(&self, name: &[u8]) -> TcpStream {
        let mut client = self.connect().await;
        let mut greeting = vec![0; name.len()];
        within("the greeting", client.read_exact(&mut greeting)).await.expect("a greeting");
        assert_eq!(greeting, name);
        client
    }
}

pub async fn expect_end(client: &mut TcpStream) {
    let mut rest = Vec::new();
    within("the end", client.read_to_end(&mut rest)).await.expect("an end in order");
    assert_eq!(rest, b"");
}

pub async fn expect_echo(client: &mut TcpStream, word: &[u8]) {
    within("the word", client.write_all(word)).await.expect("taken");
    let mut echo = vec![0; word.len()];
    within("the echo", client.read_exact(&mut echo)).await.expect("an echo");
    assert_eq!(echo, word);
}
