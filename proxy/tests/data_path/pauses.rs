//! A stream pauses beside small sessions of its thread, and only there.

use crate::proxy::{
    Master, Proxy, eventually, expect_bytes, expect_end, raw, send, session, within,
};
use crate::streams::{Interjections, pour, sip};
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
/// Bulk by the mark through a pipe, by the clock, and by the mark through memory.
const KINDS: [(RelayMode, u64); 3] =
    [(RelayMode::Auto, 0), (RelayMode::Auto, u64::MAX), (RelayMode::Copy, 0)];

fn relaying((mode, small_segment): (RelayMode, u64)) -> Settings {
    let tuning = Tuning { mode, small_segment, measured: 1, ..Tuning::default() };
    Settings { tuning, ..raw() }
}

/// Small sessions that never stop talking.
struct Chatters {
    are_over: Arc<AtomicBool>,
    all: JoinSet<()>,
}

impl Chatters {
    async fn start(proxy: &Proxy, master: &Master) -> Self {
        let (are_over, mut all) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for _ in 0..CHATTERS {
            let (mut asking, mut answering) = tokio::join!(proxy.connect(), master.accept());
            let are_over = Arc::clone(&are_over);
            all.spawn(async move {
                while !are_over.load(Relaxed) {
                    send(&mut asking, b"?").await;
                    expect_bytes(&mut answering, b"?").await;
                    send(&mut answering, b"!").await;
                    expect_bytes(&mut asking, b"!").await;
                }
            });
        }
        Self { are_over, all }
    }

    async fn stop(self) {
        self.are_over.store(true, Relaxed);
        self.all.join_all().await;
    }
}

/// 32 MiB, one way.
pub async fn stream(from: &mut TcpStream, to: &mut TcpStream) {
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
    for kind in KINDS {
        let (proxy, master, mut client, mut server) = session(relaying(kind)).await;
        let pauses = || proxy.workers.totals().bulk_pauses;
        stream(&mut server, &mut client).await;
        assert_eq!(pauses(), 0, "{kind:?}: nobody else is there");

        let chatters = Chatters::start(&proxy, &master).await;
        within("a pause", async {
            while pauses() == 0 {
                stream(&mut server, &mut client).await;
            }
        })
        .await;
        chatters.stop().await;
        eventually("the chatters leave", || proxy.workers.totals().active == 1).await;
        let before = pauses();
        stream(&mut server, &mut client).await;
        // What was said last may cost one more.
        assert!(pauses() <= before + 1, "{kind:?}: alone again");
    }
}

/// Words from the other side, a reader that stops for a while, and the end of the stream, each of which may come in a pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_carried_with_pauses_is_whole() {
    for (round, kind) in KINDS.into_iter().enumerate() {
        let mut settings = relaying(kind);
        // Each word ends bulk, which begins again before the next one.
        settings.tuning.bulk_after = 256 << 10;
        let (proxy, master, client, server) = session(settings).await;
        let chatters = Chatters::start(&proxy, &master).await;
        let (mut into, back_out) = client.into_split();
        let (back_in, mut out) = server.into_split();
        let mut words = Interjections { sink: back_out, source: back_in, count: 0 };
        let seed = 100 * round as u64;
        // Each begins where the one before ended, until there was a pause.
        within("the streams", async {
            while proxy.workers.totals().bulk_pauses == 0 {
                let (sent, came) = tokio::join!(
                    pour(&mut out, STREAM, seed),
                    sip(&mut into, STREAM, seed + 1, &mut words)
                );
                assert_eq!(sent, came, "{kind:?}");
            }
        })
        .await;
        // The last of it, with its end, and nothing from the other side.
        let last = vec![9; STREAM];
        let mut client = into.reunite(words.sink).expect("of one socket");
        tokio::join!(
            async {
                out.write_all(&last).await.expect("the proxy takes bytes");
                out.shutdown().await.expect("shut down");
            },
            async {
                expect_bytes(&mut client, &last).await;
                expect_end(&mut client).await;
            }
        );
        chatters.stop().await;
    }
}
