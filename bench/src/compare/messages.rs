//! Small and large messages with nothing behind them: latency, and how cost grows.

use super::one_core::OneCore;
use super::peer::Peer;
use super::program::{Bench, Case, Reading};
use super::raw::{Load, POSTGRES_CHUNK, RawClient, Request};
use super::sessions::connect_all;
use anyhow::Result;

/// Clients that ask at the same time.
const BUSY: u64 = 8;

/// One client, one message at a time.
pub async fn pingpong(bench: &Bench<'_>, peer: &Peer) -> Result<Vec<Reading>> {
    let _one = OneCore::start()?;
    let before = peer.cpu_seconds();
    let load = Load::run(peer.port, 1, Request::PING, bench.scale.message_span).await?;
    let mut readings = vec![
        Reading::lower("p50", "µs", load.quantile_us(0.5)),
        Reading::lower("p99", "µs", load.quantile_us(0.99)),
    ];
    readings.extend(Reading::cpu_each(peer, before, load.latencies.len() as f64));
    Ok(readings)
}

/// Four clients and answers of one size.
pub async fn by_size(bench: &Bench<'_>, peer: &Peer, case: &Case) -> Result<Vec<Reading>> {
    let request = Request { size: 100, chunk: POSTGRES_CHUNK, answer: case.size };
    let before = peer.cpu_seconds();
    let load = Load::run(peer.port, 4, request, bench.scale.message_span).await?;
    let bytes = load.latencies.len() as f64 * case.size as f64;
    let mut readings = vec![
        Reading::higher("rate", "GB/s", bytes / 1e9 / load.elapsed.as_secs_f64()),
        Reading::lower("p99", "µs", load.quantile_us(0.99)),
    ];
    readings.extend(Reading::cpu_each(peer, before, load.latencies.len() as f64));
    readings.extend(Reading::cpu_gb(peer, before, bytes));
    Ok(readings)
}

/// A few busy clients among many idle ones.
pub async fn by_connections(bench: &Bench<'_>, peer: &Peer, case: &Case) -> Result<Vec<Reading>> {
    let busy = case.size.min(BUSY);
    let idle: Vec<RawClient> = connect_all(peer.port, usize::try_from(case.size - busy)?).await?;
    let before = peer.cpu_seconds();
    let load =
        Load::run(peer.port, usize::try_from(busy)?, Request::PING, bench.scale.message_span)
            .await?;
    let mut readings = vec![
        Reading::higher("rate", "1/s", load.latencies.len() as f64 / load.elapsed.as_secs_f64()),
        Reading::lower("p99", "µs", load.quantile_us(0.99)),
    ];
    readings.extend(Reading::cpu_each(peer, before, load.latencies.len() as f64));
    drop(idle);
    Ok(readings)
}
