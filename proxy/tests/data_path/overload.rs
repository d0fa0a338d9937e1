//! Too many connections, and too few descriptors.

use crate::proxy::{
    Master, Proxy, eventually, expect_bytes, expect_error_response, raw, send, session,
    startup_packet,
};
use stolon_proxy::limits::Limit;
use stolon_proxy::outcome::Rejection;
use stolon_proxy::settings::Settings;

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
    eventually("its place", || proxy.workers.totals().connections == 0).await;
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
    let maximum = getrlimit(Resource::Nofile).maximum;
    let few = Rlimit { current: Some(256), maximum };
    setrlimit(Resource::Nofile, few).expect("a lower limit");
    let mut fillers = Vec::new();
    while let Ok(filler) = std::fs::File::open("/dev/null") {
        fillers.push(filler);
    }
    // One descriptor, which the client's own end takes: there is none left to accept with.
    fillers.pop();
    let mut next = proxy.connect().await;
    eventually("the need", || proxy.workers.totals().accept_errors > 1).await;
    send(&mut client, b"still here").await;
    expect_bytes(&mut server, b"still here").await;
    drop(fillers);
    let mut its_server = master.accept().await;
    send(&mut next, b"at last").await;
    expect_bytes(&mut its_server, b"at last").await;
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
