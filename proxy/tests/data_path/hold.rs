//! Connections wait for a master, and are told when none comes.

use crate::proxy::{
    Master, Proxy, SSL_REQUEST, eventually, expect_bytes, expect_end, expect_error_response, raw,
    send, startup_packet,
};
use std::time::Duration;
use stolon_proxy::limits::Limit;
use stolon_proxy::outcome::{End, Rejection};
use stolon_proxy::settings::Settings;
use tokio::io::AsyncReadExt;

fn holding(timeout: Duration) -> Settings {
    Settings { hold_timeout: Some(timeout), ..Settings::default() }
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_held_connection_is_served_by_the_new_master() {
    let proxy = Proxy::start(holding(LONG)).await;
    proxy.routing.hold();
    let mut client = proxy.connect().await;
    let hello = startup_packet("alice");
    send(&mut client, &hello).await;
    eventually("the hold", || proxy.workers.totals().held == 1).await;
    send(&mut client, b"and more").await;
    let master = Master::start().await;
    proxy.forward_to(master.address);
    let mut server = master.accept().await;
    expect_bytes(&mut server, &hello).await;
    expect_bytes(&mut server, b"and more").await;
    send(&mut server, b"welcome").await;
    expect_bytes(&mut client, b"welcome").await;
    eventually("no hold", || proxy.workers.totals().held == 0).await;
}

/// What was read and what waits are told apart to the byte, wherever a read ends.
#[tokio::test]
async fn the_master_gets_what_a_held_client_sent_and_nothing_else() {
    let master = Master::start().await;
    for length in [511, 512, 513, 1024, 4096] {
        let proxy = Proxy::start(holding(LONG)).await;
        proxy.routing.hold();
        let mut client = proxy.connect().await;
        let mut hello = startup_packet("alice");
        hello.resize(length, 0);
        hello[..4].copy_from_slice(&(length as u32).to_be_bytes());
        send(&mut client, &hello).await;
        eventually("the hold", || proxy.workers.totals().held == 1).await;
        proxy.forward_to(master.address);
        let mut server = master.accept().await;
        send(&mut client, b"and then").await;
        expect_bytes(&mut server, &hello).await;
        expect_bytes(&mut server, b"and then").await;
    }
}

/// A request for encryption is the master's to answer, so it waits unanswered.
#[tokio::test]
async fn a_held_request_for_encryption_goes_to_the_master() {
    let proxy = Proxy::start(holding(LONG)).await;
    proxy.routing.hold();
    let mut client = proxy.connect().await;
    send(&mut client, &SSL_REQUEST).await;
    eventually("the hold", || proxy.workers.totals().held == 1).await;
    let master = Master::start().await;
    proxy.forward_to(master.address);
    let mut server = master.accept().await;
    expect_bytes(&mut server, &SSL_REQUEST).await;
    send(&mut server, b"S").await;
    expect_bytes(&mut client, b"S").await;
}

#[tokio::test]
async fn a_master_that_refuses_is_waited_for() {
    let proxy = Proxy::start(holding(LONG)).await;
    let master = Master::start().await;
    let address = master.address;
    drop(master);
    proxy.forward_to(address);
    let mut client = proxy.connect().await;
    let hello = startup_packet("alice");
    send(&mut client, &hello).await;
    eventually("the hold", || proxy.workers.totals().held == 1).await;
    let again = tokio::net::TcpListener::bind(address).await.expect("the same port");
    let (mut server, _) = again.accept().await.expect("accepted");
    expect_bytes(&mut server, &hello).await;
}

#[tokio::test]
async fn past_the_bound_the_client_is_told() {
    let proxy = Proxy::start(holding(SHORT)).await;
    proxy.routing.hold();
    let mut client = proxy.connect().await;
    send(&mut client, &startup_packet("alice")).await;
    let (code, message) = expect_error_response(&mut client).await;
    assert_eq!(code, "57P03");
    assert!(message.starts_with("no master is available"), "{message}");
    eventually("the count", || {
        let totals = proxy.workers.totals();
        totals.rejected_for(Rejection::HoldTimeout) == 1 && totals.connections == 0
    })
    .await;
}

#[tokio::test]
async fn past_the_bound_encryption_is_declined_and_then_the_client_is_told() {
    let proxy = Proxy::start(holding(SHORT)).await;
    proxy.routing.hold();
    let mut client = proxy.connect().await;
    let gss_request = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];
    for request in [gss_request, SSL_REQUEST] {
        send(&mut client, &request).await;
        expect_bytes(&mut client, b"N").await;
    }
    // The packet comes in two parts.
    let hello = startup_packet("alice");
    send(&mut client, &hello[..11]).await;
    send(&mut client, &hello[11..]).await;
    assert_eq!(expect_error_response(&mut client).await.0, "57P03");
}

