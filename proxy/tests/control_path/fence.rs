//! Without good checks the proxy closes, whatever the check itself is doing.

use crate::cluster::{Fixture, Script, expect_echo, expect_end, master};
use std::time::{Duration, Instant};
use stolon_proxy::follow::WhenFallen;
use stolon_proxy::outcome::{End, Rejection};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_millis(800);

async fn serving(when_fallen: WhenFallen) -> (Fixture, Script) {
    let proxy = Fixture::new(when_fallen);
    let script = Script::new(master(b"a").await, master(b"b").await, TIMEOUT);
    proxy.write(&script.at(1, "a")).await;
    (proxy, script)
}

#[tokio::test]
async fn a_store_that_is_gone_closes_sessions_and_the_port() {
    let (proxy, _) = serving(WhenFallen::StopListening).await;
    proxy
        .beside(async {
            proxy.forwarding().await;
            let mut session = proxy.session(b"a").await;
            expect_echo(&mut session, b"word").await;
            let port = session.peer_addr().expect("its address");
            proxy.memory.faults().set_unavailable(true);
            expect_end(&mut session).await;
            let totals = || proxy.gatehouse.workers().totals();
            proxy.eventually("the count", || totals().closed_by(End::Fence) == 1).await;
            proxy.eventually("the port", || !proxy.gatehouse.is_listening()).await;
            assert!(TcpStream::connect(port).await.is_err());
            let obstacle = proxy.status.obstacle().expect("not ready");
            assert!(obstacle.contains("no good check within the proxy timeout"), "{obstacle}");
            proxy.memory.faults().set_unavailable(false);
            proxy.forwarding().await;
            proxy.session(b"a").await;
        })
        .await;
}

#[tokio::test]
async fn the_port_stays_open_if_it_is_to() {
    let (proxy, _) = serving(WhenFallen::KeepListening).await;
    proxy
        .beside(async {
            proxy.forwarding().await;
            let mut session = proxy.session(b"a").await;
            proxy.memory.faults().set_unavailable(true);
            expect_end(&mut session).await;
            let mut refused = proxy.connect().await;
            expect_end(&mut refused).await;
            let totals = proxy.gatehouse.workers().totals();
            assert_eq!(totals.rejected_for(Rejection::NoMaster), 1);
            proxy.memory.faults().set_unavailable(false);
            proxy.forwarding().await;
            proxy.session(b"a").await;
        })
        .await;
}

#[tokio::test]
async fn a_check_that_hangs_does_not_hold_the_fence_up() {
    let (proxy, _) = serving(WhenFallen::StopListening).await;
    proxy
        .beside(async {
            proxy.forwarding().await;
            let mut session = proxy.session(b"a").await;
            proxy.memory.faults().set_delay(Duration::from_secs(3600));
            expect_end(&mut session).await;
        })
        .await;
}

/// Each check ends in time, but only if the next one does not wait as long as between quick ones.
#[tokio::test]
async fn slow_checks_follow_each_other_so_that_the_fence_stays_up() {
    let timeout = Duration::from_secs(3);
    let proxy = Fixture::new(WhenFallen::StopListening);
    let script = Script::new(master(b"a").await, master(b"b").await, timeout);
    proxy.write(&script.at(1, "a")).await;
    // A check reads and publishes, and the first one asks for a lease too.
    proxy.memory.faults().set_delay(timeout / 8);
    proxy
        .beside(async {
            proxy.forwarding().await;
            let mut session = proxy.session(b"a").await;
            let began = Instant::now();
            proxy.eventually("three times the timeout", || began.elapsed() > 3 * timeout).await;
            expect_echo(&mut session, b"word").await;
            assert_eq!(proxy.gatehouse.changes(), 1);
        })
        .await;
}
