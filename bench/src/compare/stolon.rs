//! `stolon-proxy`, ours or another, with a real etcd and cluster data that names the master.

use super::ground::Ground;
use super::peer::Master;
use crate::steering::Steering;
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use stolon_tests::process::Process;

/// `--relay`.
#[derive(Clone, Copy, Debug)]
pub enum Relay {
    /// As it comes.
    Auto,
    /// Everything through memory.
    Copy,
    /// Everything through pipes.
    Splice,
}

/// Starts ours.
pub async fn start(
    ground: &Ground,
    name: &str,
    listen: u16,
    master: Master,
    relay: Relay,
) -> Result<(Process, Steering)> {
    let mut command = Command::new(&ground.proxy);
    let relay = match relay {
        Relay::Auto => "auto",
        Relay::Copy => "copy",
        Relay::Splice => "splice",
    };
    command.args(["--threads", &ground.threads.to_string(), "--relay", relay]);
    if let Master::Raw(_) = master {
        // What the raw master is sent is not PostgreSQL's protocol.
        command.args(["--startup-timeout", "0s"]);
    }
    steer(ground, name, command, listen, master).await
}

/// Starts the one of `STOLON_PEER`, which knows the original's flags only.
pub async fn start_other(
    ground: &Ground,
    binary: &Path,
    name: &str,
    listen: u16,
    master: Master,
) -> Result<(Process, Steering)> {
    let mut command = Command::new(binary);
    // The Go runtime's own count of threads.
    command.env("GOMAXPROCS", ground.threads.to_string());
    steer(ground, name, command, listen, master).await
}

async fn steer(
    ground: &Ground,
    name: &str,
    mut command: Command,
    listen: u16,
    master: Master,
) -> Result<(Process, Steering)> {
    let mut steering = Steering::start(&ground.etcd.endpoint(), name, &[master.port()]).await?;
    command.args(steering.flags());
    command.args(["--listen-address", "127.0.0.1", "--port", &listen.to_string()]);
    let process = Process::start(&ground.scratch, name, &mut command)?;
    steering.admit().await?;
    steering.appoint(0).await?;
    Ok((process, steering))
}
