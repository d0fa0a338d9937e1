//! Bytes arrive as they were sent, in every mode and across every change of mode.

use crate::proxy::{Proxy, eventually, expect_bytes, expect_end, raw, send, session, within};
use rustix::net::SendFlags;
use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;
use stolon_proxy::relay::{RelayMode, Tuning};
use stolon_proxy::settings::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const LITTLE: Duration = Duration::from_millis(200);
const LONG: usize = 64 * 1024 * 1024;

fn relaying(mode: RelayMode, bulk_after: u64) -> Settings {
    Settings { tuning: Tuning { mode, bulk_after, ..Tuning::default() }, ..raw() }
}

/// As if the segments of whoever sends were large, or small.
const SEGMENTS: [u64; 2] = [0, u64::MAX];

/// The same with bulk by the mark, and by the clock.
pub fn both_kinds_of_bulk(mode: RelayMode, bulk_after: u64) -> [Settings; 2] {
    SEGMENTS.map(|small_segment| {
        let tuning = Tuning { mode, bulk_after, small_segment, measured: 1, ..Tuning::default() };
        Settings { tuning, ..raw() }
    })
}

/// Sends `length` bytes from a seed in chunks of random size; the hash of what was sent.
pub async fn pour(sink: &mut OwnedWriteHalf, length: usize, seed: u64) -> u64 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(1 << 20).collect();
    let mut hash = DefaultHasher::new();
    let mut left = length;
    while left > 0 {
        let most = [1, 100, 8 << 10, 64 << 10, 512 << 10][rng.usize(..5)];
        let size = rng.usize(1..=most).min(left);
        let start = rng.usize(..=noise.len() - size);
        let chunk = &noise[start..start + size];
        sink.write_all(chunk).await.expect("the proxy takes bytes");
        hash.write(chunk);
        left -= size;
    }
    hash.finish()
}

/// Reads `length` bytes in portions of random size; the hash of what came.
pub async fn drink(source: &mut OwnedReadHalf, length: usize, seed: u64) -> u64 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut buffer = vec![0; 256 << 10];
    let mut hash = DefaultHasher::new();
    let mut left = length;
    while left > 0 {
        let most = rng.usize(1..=buffer.len()).min(left);
        let got = source.read(&mut buffer[..most]).await.expect("bytes come");
        assert!(got > 0, "the stream ended {left} bytes early");
        hash.write(&buffer[..got]);
        left -= got;
    }
    hash.finish()
}

async fn both_ways(settings: Settings, length: usize, seed: u64) -> Proxy {
    let (proxy, _master, client, server) = session(settings).await;
    let (mut client_in, mut client_out) = client.into_split();
    let (mut server_in, mut server_out) = server.into_split();
    let (up, up_came, down, down_came) = within("both streams", async {
        tokio::join!(
            pour(&mut client_out, length, seed),
            drink(&mut server_in, length, seed + 1),
            pour(&mut server_out, length, seed + 2),
            drink(&mut client_in, length, seed + 3),
        )
    })
    .await;
    // Hashers see different portions; the default hasher hashes a byte stream, not portions.
    assert_eq!((up, down), (up_came, down_came));
    let expected = length as u64;
    eventually("the counts", || {
        let totals = proxy.workers.totals();
        (totals.bytes_up, totals.bytes_down) == (expected, expected)
    })
    .await;
    let totals = proxy.workers.totals();
    assert_eq!(totals.bytes_copied + totals.bytes_piped, 2 * expected);
    proxy
}

#[tokio::test]
async fn long_streams_both_ways_by_copy() {
    let proxy = both_ways(relaying(RelayMode::Copy, u64::MAX), LONG, 1).await;
    assert_eq!(proxy.workers.totals().bytes_piped, 0);
}

#[tokio::test]
async fn long_streams_both_ways_by_splice() {
    let proxy = both_ways(relaying(RelayMode::Splice, u64::MAX), LONG, 2).await;
    assert!(proxy.workers.totals().bytes_piped > LONG as u64);
}

