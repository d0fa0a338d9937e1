//! A TCP link that can be cut: what passes through it stops, while both ends keep their connections.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// The link. Dropping it closes every connection.
#[derive(Debug)]
pub struct Relay {
    address: String,
    /// Whether bytes pass.
    is_open: watch::Sender<bool>,
    task: AbortHandle,
}

impl Relay {
    /// A link to `target`, open.
    pub async fn start(target: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot start the relay")?;
        let address = listener.local_addr()?.to_string();
        let (is_open, state) = watch::channel(true);
        let task = tokio::spawn(serve(listener, target, state)).abort_handle();
        Ok(Self { address, is_open, task })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on nothing passes: as if every packet were lost.
    pub fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// From now on everything passes, what came meanwhile too.
    pub fn heal(&self) {
        self.is_open.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, target: String, state: watch::Receiver<bool>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, target.clone(), state.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(client: TcpStream, target: String, mut state: watch::Receiver<bool>) {
    if state.wait_for(|is_open| *is_open).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let ((client_in, client_out), (server_in, server_out)) =
        (client.into_split(), server.into_split());
    tokio::join!(copy(client_in, server_out, state.clone()), copy(server_in, client_out, state));
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..read) else { return };
        if state.wait_for(|is_open| *is_open).await.is_err() || to.write_all(bytes).await.is_err() {
            return;
        }
    }
    // The end of the stream is cut like everything else.
    let _ = state.wait_for(|is_open| *is_open).await;
    let _ = to.shutdown().await;
}
