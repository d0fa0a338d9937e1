//! Ends pass through: half-close and reset, each way.

use crate::proxy::{eventually, expect_bytes, expect_end, expect_reset, raw, send, session};
use std::time::Duration;
use stolon_proxy::outcome::End;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn reset(socket: TcpStream) {
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("linger");
}

#[tokio::test]
async fn the_reply_after_a_clients_half_close_arrives() {
    let (proxy, _master, mut client, mut server) = session(raw()).await;
    send(&mut client, b"question").await;
    client.shutdown().await.expect("half-close");
    expect_bytes(&mut server, b"question").await;
    expect_end(&mut server).await;
    send(&mut server, b"answer").await;
    expect_bytes(&mut client, b"answer").await;
    server.shutdown().await.expect("half-close");
    expect_end(&mut client).await;
    eventually("the count", || proxy.workers.totals().closed_by(End::Client) == 1).await;
}

#[tokio::test]
async fn the_request_after_a_masters_half_close_arrives() {
    let (proxy, _master, mut client, mut server) = session(raw()).await;
    server.shutdown().await.expect("half-close");
    expect_end(&mut client).await;
    send(&mut client, b"still here").await;
    expect_bytes(&mut server, b"still here").await;
    client.shutdown().await.expect("half-close");
    expect_end(&mut server).await;
    eventually("the count", || proxy.workers.totals().closed_by(End::Server) == 1).await;
}

#[tokio::test]
async fn a_clients_reset_reaches_the_master() {
    let (proxy, _master, mut client, mut server) = session(raw()).await;
    send(&mut client, b"x").await;
    expect_bytes(&mut server, b"x").await;
    reset(client);
    expect_reset(&mut server).await;
    eventually("the count", || proxy.workers.totals().closed_by(End::Client) == 1).await;
}

#[tokio::test]
async fn a_masters_reset_reaches_the_client() {
    let (proxy, _master, mut client, mut server) = session(raw()).await;
    send(&mut client, b"x").await;
    expect_bytes(&mut server, b"x").await;
    reset(server);
    expect_reset(&mut client).await;
    eventually("the count", || proxy.workers.totals().closed_by(End::Server) == 1).await;
}

#[tokio::test]
async fn the_last_words_before_a_masters_reset_arrive() {
    for round in 0..50 {
        let (_proxy, _master, mut client, mut server) = session(raw()).await;
        let words = vec![round; 20_000];
        send(&mut server, &words).await;
        // The words have left the master when the client has the first of them.
        expect_bytes(&mut client, &words[..1]).await;
        reset(server);
        expect_bytes(&mut client, &words[1..]).await;
    }
}
