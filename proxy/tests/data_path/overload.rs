//! Too many connections, and too few descriptors.

use crate::proxy::{
    Master, Proxy, eventually, expect_bytes, expect_error_response, raw, send, session,
    startup_packet,
};
use stolon_proxy::limits::Limit;
use stolon_proxy::outcome::Rejection;
use stolon_proxy::settings::Settings;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn new_connections_are_shed_and_old_ones_kept() {
    let settings = Settings { connections: Limit::new(1), ..raw() };
    let (proxy, master, mut client, mut server) = session(settings).await;
    let mut second = proxy.connect().await;
    send(&mut second, &startup_packet("bob")).await;
    let (code, message) = expect_error_response(&mut second).await;
    assert_eq!(code, "53300");
    assert!(message.contains("at most 1 at one time"), "{message}");
    assert_eq!(proxy.workers.totals().rejected_for(Rejection::MaxConnections), 1);
    send(&mut client, b"still here").await;
    expect_bytes(&mut server, b"still here").await;
    drop((client, server));
    eventually("its place", || proxy.workers.totals().active == 0).await;
    let (mut third, mut server) = tokio::join!(proxy.connect(), master.accept());
    send(&mut third, b"hello").await;
    expect_bytes(&mut server, b"hello").await;
}

const CHILD: &str = "STOLON_PROXY_TEST_FEW_DESCRIPTORS";

/// Runs itself again in a process with few descriptors: the limit counts for the whole process.
#[test]
fn running_out_of_descriptors_ends_nothing() {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(run_out_of_descriptors());
    }
    let this = std::env::current_exe().expect("this program");
    let child = std::process::Command::new(this)
        .args(["--exact", "overload::running_out_of_descriptors_ends_nothing", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("the child runs");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

async fn run_out_of_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let (proxy, master, mut client, mut server) = session(raw()).await;
    let open = std::fs::read_dir("/proc/self/fd").expect("descriptors").count() as u64;
    // Room for a few sockets: a connection here takes two of the test's own and two of the proxy's.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let few = Rlimit { current: Some(open + 9), maximum };
    setrlimit(Resource::Nofile, few).expect("a lower limit");
    let mut crowd = Vec::new();
    while let Ok(connection) = TcpStream::connect(proxy.address).await {
        crowd.push(connection);
    }
    eventually("the need", || proxy.workers.totals().accept_errors > 0).await;
    send(&mut client, b"still here").await;
    expect_bytes(&mut server, b"still here").await;
    drop(crowd);
    drop((client, server));
    // The master hangs up on those of the crowd that got through to it.
    tokio::select! {
        never = async { loop {
            drop(master.listener.accept().await);
            tokio::task::yield_now().await;
        } } => never,
        () = eventually("room", || proxy.workers.totals().connections == 0) => {}
    }
    let mut client = proxy.connect().await;
    send(&mut client, b"again").await;
    loop {
        let mut got = Vec::new();
        // The crowd's descriptors come back one by one.
        let Ok((server, _)) = master.listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let mut server = server.take(5);
        // Some of the crowd may still be on their way; they have nothing to say.
        if server.read_to_end(&mut got).await.is_ok_and(|read| read > 0) {
            assert_eq!(got, b"again");
            return;
        }
    }
}

#[tokio::test]
async fn every_end_frees_what_it_held() {
    let proxy = Proxy::start(raw()).await;
    let master = Master::start().await;
    proxy.forward_to(master.address);
    for _ in 0..200 {
        let (client, server) = tokio::join!(proxy.connect(), master.accept());
        drop((client, server));
    }
    eventually("no connection", || {
        let totals = proxy.workers.totals();
        totals.accepted == 200 && totals.connections == 0 && totals.active == 0
    })
    .await;
    proxy.workers.empty().await;
}
