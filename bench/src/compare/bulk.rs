//! Bulk: COPY, raw streams, large answers.

use super::database::{Database, timed};
use super::peer::Peer;
use super::program::{Bench, Case, Reading};
use super::raw::{Load, Request};
use super::wire::Session;
use anyhow::{Context, Result};
use std::process::Command;
use std::time::{Duration, Instant};

/// What each client of a stream asks for at a time.
const STREAM: u64 = 256 * 1024 * 1024;
/// Of more clients each asks for a quarter.
const FEW: usize = 4;
/// Answers are large rows of this.
const ROW: u64 = 1000;

/// COPY TO STDOUT.
pub async fn copy_out(bench: &Bench<'_>, peer: &Peer) -> Result<Vec<Reading>> {
    copy(bench, peer, |database, port| database.copy_out(port, None)).await
}

/// COPY FROM STDIN.
pub async fn copy_in(bench: &Bench<'_>, peer: &Peer) -> Result<Vec<Reading>> {
    copy(bench, peer, Database::copy_in).await
}

async fn copy(
    bench: &Bench<'_>,
    peer: &Peer,
    command: impl FnOnce(&Database, u16) -> Result<Command>,
) -> Result<Vec<Reading>> {
    let database = bench.database.context("there is no PostgreSQL")?;
    let mut command = command(database, peer.port)?;
    let before = peer.cpu_seconds();
    let elapsed = tokio::task::spawn_blocking(move || timed(&mut command)).await??;
    let bytes = database.copied_bytes() as f64;
    let mut readings = vec![Reading::higher("rate", "GB/s", bytes / 1e9 / elapsed.as_secs_f64())];
    readings.extend(Reading::cpu_gb(peer, before, bytes));
    Ok(readings)
}

/// Clients that take one long answer after the other.
pub async fn streams(bench: &Bench<'_>, peer: &Peer, case: &Case) -> Result<Vec<Reading>> {
    let clients = usize::try_from(case.size)?;
    // Many of them share what there is, and each ends with the answer that it has begun.
    let answer = if bench.scale.is_full && clients <= FEW { STREAM } else { STREAM / 4 };
    let request = Request { size: 100, chunk: 64 * 1024, answer };
    let before = peer.cpu_seconds();
    let load = Load::run(peer.port, clients, request, bench.scale.span).await?;
    let bytes = load.latencies.len() as f64 * answer as f64;
    let mut readings =
        vec![Reading::higher("rate", "GB/s", bytes / 1e9 / load.elapsed.as_secs_f64())];
    readings.extend(Reading::cpu_gb(peer, before, bytes));
    Ok(readings)
}

/// One client that asks PostgreSQL for answers of one size.
pub async fn answers(bench: &Bench<'_>, peer: &Peer, case: &Case) -> Result<Vec<Reading>> {
    let (port, span, rows) = (peer.port, bench.scale.message_span, case.size / ROW);
    let before = peer.cpu_seconds();
    let (bytes, times) = tokio::task::spawn_blocking(move || {
        let mut session = Session::connect(port)?;
        let sql = format!("SELECT repeat('x', {}) FROM generate_series(1, {rows})", ROW - 11);
        let (mut bytes, mut times) = (0, Vec::new());
        let began = Instant::now();
        while times.len() < 5 || began.elapsed() < span {
            let asked = Instant::now();
            bytes += session.query(&sql)?;
            times.push(asked.elapsed());
        }
        anyhow::Ok((bytes, times))
    })
    .await??;
    let mut load = Load { elapsed: Duration::ZERO, latencies: times };
    load.latencies.sort();
    let mut readings = vec![
        Reading::lower("p50", "ms", load.quantile_us(0.5) / 1000.0),
        Reading::lower("p95", "ms", load.quantile_us(0.95) / 1000.0),
    ];
    readings.extend(Reading::cpu_gb(peer, before, bytes as f64));
    Ok(readings)
}
