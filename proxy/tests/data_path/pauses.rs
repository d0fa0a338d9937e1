//! A stream pauses beside small sessions of its thread, and only there.

use crate::proxy::{eventually, expect_bytes, raw, send, session, within};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use stolon_proxy::relay::{RelayMode, Tuning};
use stolon_proxy::settings::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// So many that some of them are on the stream's thread, of two.
const CHATTERS: usize = 16;
const STREAM: usize = 32 << 20;

fn relaying(mode: RelayMode, small_segment: u64) -> Settings {
    let tuning = Tuning { mode, small_segment, measured: 1, ..Tuning::default() };
    Settings { tuning, ..raw() }
}

async fn pour(from: &mut TcpStream, to: &mut TcpStream) {
    let (chunk, mut buffer) = (vec![7; 1 << 20], vec![0; STREAM]);
    let sent = async {
        for _ in 0..STREAM / chunk.len() {
            from.write_all(&chunk).await.expect("the proxy takes bytes");
        }
    };
    let (_, came) =
        within("the stream", async { tokio::join!(sent, to.read_exact(&mut buffer)) }).await;
    came.expect("all comes");
    assert!(buffer.iter().all(|byte| *byte == 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_pauses_beside_small_sessions_and_only_there() {
    for (mode, small_segment) in
        [(RelayMode::Auto, 0), (RelayMode::Auto, u64::MAX), (RelayMode::Copy, 0)]
    {
        let (proxy, master, mut client, mut server) = session(relaying(mode, small_segment)).await;
        pour(&mut server, &mut client).await;
        assert_eq!(proxy.workers.totals().bulk_pauses, 0, "{mode}: nobody else is there");

        let is_over = Arc::new(AtomicBool::new(false));
        let mut chatters = JoinSet::new();
        for _ in 0..CHATTERS {
            let (mut asking, mut answering) = tokio::join!(proxy.connect(), master.accept());
            let is_over = Arc::clone(&is_over);
            chatters.spawn(async move {
                while !is_over.load(Relaxed) {
                    send(&mut asking, b"?").await;
                    expect_bytes(&mut answering, b"?").await;
                    send(&mut answering, b"!").await;
                    expect_bytes(&mut asking, b"!").await;
                }
            });
        }
        let enough = within("a pause", async {
            while proxy.workers.totals().bulk_pauses == 0 {
                pour(&mut server, &mut client).await;
            }
        });
        enough.await;
        is_over.store(true, Relaxed);
        chatters.join_all().await;
        eventually("the chatters leave", || proxy.workers.totals().active == 1).await;
        let before = proxy.workers.totals().bulk_pauses;
        pour(&mut server, &mut client).await;
        // What was said last may cost one more.
        assert!(proxy.workers.totals().bulk_pauses <= before + 1, "{mode}: alone again");
    }
}