#[tokio::test]
async fn long_streams_both_ways_by_auto() {
    for settings in both_kinds_of_bulk(RelayMode::Auto, Tuning::default().bulk_after) {
        both_ways(settings, LONG, 3).await;
    }
}

/// Bulk is entered after each 64 KiB, and left by each byte from the other side.
#[tokio::test]
async fn long_streams_both_ways_with_many_changes_of_mode() {
    for settings in both_kinds_of_bulk(RelayMode::Auto, 64 << 10) {
        let proxy = both_ways(settings, LONG, 4).await;
        let totals = proxy.workers.totals();
        assert!(totals.bytes_piped > 0 && totals.bytes_copied > 0, "{totals:?}");
    }
}

/// The quiet direction beside a stream. A word in it ends bulk wherever the stream is: in the socket, in the pipe, set aside.
pub struct Interjections {
    pub sink: OwnedWriteHalf,
    pub source: OwnedReadHalf,
    pub count: u64,
}

impl Interjections {
    async fn exchange(&mut self) {
        let word = self.count as u8;
        self.sink.write_all(&[word]).await.expect("the proxy takes a word");
        assert_eq!(self.source.read_u8().await.expect("it comes"), word);
        self.count += 1;
    }
}

/// Reads like [`drink`], and now and then nothing for some milliseconds, so that the proxy is left with what it has taken. At least
/// every 5 MiB there is a word from the other side.
pub async fn sip(
    source: &mut OwnedReadHalf,
    length: usize,
    seed: u64,
    words: &mut Interjections,
) -> u64 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut buffer = vec![0; 1 << 20];
    let mut hash = DefaultHasher::new();
    let (mut left, mut next_word) = (length, length);
    while left > 0 {
        if rng.u8(..) < 30 {
            tokio::time::sleep(Duration::from_millis(rng.u64(1..10))).await;
        }
        if left <= next_word {
            words.exchange().await;
            next_word = left.saturating_sub(rng.usize(1 << 20..4 << 20));
        }
        let most = rng.usize(1..=buffer.len()).min(left);
        let got = source.read(&mut buffer[..most]).await.expect("bytes come");
        assert!(got > 0, "the stream ended {left} bytes early");
        hash.write(&buffer[..got]);
        left -= got;
    }
    hash.finish()
}

/// One long stream each time, in either direction, to a slow reader, with many changes of mode, with pipes enough, few, and
/// none.
#[tokio::test]
async fn long_streams_to_slow_readers_across_changes_of_mode() {
    for (round, ((mode, pipes), small_segment)) in [
        (RelayMode::Auto, 32),
        (RelayMode::Auto, 1),
        (RelayMode::Auto, 0),
        (RelayMode::Splice, 1),
        (RelayMode::Splice, 0),
        (RelayMode::Copy, 32),
    ]
    .into_iter()
    .flat_map(|round| SEGMENTS.map(|size| (round, size)))
    .enumerate()
    {
        let mut settings = relaying(mode, 256 << 10);
        (settings.tuning.pipes, settings.tuning.small_segment) = (pipes, small_segment);
        settings.tuning.measured = 1;
        let (proxy, _master, client, server) = session(settings).await;
        let (client, server) = (client.into_split(), server.into_split());
        let (from, to) = if round / 2 % 2 == 0 { (server, client) } else { (client, server) };
        let ((back_in, mut out), (mut into, back_out)) = (from, to);
        let mut words = Interjections { sink: back_out, source: back_in, count: 0 };
        let seed = 10 * round as u64;
        let (sent, came) = within("the stream", async {
            tokio::join!(pour(&mut out, LONG, seed), sip(&mut into, LONG, seed + 1, &mut words),)
        })
        .await;
        assert_eq!(sent, came, "{mode} with {pipes} pipes, {small_segment}");
        assert!(words.count > LONG as u64 / (5 << 20), "{} words", words.count);
        let all = LONG as u64 + words.count;
        eventually("the counts", || {
            let totals = proxy.workers.totals();
            totals.bytes_up + totals.bytes_down == all
        })
        .await;
        let totals = proxy.workers.totals();
        let wanted = mode != RelayMode::Copy;
        assert_eq!(totals.bytes_piped > 0, wanted && pipes > 0, "{totals:?}");
        if pipes != 1 {
            // With one, the other direction may find it full.
            assert_eq!(totals.pipe_misses > 0, wanted && pipes == 0, "{totals:?}");
        }
        if mode == RelayMode::Auto {
            // Each word ends bulk, and a part of what comes after it goes through memory.
            assert!(totals.bytes_copied > words.count * (128 << 10), "{}: {totals:?}", words.count);
        }
    }
}

