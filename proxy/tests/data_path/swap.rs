//! A swap of the target ends every session of the old one at once.

use crate::proxy::{
    Master, Proxy, eventually, expect_bytes, expect_end, expect_reset, raw, send, session, within,
};
use std::net::SocketAddr;
use std::time::Duration;
use stolon_proxy::fence::boottime;
use stolon_proxy::outcome::{End, Rejection};
use stolon_proxy::relay::{RelayMode, Tuning};
use stolon_proxy::settings::Settings;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const BOUND: Duration = Duration::from_secs(120);

#[tokio::test]
async fn an_idle_session_ends() {
    let (proxy, _old, mut client, mut server) = session(raw()).await;
    let new = Master::start().await;
    let epoch = proxy.forward_to(new.address);
    assert!(proxy.workers.retire(epoch, End::Target, BOUND).await);
    expect_reset(&mut server).await;
    expect_end(&mut client).await;
    eventually("the count", || proxy.workers.totals().closed_by(End::Target) == 1).await;
    let (mut client, mut server) = tokio::join!(proxy.connect(), new.accept());
    send(&mut client, b"hello").await;
    expect_bytes(&mut server, b"hello").await;
}

#[tokio::test]
async fn the_client_gets_what_the_master_had_sent() {
    let (proxy, _old, mut client, mut server) = session(raw()).await;
    // More than the client's socket takes at once, so that some of it is still in the proxy.
    let mut sent = 0_usize;
    let chunk = vec![9; 64 << 10];
    while sent < 256 << 10 {
        send(&mut server, &chunk).await;
        sent += chunk.len();
    }
    send(&mut client, b"unread by the master").await;
    eventually("the proxy's part", || proxy.workers.totals().bytes_down == sent as u64).await;
    let epoch = proxy.routing.hold();
    assert!(proxy.workers.retire(epoch, End::Target, BOUND).await);
    let mut got = Vec::new();
    within("all of it", client.read_to_end(&mut got)).await.expect("an end in order");
    assert_eq!(got.len(), sent);
    drop(server);
}

#[tokio::test]
async fn what_a_client_gets_has_no_gap() {
    for mode in [RelayMode::Copy, RelayMode::Splice, RelayMode::Auto] {
        for after in [0, 1 << 20, 3 << 20, 6 << 20, 9 << 20] {
            let tuning = Tuning { mode, bulk_after: 2 << 20, ..Tuning::default() };
            let (proxy, _old, mut client, mut server) = session(Settings { tuning, ..raw() }).await;
            let numbers = tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                for first in (0_u64..).step_by(1024) {
                    let chunk: Vec<u8> = (first..first + 1024).flat_map(u64::to_be_bytes).collect();
                    if server.write_all(&chunk).await.is_err() {
                        return;
                    }
                }
            });
            let reader = tokio::spawn(async move {
                let mut got = Vec::new();
                within("the end", client.read_to_end(&mut got)).await.expect("an end in order");
                got
            });
            eventually("the stream", || proxy.workers.totals().bytes_down > after).await;
            let epoch = proxy.routing.hold();
            assert!(proxy.workers.retire(epoch, End::Target, BOUND).await);
            let got = reader.await.expect("the reader");
            numbers.await.expect("the master");
            let gap = got
                .chunks_exact(8)
                .zip(0_u64..)
                .find(|(bytes, number)| *bytes != number.to_be_bytes().as_slice());
            assert!(gap.is_none(), "{mode} after {after}: instead of {:?}", gap.map(|(_, n)| n));
        }
    }
}

#[tokio::test]
async fn a_busy_session_ends() {
    let (proxy, _old, client, server) = session(raw()).await;
    let (mut client_in, client_out) = client.into_split();
    let (mut server_in, server_out) = server.into_split();
    let endless = |mut sink: tokio::net::tcp::OwnedWriteHalf| async move {
        use tokio::io::AsyncWriteExt;
        while sink.write_all(&[5; 4096]).await.is_ok() {}
    };
    let down = tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(1..) = client_in.read(&mut buffer).await {}
    });
    let up = tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(1..) = server_in.read(&mut buffer).await {}
    });
    let writers = [tokio::spawn(endless(client_out)), tokio::spawn(endless(server_out))];
    eventually("traffic", || {
        let totals = proxy.workers.totals();
        totals.bytes_up > 1 << 20 && totals.bytes_down > 1 << 20
    })
    .await;
    let epoch = proxy.routing.hold();
    assert!(proxy.workers.retire(epoch, End::Target, BOUND).await);
    within("all four ends", async {
        down.await.expect("client's reader");
        up.await.expect("master's reader");
        for writer in writers {
            writer.await.expect("a writer");
        }
    })
    .await;
    eventually("the count", || proxy.workers.totals().closed_by(End::Target) == 1).await;
}

