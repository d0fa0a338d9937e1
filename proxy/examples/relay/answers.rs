//! Answers of many sizes, by the threshold of bulk.

use crate::proxy::Proxy;
use crate::{median, quantile};
use anyhow::Result;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;
use stolon_proxy::relay::{RelayMode, Tuning};

const SIZES: [usize; 7] =
    [100_000, 300_000, 1_000_000, 5_000_000, 10_000_000, 20_000_000, 100_000_000];
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const ROUNDS: usize = 7;
/// Moved for each size in each round.
const VOLUME: usize = 40_000_000;
/// What PostgreSQL writes at one time.
const PIECE: usize = 8 * 1024;

struct Case {
    name: String,
    proxy: Proxy,
    client: TcpStream,
}

pub fn measure() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let master = listener.local_addr()?;
    let tunings = [("none", RelayMode::Copy, u64::MAX)].into_iter().chain(
        [
            ("256 KiB", 256 * KIB),
            ("1 MiB", MIB),
            ("4 MiB", 4 * MIB),
            ("8 MiB", 8 * MIB),
            ("16 MiB", 16 * MIB),
        ]
        .map(|(name, after)| (name, RelayMode::Auto, after)),
    );
    let mut cases = Vec::new();
    for (name, mode, bulk_after) in tunings {
        let proxy = Proxy::start(Tuning { mode, bulk_after, ..Tuning::default() }, master)?;
        let client = TcpStream::connect(proxy.address)?;
        client.set_nodelay(true)?;
        let (server, _) = listener.accept()?;
        // As PostgreSQL does. Without it the last piece waits for a delayed acknowledgement.
        server.set_nodelay(true)?;
        std::thread::spawn(move || answer(server));
        cases.push(Case { name: name.to_owned(), proxy, client });
    }
    println!(
        "{:>11}  {:>8}  {:>8}  {:>8}  {:>7}  {:>8}",
        "bytes", "bulk at", "p50 ms", "p95 ms", "x none", "CPU s/GB"
    );
    for size in SIZES {
        let mut figures: Vec<[Vec<f64>; 3]> = cases.iter().map(|_| Default::default()).collect();
        for _ in 0..ROUNDS {
            // Interleaved, so that what else the machine does meets all of them.
            for (case, [p50, p95, cpu]) in cases.iter_mut().zip(&mut figures) {
                let before = case.proxy.cpu()?;
                let mut times = (0..(VOLUME / size).clamp(2, 200))
                    .map(|_| ask(&mut case.client, size))
                    .collect::<Result<Vec<f64>>>()?;
                let moved = (times.len() * size) as f64 / 1e9;
                cpu.push((case.proxy.cpu()? - before).as_secs_f64() / moved);
                times.sort_by(f64::total_cmp);
                p50.push(quantile(&times, 0.5));
                p95.push(quantile(&times, 0.95));
            }
        }
        let mut without = None;
        for (case, [p50, p95, cpu]) in cases.iter().zip(figures) {
            let p95 = median(p95);
            let ratio = p95 / *without.get_or_insert(p95);
            println!(
                "{size:>11}  {:>8}  {:8.3}  {p95:8.3}  {ratio:7.2}  {:8.3}",
                case.name,
                median(p50),
                median(cpu)
            );
        }
    }
    Ok(())
}

/// Milliseconds from the request to the last byte of the answer.
fn ask(client: &mut TcpStream, size: usize) -> Result<f64> {
    let mut buffer = [0; 64 * 1024];
    let began = Instant::now();
    client.write_all(&(size as u64).to_be_bytes())?;
    let mut left = size;
    while left > 0 {
        let most = left.min(buffer.len());
        let got = client.read(&mut buffer[..most])?;
        anyhow::ensure!(got > 0, "the answer ended early");
        left -= got;
    }
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

fn answer(mut server: TcpStream) {
    let piece = [7; PIECE];
    let mut request = [0; 8];
    while server.read_exact(&mut request).is_ok() {
        let mut left = u64::from_be_bytes(request) as usize;
        while left > 0 {
            let size = left.min(PIECE);
            if server.write_all(&piece[..size]).is_err() {
                return;
            }
            left -= size;
        }
    }
}
