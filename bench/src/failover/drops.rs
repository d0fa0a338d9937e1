//! From the store's write of a new target to the last stale session closed and to the first new session served: a real etcd,
//! a real proxy, and two masters that answer.

use super::figure::Figure;
use crate::compare::raw::{RawClient, RawServer, Request};
use crate::compare::sessions::{await_ends, connect_all, last_end};
use crate::progress::eprint_progress;
use crate::steering::Steering;
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};
use stolon_tests::etcd::Etcd;
use stolon_tests::ports::Port;
use stolon_tests::process::Process;
use stolon_tests::scratch::Scratch;
use stolon_tests::{binaries, eventually};

const LIMIT: Duration = Duration::from_secs(20);
/// Between two attempts of the client that looks for the new master.
const PACE: Duration = Duration::from_millis(1);

/// Measures `rounds` swaps of the target under `sessions` sessions, in milliseconds.
pub async fn measure(sessions: usize, rounds: usize, promised: f64) -> Result<[Figure; 2]> {
    let scratch = Scratch::new()?;
    let etcd = Etcd::start(&scratch).await?;
    let masters = [RawServer::start(0)?, RawServer::start(1)?];
    let ports = [masters[0].port, masters[1].port];
    let mut steering = Steering::start(&etcd.endpoint(), "swap", &ports).await?;
    let listen = Port::reserve()?;
    let mut command = Command::new(binaries::path("stolon-proxy")?);
    command.args(steering.flags()).args(["--port", &listen.number.to_string()]);
    command.args(["--startup-timeout", "0s"]);
    let _proxy = Process::start(&scratch, "proxy", &mut command)?;
    steering.admit().await?;
    steering.appoint(0).await?;

    let (mut closed, mut served) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (old, new) = ((round + 1) % 2, round % 2);
        eventually("the proxy serves the master", LIMIT, async || {
            let answer = ask(listen.number).await?;
            ensure!(usize::from(answer) == old, "it serves the other one");
            Ok(())
        })
        .await?;
        let ending = await_ends(connect_all(listen.number, sessions).await?);
        let began = steering.appoint(new).await?;
        let first = tokio::spawn(first_served(listen.number, new));
        let (last, _over) = last_end(ending, began).await?;
        closed.push((last - began).as_secs_f64() * 1000.0);
        served.push((first.await?? - began).as_secs_f64() * 1000.0);
        eprint_progress(&format!("swap under {sessions} sessions: round {round} of {rounds}"));
    }
    let figure = |name, rounds| Figure { name, unit: "ms", promised, rounds };
    Ok([
        figure(format!("new target written to the last of {sessions} sessions closed"), closed),
        figure(format!("the same to the first new session served, {sessions} before"), served),
    ])
}

/// Who answers a new session.
async fn ask(port: u16) -> Result<u8> {
    let mut client = RawClient::connect(port, 128).await?;
    client.exchange(&Request::PING.encode(), Request::PING.answer).await
}

/// When a new session is answered by the new master.
async fn first_served(port: u16, new: usize) -> Result<Instant> {
    let look = async {
        loop {
            if ask(port).await.is_ok_and(|answer| usize::from(answer) == new) {
                return Instant::now();
            }
            tokio::time::sleep(PACE).await;
        }
    };
    tokio::time::timeout(LIMIT, look).await.context("no new session is served")
}
