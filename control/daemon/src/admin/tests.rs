use super::*;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

struct Server {
    address: SocketAddr,
    readiness: Readiness,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(limits: Limits) -> Server {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::gauge!("probe_gauge").set(7.0));
    let listener = bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let readiness = Readiness::starting();
    let admin = Admin {
        metrics: recorder.handle(),
        readiness: readiness.clone(),
        started: ProcessStart::now(),
        extra: Router::new().route("/status", get(async || "mine")),
    };
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, admin, limits, shutdown.clone()));
    Server { address, readiness, shutdown, task }
}

async fn request(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn the_routes_answer() {
    let server = start(Limits::DEFAULT).await;
    let metrics = request(server.address, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(metrics.contains("probe_gauge 7\n"), "{metrics}");
    assert!(metrics.contains("\nprocess_open_fds "), "{metrics}");
    assert!(request(server.address, "/livez").await.ends_with("\r\n\r\nok\n"));
    assert!(request(server.address, "/status").await.ends_with("\r\n\r\nmine"));
    assert!(request(server.address, "/nothing").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn readyz_follows_the_readiness() {
    let server = start(Limits::DEFAULT).await;
    let starting = request(server.address, "/readyz").await;
    assert!(
        starting.starts_with("HTTP/1.1 503 ") && starting.ends_with("\r\n\r\nstarting\n"),
        "{starting}"
    );
    server.readiness.ready();
    assert!(request(server.address, "/readyz").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_closed() {
    let server = start(Limits { header: Duration::from_millis(50), ..Limits::DEFAULT }).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut text = String::new();
    timeout(Duration::from_secs(10), silent.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408 "), "{text}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server =
        start(Limits { connections: 1, header: Duration::from_millis(200), ..Limits::DEFAULT })
            .await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    // The one place is taken until the header time-out frees it.
    let answer = timeout(Duration::from_secs(10), request(server.address, "/livez")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(silent);
}

#[tokio::test]
async fn shutdown_ends_the_server_and_idle_connections() {
    let server = start(Limits::DEFAULT).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut first = [0u8; 15];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    server.shutdown.cancel();
    timeout(Duration::from_secs(10), server.task).await.unwrap().unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(10), idle.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn bind_errors_name_the_address() {
    let taken = bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = bind(&address).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on metrics address \"{address}\": ")),
        "{error}"
    );
    let error = bind("8080").await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot use \"8080\" as metrics listen address, give it as host:port: "),
        "{error}"
    );
    assert!(bind(":0").await.unwrap().local_addr().unwrap().ip().is_unspecified());
    assert!(bind(":many").await.is_err());
}
