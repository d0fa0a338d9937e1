//! First packets: what is not PostgreSQL's protocol, or does not come, costs no connection to the master.

use crate::proxy::{
    Master, Proxy, SSL_REQUEST, eventually, expect_bytes, expect_end, send, startup_packet,
};
use std::time::Duration;
use stolon_proxy::outcome::Rejection;
use stolon_proxy::settings::Settings;

async fn strict(startup_timeout: Duration) -> (Proxy, Master) {
    let settings = Settings { startup_timeout: Some(startup_timeout), ..Settings::default() };
    let proxy = Proxy::start(settings).await;
    let master = Master::start().await;
    proxy.forward_to(master.address);
    (proxy, master)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_first_packet_reaches_the_master_whole() {
    let cancel_request = [&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e][..], &[1; 8]].concat();
    let (proxy, master) = strict(LONG).await;
    for first in
        [startup_packet("alice"), SSL_REQUEST.to_vec(), cancel_request, vec![0x16, 3, 1, 0, 1, 1]]
    {
        let mut client = proxy.connect().await;
        for part in first.chunks(5) {
            send(&mut client, part).await;
        }
        let mut server = master.accept().await;
        expect_bytes(&mut server, &first).await;
    }
}

#[tokio::test]
async fn foreign_bytes_are_closed_and_counted() {
    let (proxy, master) = strict(LONG).await;
    for foreign in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 100], &[0, 0, 0, 4, 0, 0, 0, 0]] {
        let mut client = proxy.connect().await;
        send(&mut client, foreign).await;
        expect_end(&mut client).await;
    }
    assert_eq!(proxy.workers.totals().rejected_for(Rejection::Protocol), 3);
    // A good client is the first that the master sees.
    let mut client = proxy.connect().await;
    send(&mut client, &startup_packet("alice")).await;
    expect_bytes(&mut master.accept().await, &startup_packet("alice")).await;
}

#[tokio::test]
async fn silence_is_closed_and_counted() {
    let (proxy, _master) = strict(Duration::from_millis(50)).await;
    let mut client = proxy.connect().await;
    expect_end(&mut client).await;
    eventually("the count", || proxy.workers.totals().rejected_for(Rejection::StartupTimeout) == 1)
        .await;
}