#[tokio::test]
async fn bulk_by_copy_coalesces_without_pipes() {
    for settings in both_kinds_of_bulk(RelayMode::Copy, 64 << 10) {
        let proxy = both_ways(settings, LONG / 4, 5).await;
        assert_eq!(proxy.workers.totals().bytes_piped, 0);
    }
}

/// Answers of every size around the threshold, each to a small request: the tail of an answer must never stay behind the
/// low-water mark.
#[tokio::test]
async fn answers_of_all_sizes_come_whole() {
    for settings in [RelayMode::Auto, RelayMode::Splice, RelayMode::Copy]
        .map(|mode| both_kinds_of_bulk(mode, 128 << 10))
        .concat()
    {
        let (_proxy, _master, mut client, mut server) = session(settings).await;
        let answer: Vec<u8> = (0..3_usize << 20).map(|i| (i * 31 % 251) as u8).collect();
        let mut rng = fastrand::Rng::with_seed(6);
        for _ in 0..40 {
            let length = rng.usize(1..answer.len());
            send(&mut client, b"request").await;
            expect_bytes(&mut server, b"request").await;
            tokio::join!(
                send(&mut server, &answer[..length]),
                expect_bytes(&mut client, &answer[..length])
            );
        }
    }
}

/// In bulk, single bytes make no events: the timer brings them.
#[tokio::test]
async fn a_trickle_after_bulk_still_arrives() {
    for settings in both_kinds_of_bulk(RelayMode::Auto, 64 << 10) {
        let (_proxy, _master, mut client, mut server) = session(settings).await;
        let bulk = vec![7; 8 << 20];
        tokio::join!(send(&mut server, &bulk), expect_bytes(&mut client, &bulk));
        for byte in 0..50 {
            send(&mut server, &[byte]).await;
            expect_bytes(&mut client, &[byte]).await;
        }
    }
}

