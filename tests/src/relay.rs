//! A TCP link that can be cut or slow: what passes through it stops or comes late, while both ends keep their connections.

use anyhow::{Context, Result};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// Pieces that are on their way in one direction of one connection.
const PIECES: usize = 64;

/// The link. Dropping it closes every connection.
#[derive(Debug)]
pub struct Relay {
    address: String,
    state: watch::Sender<State>,
    task: AbortHandle,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// Whether bytes pass.
    is_open: bool,
    /// How long they take.
    delay: Duration,
}

impl Relay {
    /// A link to `target`, open.
    pub async fn start(target: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot start the relay")?;
        let address = listener.local_addr()?.to_string();
        let (state, link) = watch::channel(State { is_open: true, delay: Duration::ZERO });
        let task = tokio::spawn(serve(listener, target, link)).abort_handle();
        Ok(Self { address, state, task })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on nothing passes: as if every packet were lost.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.is_open = false);
    }

    /// From now on everything passes, what came meanwhile too.
    pub fn heal(&self) {
        self.state.send_modify(|state| state.is_open = true);
    }

    /// From now on everything takes so long in each direction, connecting too.
    pub fn slow_down(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, target: String, link: watch::Receiver<State>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, target.clone(), link.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(client: TcpStream, target: String, mut link: watch::Receiver<State>) {
    let delay = link.borrow().delay;
    sleep(delay).await;
    if link.wait_for(|state| state.is_open).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let ((client_in, client_out), (server_in, server_out)) =
        (client.into_split(), server.into_split());
    tokio::join!(copy(client_in, server_out, link.clone()), copy(server_in, client_out, link));
}

async fn copy(from: OwnedReadHalf, to: OwnedWriteHalf, link: watch::Receiver<State>) {
    let (sender, pieces) = mpsc::channel(PIECES);
    let giving = give(pieces, to, link.clone());
    tokio::pin!(giving);
    tokio::select! {
        () = take(from, sender, link) => giving.await,
        () = &mut giving => {}
    }
}

/// What comes in, and when it is to go out.
async fn take(
    mut from: OwnedReadHalf,
    pieces: mpsc::Sender<(Instant, Vec<u8>)>,
    link: watch::Receiver<State>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..read) else { return };
        let due = Instant::now() + link.borrow().delay;
        if pieces.send((due, bytes.to_vec())).await.is_err() {
            return;
        }
    }
}

async fn give(
    mut pieces: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: OwnedWriteHalf,
    mut link: watch::Receiver<State>,
) {
    while let Some((due, bytes)) = pieces.recv().await {
        sleep_until(due).await;
        let is_open = link.wait_for(|state| state.is_open).await.is_ok();
        if !is_open || to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // The end of the stream is cut like everything else.
    let _ = link.wait_for(|state| state.is_open).await;
    let _ = to.shutdown().await;
}
