//! Many sessions: what they cost while idle, and how fast they end.

use super::haproxy;
use super::peer::Peer;
use super::program::{Case, Reading};
use super::raw::{RawClient, Request};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use stolon_tests::eventually;
use tokio::task::JoinSet;

/// Connections that are opened at the same time.
const AT_ONCE: usize = 64;
/// A proxy takes no longer to close its sockets when the clients have been told.
const CLOSING: Duration = Duration::from_secs(10);
/// A waiting client reads little.
const BUFFER: usize = 128;

/// Opens sessions that have exchanged bytes with the master.
pub async fn connect_all(port: u16, count: usize) -> Result<Vec<RawClient>> {
    let mut clients = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for _ in 0..count {
        if opening.len() >= AT_ONCE {
            clients.extend(opening.join_next().await.transpose()?.transpose()?);
        }
        opening.spawn(async move {
            let mut client = RawClient::connect(port, BUFFER).await?;
            client.exchange(&Request::PING.encode(), Request::PING.answer).await?;
            anyhow::Ok(client)
        });
    }
    while let Some(opened) = opening.join_next().await {
        clients.push(opened??);
    }
    Ok(clients)
}

/// Waits for the end of each of the clients, from now on.
pub fn await_ends(clients: Vec<RawClient>) -> JoinSet<Result<(Instant, RawClient)>> {
    clients.into_iter().map(RawClient::ended).collect()
}

/// When the last of them was ended; not before `began`. Their sockets come with it.
pub async fn last_end(
    mut ending: JoinSet<Result<(Instant, RawClient)>>,
    began: Instant,
) -> Result<(Instant, Vec<RawClient>)> {
    let (mut last, mut over) = (began, Vec::with_capacity(ending.len()));
    while let Some(ended) = ending.join_next().await {
        let (at, client) = ended??;
        last = last.max(at);
        over.push(client);
    }
    Ok((last, over))
}

/// Memory and descriptors of each idle connection.
pub async fn idle(peer: &Peer, case: &Case) -> Result<Vec<Reading>> {
    let tree = peer.tree().context("there is no proxy")?;
    let before = tree.holdings();
    let clients = connect_all(peer.port, usize::try_from(case.size)?).await?;
    let after = tree.holdings();
    let each = |before: u64, after: u64| (after as f64 - before as f64) / clients.len() as f64;
    Ok(vec![
        Reading::lower(
            "memory",
            "KB each",
            each(before.resident_bytes, after.resident_bytes) / 1024.0,
        ),
        Reading::lower("descriptors", "each", each(before.descriptors, after.descriptors)),
        Reading::lower("pipe ends", "each", each(before.pipe_ends, after.pipe_ends)),
    ])
}

/// Ends all sessions: a `stolon-proxy` by a write to the store, HAProxy by its command socket.
pub async fn end(peer: &mut Peer, case: &Case) -> Result<Vec<Reading>> {
    let tree = peer.tree().context("there is no proxy")?;
    let most_when_idle = tree.holdings().descriptors + case.size / 100;
    let clients = connect_all(peer.port, usize::try_from(case.size)?).await?;
    let ending = await_ends(clients);
    let before = peer.cpu_seconds();
    let began = if let Some(steering) = &mut peer.steering {
        steering.dismiss().await?
    } else {
        let began = Instant::now();
        let socket = peer.commands.as_deref().context("it takes no command")?;
        haproxy::end_sessions(socket).await?;
        began
    };
    let (last, _over) = last_end(ending, began).await?;
    // What is done after the last client has been told is paid for too.
    eventually("the proxy has closed its sockets", CLOSING, async || {
        let left = tree.holdings().descriptors;
        ensure!(left <= most_when_idle, "{left} descriptors are open, {most_when_idle} expected");
        Ok(())
    })
    .await?;
    let mut readings = vec![Reading::lower("time", "ms", (last - began).as_secs_f64() * 1000.0)];
    readings.extend(Reading::cpu_each(peer, before, case.size as f64));
    Ok(readings)
}
