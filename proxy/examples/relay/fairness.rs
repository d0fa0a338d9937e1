//! Small sessions beside a bulk stream. The stream costs the machine something wherever it passes: its two ends want the cores
//! that the sessions' own ends and the relay need. What the relay adds to that, and what it adds on the stream's own thread, shows
//! beside a stream that goes past the proxy.

use crate::proxy::Proxy;
use crate::{median, quantile};
use anyhow::Result;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stolon_proxy::relay::{RelayMode, Tuning};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SESSIONS: usize = 32;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);
const MESSAGE: usize = 100;
/// The first byte of a session tells the master what to do.
const ECHO: u8 = b'e';
const POUR: u8 = b'p';

pub fn measure() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let master = listener.local_addr()?;
    std::thread::spawn(move || {
        for server in listener.incoming().flatten() {
            std::thread::spawn(move || serve(server));
        }
    });
    println!(
        "p99 of {SESSIONS} sessions of {MESSAGE} bytes each way, ms; medians of {ROUNDS} rounds"
    );
    println!(
        "{:>6}  {:>9}  {:>21}  {:>30}  {:>22}",
        "relay",
        "no stream",
        "stream past the proxy",
        "same thread: beside none, past",
        "other thread"
    );
    for mode in [RelayMode::Auto, RelayMode::Splice, RelayMode::Copy] {
        let tuning = Tuning { mode, ..Tuning::default() };
        let (same, other) = (Proxy::start(tuning, master)?, Proxy::start(tuning, master)?);
        let mut figures: [Vec<f64>; 4] = Default::default();
        for _ in 0..ROUNDS {
            // Interleaved, so that what else the machine does meets all of them.
            let streams = [None, Some(master), Some(same.address), Some(other.address)];
            for (beside, p99) in streams.into_iter().zip(&mut figures) {
                let stop = Arc::new(AtomicBool::new(false));
                let stream = beside.map(|address| drink(address, Arc::clone(&stop)));
                p99.push(converse(same.address)?);
                stop.store(true, Relaxed);
                if let Some(stream) = stream {
                    let _ = stream.join();
                }
                same.wait_empty();
                other.wait_empty();
            }
        }
        let [without, past, on_same, on_other] = figures.map(median);
        println!(
            "{mode:>6}  {without:9.3}  {past:13.3} {:6.2}x  {on_same:14.3} {:6.2}x {:6.2}x  {on_other:14.3} {:6.2}x",
            past / without,
            on_same / without,
            on_same / past,
            on_other / without
        );
    }
    Ok(())
}

/// The p99 of request and answer, in milliseconds, of all sessions together.
fn converse(proxy: SocketAddr) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut times = runtime
        .block_on(async {
            let mut sessions = tokio::task::JoinSet::new();
            for _ in 0..SESSIONS {
                sessions.spawn(async move {
                    let mut client = tokio::net::TcpStream::connect(proxy).await?;
                    client.set_nodelay(true)?;
                    client.write_all(&[ECHO]).await?;
                    let mut message = [1; MESSAGE];
                    let mut times = Vec::new();
                    let end = Instant::now() + ROUND;
                    while Instant::now() < end {
                        let began = Instant::now();
                        client.write_all(&message).await?;
                        client.read_exact(&mut message).await?;
                        times.push(began.elapsed().as_secs_f64() * 1000.0);
                    }
                    std::io::Result::Ok(times)
                });
            }
            sessions.join_all().await.into_iter().collect::<std::io::Result<Vec<_>>>()
        })?
        .concat();
    times.sort_by(f64::total_cmp);
    Ok(quantile(&times, 0.99))
}

/// A client that reads a stream until it is told to stop.
fn drink(proxy: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<std::io::Result<()>> {
    std::thread::spawn(move || {
        let mut client = TcpStream::connect(proxy)?;
        client.write_all(&[POUR])?;
        let mut buffer = vec![0; 256 * 1024];
        while !stop.load(Relaxed) && client.read(&mut buffer)? > 0 {}
        Ok(())
    })
}

/// A master: an echo, or a stream in pieces of 8 KiB as PostgreSQL writes them.
fn serve(mut server: TcpStream) -> std::io::Result<()> {
    server.set_nodelay(true)?;
    let mut first = [0];
    server.read_exact(&mut first)?;
    if first == [POUR] {
        let piece = [7; 8 * 1024];
        while server.write_all(&piece).is_ok() {}
        return Ok(());
    }
    let mut message = [0; MESSAGE];
    loop {
        server.read_exact(&mut message)?;
        server.write_all(&message)?;
    }
}
