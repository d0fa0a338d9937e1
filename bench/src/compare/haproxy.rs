//! HAProxy in TCP mode.

use super::ground::{Ground, system_program};
use super::peer::Master;
use crate::files;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use stolon_tests::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Connections.
const MOST: u64 = 6000;
/// Descriptors that are not for connections.
const OTHER: u64 = 100;
const LIMIT: Duration = Duration::from_secs(20);

/// Starts it in the foreground; the path is its command socket.
pub fn start(
    ground: &Ground,
    name: &str,
    listen: u16,
    master: Master,
    splices: bool,
) -> Result<(Process, PathBuf)> {
    let program = system_program("haproxy")?;
    let socket = ground.scratch.path(&format!("{name}.sock"));
    // It refuses to start if it may not have two descriptors for each connection, and half of one for pipes where it splices.
    let most = files::most().saturating_sub(OTHER) * 2 / if splices { 5 } else { 4 };
    let splice = if splices { "  option splice-request\n  option splice-response\n" } else { "" };
    let configuration = format!(
        "global\n  nbthread {}\n  maxconn {}\n  stats socket {} mode 600 level admin\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n{splice}\
         listen front\n  bind 127.0.0.1:{listen}\n  server master 127.0.0.1:{}\n",
        ground.threads,
        most.clamp(1, MOST),
        socket.display(),
        master.port()
    );
    let path = ground.scratch.path(&format!("{name}.cfg"));
    fs::write(&path, configuration)?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(path);
    Ok((Process::start(&ground.scratch, name, &mut command)?, socket))
}

/// Ends every session to the master, as an operator would.
pub async fn end_sessions(socket: &Path) -> Result<()> {
    let end = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(b"shutdown sessions server front/master\n").await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        std::io::Result::Ok(said)
    };
    let said = tokio::time::timeout(LIMIT, end).await.context("haproxy's socket hangs")??;
    anyhow::ensure!(said.trim().is_empty(), "haproxy refuses: {}", said.trim());
    Ok(())
}
