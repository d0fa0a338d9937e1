//! A proxy in this process, and peers for it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stolon_model::generation::Generation;
use stolon_model::uid::DbUid;
use stolon_proxy::fence::boottime;
use stolon_proxy::settings::Settings;
use stolon_proxy::socket::SocketOptions;
use stolon_proxy::target::{Epoch, Routing};
use stolon_proxy::worker::Workers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Far more than anything here takes; a test that needs it has failed.
pub const BOUND: Duration = Duration::from_secs(120);

/// Fails the test instead of hanging it.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// Waits for a state.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub fn raw() -> Settings {
    Settings { startup_timeout: None, ..Settings::default() }
}

pub struct Proxy {
    pub workers: Workers,
    pub routing: Arc<Routing>,
    pub address: SocketAddr,
}

impl Proxy {
    pub async fn start(settings: Settings) -> Self {
        let routing = Arc::new(Routing::new());
        let workers =
            Workers::start(2, &routing, &Arc::new(settings)).expect("worker threads start");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = SocketOptions::default().bind(any, workers.count()).expect("a free port");
        let address = listeners[0].local_addr().expect("its address");
        workers.listen(listeners).await.expect("the threads listen");
        Self { workers, routing, address }
    }

    pub fn forward_to(&self, master: SocketAddr) -> Epoch {
        self.forward_until(master, boottime() + Duration::from_secs(3600))
    }

    pub fn forward_until(&self, master: SocketAddr, deadline: Duration) -> Epoch {
        self.routing.forward(Generation(1), DbUid::new("db"), master, deadline)
    }

    pub async fn connect(&self) -> TcpStream {
        within("a connection to the proxy", TcpStream::connect(self.address))
            .await
            .expect("the proxy listens")
    }
}

/// A master that does what the test says.
pub struct Master {
    pub listener: TcpListener,
    pub address: SocketAddr,
}

impl Master {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        Self { listener, address }
    }

    pub async fn accept(&self) -> TcpStream {
        within("a connection to the master", self.listener.accept()).await.expect("accepted").0
    }
}

/// A proxy, a master, and one session between two ends.
pub async fn session(settings: Settings) -> (Proxy, Master, TcpStream, TcpStream) {
    let proxy = Proxy::start(settings).await;
    let master = Master::start().await;
    proxy.forward_to(master.address);
    let (client, server) = tokio::join!(proxy.connect(), master.accept());
    eventually("the session", || proxy.workers.totals().active == 1).await;
    (proxy, master, client, server)
}

pub async fn send(socket: &mut TcpStream, bytes: &[u8]) {
    within("bytes to be taken", socket.write_all(bytes)).await.expect("bytes are taken");
}

pub async fn expect_bytes(socket: &mut TcpStream, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    within("bytes to come", socket.read_exact(&mut got)).await.expect("bytes come");
    assert_eq!(got, expected);
}

pub async fn expect_end(socket: &mut TcpStream) {
    let mut got = Vec::new();
    let read = within("the end of the stream", socket.read_to_end(&mut got)).await;
    assert_eq!((read.expect("an end in order"), got), (0, vec![]));
}

pub async fn expect_reset(socket: &mut TcpStream) {
    let mut got = Vec::new();
    let error =
        within("a reset", socket.read_to_end(&mut got)).await.expect_err("a reset, not an end");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

/// A startup packet of protocol 3.0 for `user`.
pub fn startup_packet(user: &str) -> Vec<u8> {
    let body = [&b"\0\x03\0\0user\0"[..], user.as_bytes(), b"\0\0"].concat();
    let length = u32::try_from(body.len() + 4).expect("a short packet");
    [&length.to_be_bytes()[..], &body].concat()
}

/// An SSLRequest.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Reads to the end and takes an ErrorResponse apart: SQLSTATE and message.
pub async fn expect_error_response(client: &mut TcpStream) -> (String, String) {
    let mut got = Vec::new();
    within("an answer", client.read_to_end(&mut got)).await.expect("an end in order");
    assert_eq!(got.first(), Some(&b'E'), "{got:?}");
    let length = u32::from_be_bytes(got[1..5].try_into().expect("four bytes"));
    assert_eq!(length as usize + 1, got.len());
    let field = |name: char| {
        got[5..]
            .split(|byte| *byte == 0)
            .filter_map(|field| std::str::from_utf8(field).ok())
            .find_map(|field| field.strip_prefix(name))
            .map(str::to_owned)
            .unwrap_or_else(|| panic!("no field {name} in {got:?}"))
    };
    assert_eq!(field('S'), "FATAL");
    (field('C'), field('M'))
}
