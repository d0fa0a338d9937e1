//! Small sessions beside a bulk stream. The stream costs the machine something wherever it passes: its two ends want the cores
//! that the sessions' own ends and the relay need. What the relay adds to that, and what it adds on the stream's own thread, shows
//! beside a stream that goes past the proxy.

use crate::proxy::Proxy;
use crate::{median, quantile};
use anyhow::{Result, anyhow};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stolon_proxy::relay::{RelayMode, Tuning};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SESSIONS: usize = 32;
const ROUNDS: usize = 9;
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
        "p99 of {SESSIONS} sessions of {MESSAGE} bytes each way, in ms, and as a ratio to that without a stream; GB/s of the stream; \
         medians of {ROUNDS} rounds"
    );
    println!(
        "{:>6}  {:>9}  {:>21}  {:>21}  {:>21}  {:>19}",
        "relay",
        "no stream",
        "stream past the proxy",
        "on another thread",
        "on the same thread",
        "same thread to past"
    );
    for mode in [RelayMode::Auto, RelayMode::Splice, RelayMode::Copy] {
        let tuning = Tuning { mode, ..Tuning::default() };
        let (same, other) = (Proxy::start(tuning, master)?, Proxy::start(tuning, master)?);
        let streams = [None, Some(master), Some(other.address), Some(same.address)];
        let mut p99s: [Vec<f64>; 4] = Default::default();
        let mut rates: [Vec<f64>; 4] = Default::default();
        for round in 0..ROUNDS {
            // In turn, so that what else the machine does meets all of them, and nobody always comes after the same.
            for turn in 0..streams.len() {
                let which = (round + turn) % streams.len();
                let stop = Arc::new(AtomicBool::new(false));
                let stream = streams[which].map(|address| drink(address, Arc::clone(&stop)));
                p99s[which].push(converse(same.address)?);
                stop.store(true, Relaxed);
                let rate = stream.map(JoinHandle::join).transpose();
                let rate = rate.map_err(|_| anyhow!("the stream panicked"))?.transpose()?;
                rates[which].extend(rate);
                same.wait_empty();
                other.wait_empty();
            }
        }
        // Of two neighbours in time.
        let ratio = |which: usize, base: usize| {
            median(p99s[which].iter().zip(&p99s[base]).map(|(p99, base)| p99 / base).collect())
        };
        print!("{mode:>6}  {:9.2}", median(p99s[0].clone()));
        for which in 1..streams.len() {
            let p99 = median(p99s[which].clone());
            print!("  {p99:7.2} {:5.2}x {:7.2}", ratio(which, 0), median(rates[which].clone()));
        }
        println!("  {:18.2}x", ratio(3, 1));
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

/// A client that reads a stream until it is told to stop: GB/s.
fn drink(proxy: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<std::io::Result<f64>> {
    std::thread::spawn(move || {
        let mut client = TcpStream::connect(proxy)?;
        client.write_all(&[POUR])?;
        let mut buffer = vec![0; 256 * 1024];
        let (began, mut bytes) = (Instant::now(), 0);
        while !stop.load(Relaxed) {
            match client.read(&mut buffer)? {
                0 => break,
                read => bytes += read,
            }
        }
        Ok(bytes as f64 / 1e9 / began.elapsed().as_secs_f64())
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
