//! From the store's write of a new target to the last stale session closed: a real etcd, a real proxy, and a master that
//! only accepts.

use super::figure::Figure;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use stolon_model::cluster::{ClusterData, Db, DbSpec, DbStatus, Proxy};
use stolon_model::generation::Generation;
use stolon_model::json;
use stolon_model::spec::ClusterSpec;
use stolon_model::time::GoTime;
use stolon_model::uid::{ClusterUid, DbUid, ProxyUid};
use stolon_store::{ClusterStore, Config, ConfigSource, connect};
use stolon_tests::cluster::{NAME, store_flags};
use stolon_tests::etcd::Etcd;
use stolon_tests::eventually;
use stolon_tests::proxy::Proxy as ProxyProcess;
use stolon_tests::scratch::Scratch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What libpq sends first (PostgreSQL documentation, "SSLRequest"): the proxy connects a client that speaks PostgreSQL.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const LIMIT: Duration = Duration::from_secs(20);

/// Measures `rounds` drops of `sessions` sessions each. Each round's value is in milliseconds.
pub async fn measure(sessions: usize, rounds: usize) -> Result<Figure> {
    let scratch = Scratch::new()?;
    let etcd = Etcd::start(&scratch).await?;
    let endpoints = etcd.endpoint();
    let store = connect(Config::parse(&ConfigSource {
        backend: "etcdv3".to_owned(),
        endpoints: endpoints.clone(),
        cluster_name: NAME.to_owned(),
        ..ConfigSource::default()
    })?)
    .await?;
    let master = TcpListener::bind("127.0.0.1:0").await?;
    let port = master.local_addr()?.port();
    let accepting = tokio::spawn(echo(master));

    let mut data = cluster_data(port)?;
    store.put_cluster_data(&data).await?;
    let proxy = ProxyProcess::start(&scratch, "proxy", &store_flags(&endpoints))?;
    let uid = eventually("the proxy reports", LIMIT, async || {
        store.proxy_infos().await?.good.keys().next().cloned().context("no proxy info")
    })
    .await?;

    let mut values = Vec::new();
    for round in 1..=rounds {
        open(&store, &mut data, &uid).await?;
        let mut clients = connect_all(proxy.port(), sessions).await?;
        let began = close(&store, &mut data).await?;
        let mut last = began;
        while let Some(ended) = clients.join_next().await {
            last = last.max(ended??);
        }
        values.push((last - began).as_secs_f64() * 1000.0);
        eprint_progress(&format!("drops of {sessions} sessions: round {round} of {rounds}"));
    }
    accepting.abort();
    Ok(Figure {
        name: format!("new target written to the last of {sessions} sessions closed"),
        unit: "ms",
        promised: 100.0,
        rounds: values,
    })
}

/// A line that says how far a long measurement is.
pub fn eprint_progress(line: &str) {
    use std::io::Write;
    // Progress is for a person who looks; without stderr there is none.
    writeln!(std::io::stderr(), "  {line}").ok();
}

/// A master with one db, no proxy enabled yet.
fn cluster_data(port: u16) -> Result<ClusterData> {
    let spec: ClusterSpec = json::decode(br#"{"initMode": "new"}"#)?;
    let mut data = ClusterData::initial(ClusterUid::from("be4c4000"), spec, GoTime::default());
    let uid = DbUid::from("be4c4001");
    let db = Db {
        uid: uid.clone(),
        generation: Generation::INITIAL,
        spec: Some(DbSpec::default()),
        status: DbStatus {
            healthy: true,
            listen_address: "127.0.0.1".to_owned(),
            port: port.to_string(),
            ..DbStatus::default()
        },
        ..Db::default()
    };
    data.dbs = BTreeMap::from([(uid, db)]);
    Ok(data)
}

/// Writes the master as the proxies' target.
async fn open(store: &ClusterStore, data: &mut ClusterData, proxy: &ProxyUid) -> Result<()> {
    let target = data.proxy.get_or_insert_with(Proxy::default);
    target.generation = target.generation.next();
    target.spec.master_db_uid = DbUid::from("be4c4001");
    target.spec.enabled_proxies = vec![proxy.clone()];
    store.put_cluster_data(data).await?;
    Ok(())
}

/// Writes that there is no master and returns the moment before.
async fn close(store: &ClusterStore, data: &mut ClusterData) -> Result<Instant> {
    let target = data.proxy.get_or_insert_with(Proxy::default);
    target.generation = target.generation.next();
    target.spec.master_db_uid = DbUid::default();
    let began = Instant::now();
    store.put_cluster_data(data).await?;
    Ok(began)
}

/// Opens sessions that have exchanged bytes with the master; each task ends with the moment its session closed.
async fn connect_all(port: u16, sessions: usize) -> Result<JoinSet<Result<Instant>>> {
    let mut clients = JoinSet::new();
    for _ in 0..sessions {
        let mut stream = tokio::time::timeout(LIMIT, session(port))
            .await
            .context("a session does not open")??;
        clients.spawn(async move {
            let mut byte = [0];
            let read = tokio::time::timeout(LIMIT, stream.read(&mut byte))
                .await
                .context("a session stays open")?;
            ensure!(!matches!(read, Ok(1..)), "a byte came out of nowhere");
            Ok(Instant::now())
        });
    }
    Ok(clients)
}

async fn session(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(&SSL_REQUEST).await?;
    let mut answer = [0; SSL_REQUEST.len()];
    stream.read_exact(&mut answer).await.context("the session was refused")?;
    Ok(stream)
}

/// A master that returns what it is sent.
async fn echo(listener: TcpListener) {
    let mut sessions = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        sessions.spawn(async move {
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await
        });
        while sessions.try_join_next().is_some() {}
    }
}