/// A master whose accept queue is full, so that dials to it hang while the sockets live.
fn deaf_master() -> (SocketAddr, (socket2::Socket, std::net::TcpStream)) {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bound");
    socket.listen(0).expect("listening");
    let address = socket.local_addr().expect("address").as_socket().expect("an IP address");
    let queued = std::net::TcpStream::connect(address).expect("the one place of the queue");
    (address, (socket, queued))
}

/// After the swap dials go on with the new master.
#[tokio::test]
async fn a_dialling_connection_goes_to_the_new_master() {
    let proxy = Proxy::start(raw()).await;
    let (deaf, _queued) = deaf_master();
    proxy.forward_to(deaf);
    let mut client = proxy.connect().await;
    eventually("the connection", || proxy.workers.totals().connections == 1).await;
    let new = Master::start().await;
    let epoch = proxy.forward_to(new.address);
    assert!(proxy.workers.retire(epoch, End::Target, BOUND).await);
    let mut server = new.accept().await;
    send(&mut client, b"hello").await;
    expect_bytes(&mut server, b"hello").await;
}

/// The target stays; a connection that has been told to end must not dial it for ever.
#[tokio::test]
async fn a_dialling_connection_ends_with_the_drain() {
    let proxy = Proxy::start(raw()).await;
    let (deaf, _queued) = deaf_master();
    proxy.forward_to(deaf);
    let mut client = proxy.connect().await;
    eventually("the connection", || proxy.workers.totals().connections == 1).await;
    proxy.workers.stop_all(End::Drain).await;
    proxy.workers.empty().await;
    expect_end(&mut client).await;
    assert_eq!(proxy.workers.totals().rejected_for(Rejection::Drain), 1);
}

#[tokio::test]
async fn after_the_deadline_not_one_byte_reaches_the_master() {
    let proxy = Proxy::start(raw()).await;
    let master = Master::start().await;
    proxy.forward_until(master.address, boottime() + Duration::from_secs(3600));
    let (mut client, mut server) = tokio::join!(proxy.connect(), master.accept());
    send(&mut client, b"before").await;
    expect_bytes(&mut server, b"before").await;
    // What a stopped process wakes up to: the deadline has passed and nobody has said so.
    let route = proxy.routing.load();
    route.target().expect("a target").fence.extend(boottime());
    send(&mut client, b"after").await;
    expect_reset(&mut server).await;
    expect_end(&mut client).await;
    eventually("the count", || proxy.workers.totals().closed_by(End::Fence) == 1).await;
    assert_eq!(proxy.workers.totals().bytes_up, 6);
}

#[tokio::test]
async fn a_new_connection_after_the_deadline_is_not_forwarded() {
    let proxy = Proxy::start(Settings { hold_timeout: None, ..raw() }).await;
    let master = Master::start().await;
    proxy.forward_until(master.address, boottime());
    let mut client: TcpStream = proxy.connect().await;
    expect_end(&mut client).await;
}

#[tokio::test]
async fn a_thousand_sessions_end_together() {
    let proxy = Proxy::start(raw()).await;
    let master = Master::start().await;
    proxy.forward_to(master.address);
    let mut sessions = Vec::new();
    for _ in 0..1000 {
        sessions.push(tokio::join!(proxy.connect(), master.accept()));
    }
    eventually("all sessions", || proxy.workers.totals().active == 1000).await;
    let epoch = proxy.routing.hold();
    assert!(proxy.workers.retire(epoch, End::Target, BOUND).await);
    for (mut client, mut server) in sessions {
        expect_reset(&mut server).await;
        expect_end(&mut client).await;
    }
}

/// An acknowledgement that comes after the deadline may be of a master that has lost its place meanwhile.
#[tokio::test]
async fn after_the_deadline_not_one_byte_reaches_the_client() {
    for mode in [RelayMode::Copy, RelayMode::Splice] {
        let settings = Settings { tuning: Tuning { mode, ..Tuning::default() }, ..raw() };
        let (proxy, _master, mut client, mut server) = session(settings).await;
        send(&mut server, b"before").await;
        expect_bytes(&mut client, b"before").await;
        proxy.routing.load().target().expect("a target").fence.extend(boottime());
        send(&mut server, b"after").await;
        expect_reset(&mut server).await;
        expect_end(&mut client).await;
        eventually("the count", || proxy.workers.totals().closed_by(End::Fence) == 1).await;
        assert_eq!(proxy.workers.totals().bytes_down, 6);
    }
}
