//! The data path in this process, without a control plane: relay by size and mode, set-up of sessions, swap and drop.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]
#![expect(clippy::print_stdout, reason = "a bench is read in a terminal")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stolon_bench::compare::raw::{POSTGRES_CHUNK, RawClient, RawServer, Request};
use stolon_bench::compare::sessions::{await_ends, connect_all, last_end};
use stolon_bench::files;
use stolon_model::generation::Generation;
use stolon_model::uid::{DbUid, ProxyUid};
use stolon_proxy::check::Absence;
use stolon_proxy::fence::boottime;
use stolon_proxy::gatehouse::Gatehouse;
use stolon_proxy::relay::{RelayMode, Tuning};
use stolon_proxy::settings::Settings;
use stolon_proxy::status::Status;
use tokio::runtime::Runtime;

const SIZES: [u64; 6] = [100, 1_000, 8_000, 64_000, 1_000_000, 64_000_000];
const DROPPED: usize = 1000;

/// One worker thread in front of a master, without a store.
struct Proxy {
    gatehouse: Gatehouse,
    port: u16,
}

impl Proxy {
    async fn start(mode: RelayMode, master: u16) -> Self {
        let settings = Settings {
            startup_timeout: None,
            tuning: Tuning { mode, ..Tuning::default() },
            ..Settings::default()
        };
        let status = Arc::new(Status::new(ProxyUid::new("bench"), "bench".to_owned()));
        let gatehouse = Gatehouse::start(1, "127.0.0.1:0".to_owned(), settings, status)
            .expect("a thread starts");
        gatehouse.listen().await.expect("a free port");
        let port = gatehouse.address().expect("it listens").port();
        let proxy = Self { gatehouse, port };
        proxy.forward_to(master).await;
        proxy
    }

    /// Returns when no session can send another master a byte any more.
    async fn forward_to(&self, master: u16) {
        let address = SocketAddr::from(([127, 0, 0, 1], master));
        let deadline = boottime() + Duration::from_secs(3600);
        let db = DbUid::new(master.to_string());
        self.gatehouse.forward(Generation(1), db, address, deadline).await;
    }

    async fn connect(&self) -> RawClient {
        let mut client = RawClient::connect(self.port, 256 * 1024).await.expect("it listens");
        ask(&mut client, Request::PING).await;
        client
    }
}

async fn ask(client: &mut RawClient, request: Request) {
    client.exchange(&request.encode(), request.answer).await.expect("an answer");
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A request of 100 bytes and an answer in PostgreSQL's writes.
fn relay(criterion: &mut Criterion) {
    let (runtime, master) = (runtime(), RawServer::start(0).expect("a free port"));
    for mode in [RelayMode::Copy, RelayMode::Splice, RelayMode::Auto] {
        let proxy = runtime.block_on(Proxy::start(mode, master.port));
        let mut client = runtime.block_on(proxy.connect());
        let mut group = criterion.benchmark_group(format!("relay/{mode}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(200));
        group.measurement_time(Duration::from_millis(800));
        for size in SIZES {
            let request = Request { size: 100, chunk: POSTGRES_CHUNK, answer: size };
            group.throughput(Throughput::Bytes(size));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter_custom(|times| {
                    let began = Instant::now();
                    for _ in 0..times {
                        runtime.block_on(ask(&mut client, request));
                    }
                    began.elapsed()
                });
            });
        }
        group.finish();
    }
}

/// From connect to the first answer.
fn set_up(criterion: &mut Criterion) {
    let (runtime, master) = (runtime(), RawServer::start(0).expect("a free port"));
    let proxy = runtime.block_on(Proxy::start(RelayMode::Auto, master.port));
    criterion.bench_function("session set-up", |bencher| {
        bencher.iter(|| runtime.block_on(proxy.connect()));
    });
}

/// From the swap until the one session of the old target has seen its end.
fn swap(criterion: &mut Criterion) {
    let runtime = runtime();
    let masters = [RawServer::start(0), RawServer::start(1)].map(|m| m.expect("a free port"));
    let proxy = runtime.block_on(Proxy::start(RelayMode::Auto, masters[0].port));
    criterion.bench_function("target swap", |bencher| {
        bencher.iter_custom(|times| {
            let pairs = masters.iter().zip(masters.iter().rev()).cycle();
            let swaps = pairs.take(usize::try_from(times).expect("few"));
            swaps
                .map(|(old, new)| {
                    runtime.block_on(async {
                        proxy.forward_to(old.port).await;
                        let client = proxy.connect().await;
                        let began = Instant::now();
                        proxy.forward_to(new.port).await;
                        let ending = await_ends(vec![client]);
                        last_end(ending, began).await.expect("the end").0 - began
                    })
                })
                .sum()
        });
    });
}

/// From the word until the last of a thousand clients has seen the end.
fn drop_sessions(criterion: &mut Criterion) {
    let (runtime, master) = (runtime(), RawServer::start(0).expect("a free port"));
    // This process holds the proxy's ends and the master's too.
    let (sessions, shortage) = files::sessions_for(DROPPED * 2).expect("limits");
    if let Some(shortage) = shortage.filter(|_| sessions < DROPPED * 2) {
        println!("drop: left out: {shortage}");
        return;
    }
    let proxy = runtime.block_on(Proxy::start(RelayMode::Auto, master.port));
    let mut group = criterion.benchmark_group("drop");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    group.bench_function(BenchmarkId::from_parameter(DROPPED), |bencher| {
        bencher.iter_custom(|times| {
            (0..times)
                .map(|_| {
                    runtime.block_on(async {
                        proxy.forward_to(master.port).await;
                        let clients = connect_all(proxy.port, DROPPED).await.expect("sessions");
                        let began = Instant::now();
                        let gone = Absence::NoDb(DbUid::new("gone"));
                        assert!(proxy.gatehouse.drop_target(&gone).await, "sessions stay");
                        let ending = await_ends(clients);
                        last_end(ending, began).await.expect("the end").0 - began
                    })
                })
                .sum()
        });
    });
    group.finish();
}

criterion_group!(benches, relay, set_up, swap, drop_sessions);
criterion_main!(benches);
