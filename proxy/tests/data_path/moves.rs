//! Sessions go on on another thread, and nobody at their ends can tell.

use crate::pauses::stream;
use crate::proxy::{
    Master, Proxy, eventually, expect_bytes, expect_end, raw, send, session, within,
};
use crate::streams::{Interjections, both_kinds_of_bulk, drink, pour, sip};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use stolon_proxy::outcome::End;
use stolon_proxy::relay::{RelayMode, Tuning};
use stolon_proxy::settings::Settings;
use stolon_proxy::spread::{Order, Share, WorkerId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BOUND: Duration = Duration::from_secs(120);
const LENGTH: usize = 32 << 20;

/// Sends every session from each of the two threads to the other one, again and again, until `main` is over.
async fn moving<T>(proxy: &Proxy, main: impl Future<Output = T>) -> T {
    // Who has had hardly anything to do since the order before is not moved.
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let shuffle = async {
        loop {
            for (from, to) in [(0, 1), (1, 0)] {
                let (from, to) = (WorkerId(from), WorkerId(to));
                let order = Order::HandOver { from, to, share: Share::All };
                proxy.workers.order(order).await.expect("the threads live");
            }
            pace.tick().await;
        }
    };
    tokio::select! {
        done = main => done,
        () = shuffle => unreachable!("it has no end"),
    }
}

fn moves(proxy: &Proxy) -> u64 {
    proxy.workers.totals().moved_away
}

async fn exchange(client: &mut TcpStream, server: &mut TcpStream, number: u64) {
    send(client, &number.to_be_bytes()).await;
    expect_bytes(server, &number.to_be_bytes()).await;
    send(server, &(!number).to_be_bytes()).await;
    expect_bytes(client, &(!number).to_be_bytes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_goes_on() {
    let (proxy, _master, mut client, mut server) = session(raw()).await;
    let talk = async {
        let mut number = 0;
        while moves(&proxy) < 100 {
            exchange(&mut client, &mut server, number).await;
            number += 1;
        }
        number
    };
    let exchanges = within("100 moves", moving(&proxy, talk)).await;
    // What is counted comes after what is sent.
    eventually("the counts", || {
        let totals = proxy.workers.totals();
        (totals.bytes_up, totals.bytes_down) == (exchanges * 8, exchanges * 8)
    })
    .await;
    let totals = proxy.workers.totals();
    assert_eq!((totals.active, totals.connections, totals.accepted), (1, 1, 1));
    drop(client);
    expect_end(&mut server).await;
    drop(server);
    eventually("the end", || proxy.workers.totals().connections == 0).await;
    assert_eq!(proxy.workers.totals().closed_by(End::Client), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_come_whole() {
    for (round, settings) in [RelayMode::Auto, RelayMode::Splice, RelayMode::Copy]
        .map(|mode| both_kinds_of_bulk(mode, 64 << 10))
        .concat()
        .into_iter()
        .enumerate()
    {
        let mode = settings.tuning.mode;
        let (proxy, _master, client, server) = session(settings).await;
        let (mut client_in, mut client_out) = client.into_split();
        let (mut server_in, mut server_out) = server.into_split();
        let seed = 10 * round as u64;
        let streams = async {
            while moves(&proxy) < 10 {
                let (up, up_came, down, down_came) = tokio::join!(
                    pour(&mut client_out, LENGTH, seed),
                    drink(&mut server_in, LENGTH, seed + 1),
                    pour(&mut server_out, LENGTH, seed + 2),
                    drink(&mut client_in, LENGTH, seed + 3),
                );
                assert_eq!((up, down), (up_came, down_came), "{mode}");
            }
        };
        within("both streams", moving(&proxy, streams)).await;
    }
}

/// In bulk most of the time, to a reader that stops now and then, with words from the other side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_to_a_slow_reader_comes_whole() {
    for (round, settings) in both_kinds_of_bulk(RelayMode::Auto, 256 << 10).into_iter().enumerate()
    {
        let (proxy, _master, client, server) = session(settings).await;
        let (mut into, back_out) = client.into_split();
        let (back_in, mut out) = server.into_split();
        let mut words = Interjections { sink: back_out, source: back_in, count: 0 };
        let seed = 10 * round as u64;
        let stream = async {
            while moves(&proxy) < 10 {
                let (sent, came) = tokio::join!(
                    pour(&mut out, LENGTH, seed),
                    sip(&mut into, LENGTH, seed + 1, &mut words)
                );
                assert_eq!(sent, came);
            }
        };
        within("the stream", moving(&proxy, stream)).await;
        assert!(proxy.workers.totals().bytes_piped > 0, "it was in bulk");
    }
}

/// A session that talks until it is ended: the end of either side.
type Talk = tokio::task::JoinHandle<[std::io::Result<usize>; 2]>;

/// `count` sessions that never stop talking.
async fn talk_until_the_end(proxy: &Proxy, master: &Master, count: usize) -> Vec<Talk> {
    let mut talks = Vec::new();
    for _ in 0..count {
        let (client, server) = tokio::join!(proxy.connect(), master.accept());
        talks.push(tokio::spawn(async move {
            let (ask, answer) = (Side { socket: client, begins: true }, Side::answering(server));
            let (asked, answered) = tokio::join!(ask.talk(), answer.talk());
            [asked, answered]
        }));
    }
    talks
}

/// The client gets an end in order, the master a reset.
async fn expect_both_ends(talk: Talk) {
    let [client, server] = within("the end", talk).await.expect("it ends");
    assert_eq!(client.expect("an end in order"), 0);
    let reset = server.expect_err("a reset, not an end").kind();
    assert_eq!(reset, std::io::ErrorKind::ConnectionReset);
}

struct Side {
    socket: TcpStream,
    begins: bool,
}

impl Side {
    fn answering(socket: TcpStream) -> Self {
        Self { socket, begins: false }
    }

    /// Talks as long as there is an answer: 0 is the end of the stream.
    async fn talk(mut self) -> std::io::Result<usize> {
        let mut word = [0; 8];
        if self.begins {
            self.socket.write_all(b"question").await?;
        }
        loop {
            match self.socket.read(&mut word).await? {
                0 => return Ok(0),
                length => self.socket.write_all(&word[..length]).await?,
            }
        }
    }
}

/// How many sockets of this machine are connected to the port.
fn established(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table of sockets");
    let connected = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        let remote = words.next().and_then(|address| address.rsplit_once(':'));
        remote.is_some_and(|(_, its)| u16::from_str_radix(its, 16) == Ok(port))
            && words.next() == Some("01")
    };
    table.lines().filter(connected).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_on_its_way_is_ended_with_its_target() {
    const SESSIONS: usize = 20;
    let proxy = Proxy::start(raw()).await;
    for round in 1..=20 {
        let master = Master::start().await;
        proxy.forward_to(master.address);
        let before = moves(&proxy);
        let talks = talk_until_the_end(&proxy, &master, SESSIONS).await;
        let retired = async {
            eventually("moves", || moves(&proxy) > before + 5 * SESSIONS as u64).await;
            let epoch = proxy.routing.hold();
            assert!(proxy.workers.retire(epoch, End::Target, BOUND).await);
            // Not one byte is on its way to it any more, not even in a socket's buffer.
            assert_eq!(established(master.address.port()), 0);
            for talk in talks {
                expect_both_ends(talk).await;
            }
        };
        moving(&proxy, retired).await;
        eventually("all are gone", || proxy.workers.totals().connections == 0).await;
        assert_eq!(proxy.workers.totals().closed_by(End::Target), round * SESSIONS as u64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_on_its_way_is_waited_for_and_ended_with_all() {
    const SESSIONS: usize = 4;
    for _ in 0..20 {
        let proxy = Proxy::start(raw()).await;
        let master = Master::start().await;
        proxy.forward_to(master.address);
        let talks = talk_until_the_end(&proxy, &master, SESSIONS).await;
        let ended = async {
            let mut empty = pin!(proxy.workers.empty());
            let enough = moves(&proxy) + 5 * SESSIONS as u64;
            tokio::select! {
                () = &mut empty => panic!("there are sessions"),
                () = eventually("moves", || moves(&proxy) > enough) => {}
            }
            proxy.workers.stop_all(End::Drain).await;
            within("the end of all", empty).await;
            for talk in talks {
                expect_both_ends(talk).await;
            }
        };
        moving(&proxy, ended).await;
        assert_eq!(proxy.workers.totals().closed_by(End::Drain), SESSIONS as u64);
    }
}

/// The balance itself: what is going on gathers on the first thread, and leaves a stream that would delay it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_gather_and_part_with_a_stream() {
    const SESSIONS: usize = 16;
    let tuning = Tuning { small_segment: 0, measured: 1, ..Tuning::default() };
    let (proxy, master, mut client, mut server) = session(Settings { tuning, ..raw() }).await;
    assert_eq!(proxy.workers.in_use(), 1);
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(tokio::join!(proxy.connect(), master.accept()));
    }
    // So slow that one thread is enough.
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The stream's session is on the thread where all will be.
    for number in 0..10 {
        exchange(&mut client, &mut server, number).await;
    }
    let order = Order::HandOver { from: WorkerId(1), to: WorkerId(0), share: Share::All };
    proxy.workers.order(order).await.expect("the threads live");
    exchange(&mut client, &mut server, 10).await;
    let mut number = 0;
    let talk = async {
        loop {
            for (client, server) in &mut sessions {
                exchange(client, server, number).await;
                number += 1;
                pace.tick().await;
            }
        }
    };
    let gathered_and_parted = async {
        eventually("some have moved", || moves(&proxy) > 0).await;
        within("a stream alone on its thread", async {
            let before = moves(&proxy);
            loop {
                let pauses = proxy.workers.totals().bulk_pauses;
                stream(&mut server, &mut client).await;
                let no_pause = proxy.workers.totals().bulk_pauses == pauses;
                if no_pause && proxy.workers.in_use() == 2 && moves(&proxy) > before {
                    break;
                }
            }
        })
        .await;
    };
    tokio::select! {
        () = gathered_and_parted => {}
        () = talk => unreachable!("it has no end"),
    }
}