#[tokio::test]
async fn past_the_bound_tls_at_once_is_closed() {
    let proxy = Proxy::start(holding(SHORT)).await;
    proxy.routing.hold();
    let mut client = proxy.connect().await;
    send(&mut client, &[0x16, 0x03, 0x01, 0, 5, 1, 0, 0, 1, 0]).await;
    expect_end(&mut client).await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let proxy = Proxy::start(holding(LONG)).await;
    proxy.routing.hold();
    let mut client = proxy.connect().await;
    send(&mut client, &startup_packet("alice")).await;
    eventually("the hold", || proxy.workers.totals().held == 1).await;
    drop(client);
    eventually("its end", || {
        let totals = proxy.workers.totals();
        totals.held == 0 && totals.rejected_for(Rejection::ClientGone) == 1
    })
    .await;
}

#[tokio::test]
async fn places_are_limited() {
    let proxy = Proxy::start(Settings { held: Limit::new(1), ..holding(LONG) }).await;
    proxy.routing.hold();
    let mut first = proxy.connect().await;
    send(&mut first, &startup_packet("alice")).await;
    eventually("the hold", || proxy.workers.totals().held == 1).await;
    let mut second = proxy.connect().await;
    send(&mut second, &startup_packet("bob")).await;
    let (code, message) = expect_error_response(&mut second).await;
    assert_eq!(code, "57P03");
    assert!(message.contains("1 connections are waiting"), "{message}");
    assert_eq!(proxy.workers.totals().rejected_for(Rejection::MaxHeld), 1);
}

#[tokio::test]
async fn without_hold_a_connection_is_closed_at_once() {
    for off in [Settings { hold_timeout: None, ..raw() }, Settings { held: Limit::new(0), ..raw() }]
    {
        let proxy = Proxy::start(off).await;
        proxy.routing.hold();
        let mut client = proxy.connect().await;
        expect_end(&mut client).await;
        assert_eq!(proxy.workers.totals().rejected_for(Rejection::NoMaster), 1);
    }
}

#[tokio::test]
async fn a_closed_route_closes_at_once() {
    let proxy = Proxy::start(holding(LONG)).await;
    let mut client = proxy.connect().await;
    send(&mut client, &startup_packet("alice")).await;
    expect_end(&mut client).await;
}

#[tokio::test]
async fn a_stopping_proxy_tells_those_who_wait() {
    let proxy = Proxy::start(holding(LONG)).await;
    proxy.routing.hold();
    let mut client = proxy.connect().await;
    send(&mut client, &startup_packet("alice")).await;
    eventually("the hold", || proxy.workers.totals().held == 1).await;
    proxy.workers.stop_waiting().await;
    let (code, message) = expect_error_response(&mut client).await;
    assert_eq!((code.as_str(), message.as_str()), ("57P03", "this stolon-proxy is stopping"));
}

#[tokio::test]
async fn draining_ends_sessions_in_order() {
    let (proxy, _master, mut client, mut server) = crate::proxy::session(raw()).await;
    proxy.workers.stop_listening().await;
    assert!(tokio::net::TcpStream::connect(proxy.address).await.is_err());
    send(&mut server, b"last").await;
    expect_bytes(&mut client, b"last").await;
    proxy.workers.stop_all(End::Drain).await;
    proxy.workers.empty().await;
    expect_end(&mut client).await;
    let mut rest = Vec::new();
    assert!(server.read_to_end(&mut rest).await.is_err() || rest.is_empty());
    assert_eq!(proxy.workers.totals().closed_by(End::Drain), 1);
}