#[tokio::test]
async fn data_and_end_in_one_event() {
    for settings in
        [RelayMode::Auto, RelayMode::Splice].map(|mode| both_kinds_of_bulk(mode, 64 << 10)).concat()
    {
        let (proxy, master, ..) = session(settings).await;
        for round in 0..200_usize {
            let (mut client, mut server) = tokio::join!(proxy.connect(), master.accept());
            let last = vec![1; round * 1000 + 1];
            let (first, second): (&mut TcpStream, &mut TcpStream) = if round % 2 == 0 {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            tokio::join!(
                async {
                    send(first, &last).await;
                    first.shutdown().await.expect("shut down");
                },
                async {
                    expect_bytes(second, &last).await;
                    expect_end(second).await;
                }
            );
        }
    }
}

/// What PostgreSQL never sends, and a stream may hold all the same: each read ends before an urgent byte, `splice` does not pass it,
/// and there may be the end of the stream behind it.
#[tokio::test]
async fn urgent_bytes_keep_their_place() {
    for settings in [RelayMode::Auto, RelayMode::Splice, RelayMode::Copy]
        .map(|mode| both_kinds_of_bulk(mode, 64 << 10))
        .concat()
    {
        let (proxy, master, ..) = session(settings).await;
        for round in 0..60_usize {
            let (mut client, mut server) = tokio::join!(proxy.connect(), master.accept());
            let (first, second): (&mut TcpStream, &mut TcpStream) = if round % 2 == 0 {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            let before = vec![1; [0, 3, 500_000][round / 2 % 3]];
            let behind = vec![2; [0, 5, 300_000][round / 6 % 3]];
            let whole = [&before[..], b"!", &behind].concat();
            tokio::join!(
                async {
                    send(first, &before).await;
                    send_urgently(first, b'!').await;
                    send(first, &behind).await;
                    if round < 30 {
                        first.shutdown().await.expect("shut down");
                    }
                },
                async {
                    expect_bytes(second, &whole).await;
                    if round < 30 {
                        expect_end(second).await;
                    }
                }
            );
        }
    }
}

async fn send_urgently(socket: &mut TcpStream, byte: u8) {
    let write = || Ok(rustix::net::send(&*socket, &[byte], SendFlags::OOB)?);
    let sent = within("a byte to be taken", socket.async_io(Interest::WRITABLE, write)).await;
    assert_eq!(sent.expect("a byte is taken"), 1);
}

#[tokio::test]
async fn a_slow_reader_costs_bounded_memory() {
    for mode in [RelayMode::Auto, RelayMode::Splice, RelayMode::Copy] {
        a_reader_that_stops_costs_bounded_memory(mode).await;
    }
}

async fn a_reader_that_stops_costs_bounded_memory(mode: RelayMode) {
    // A client that does not read is alive all the same.
    let impatient = Settings { peer_timeout: Some(LITTLE), ..relaying(mode, 1 << 20) };
    let (proxy, _master, mut client, mut server) = session(impatient).await;
    let chunk = vec![3; 64 << 10];
    let mut written = 0_usize;
    // The master writes until nobody takes any more; five times the patience with a dead peer is that.
    while let Ok(sent) = tokio::time::timeout(5 * LITTLE, server.write(&chunk)).await {
        written += sent.expect("the session lives");
        assert!(written < 256 << 20, "the proxy takes without end");
    }
    let taken = proxy.workers.totals().bytes_down as usize;
    // What the proxy has not given on is in the sockets between it and the master, or set aside in memory.
    let largest = |kind: &str| {
        let sizes = std::fs::read_to_string(format!("/proc/sys/net/ipv4/tcp_{kind}"))
            .expect("the kernel's buffer sizes");
        sizes.split_whitespace().nth(2).and_then(|size| size.parse::<usize>().ok()).expect("a size")
    };
    let in_sockets = largest("rmem") + largest("wmem");
    let set_aside = (written - taken).saturating_sub(in_sockets);
    assert!(set_aside <= 1 << 20, "{mode}: {written} written, {taken} given on");
    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    while received < written {
        let got = within("the rest", client.read(&mut buffer)).await.expect("it comes");
        assert!(got > 0 && buffer[..got].iter().all(|byte| *byte == 3));
        received += got;
    }
}

#[tokio::test]
async fn no_pipe_is_held_while_idle() {
    let pipes = || {
        std::fs::read_dir("/proc/self/fd")
            .expect("the list of descriptors")
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|link| link.to_string_lossy().starts_with("pipe:"))
            .count()
    };
    let (proxy, master, ..) = session(relaying(RelayMode::Splice, u64::MAX)).await;
    let mut sessions = Vec::new();
    for _ in 0..50 {
        let (mut client, mut server) = tokio::join!(proxy.connect(), master.accept());
        send(&mut client, b"x").await;
        expect_bytes(&mut server, b"x").await;
        sessions.push((client, server));
    }
    // Other tests of this process use pipes too, each with its own two threads.
    assert!(pipes() < 2 * 50, "{} descriptors of pipes", pipes());
}
