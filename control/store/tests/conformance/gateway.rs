//! A network between a client and one member of etcd, which can lose what the member answers.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub struct Gateway {
    pub endpoint: String,
    answers_pass: watch::Sender<bool>,
    // Ends with the gateway.
    _task: JoinSet<()>,
}

impl Gateway {
    /// Listens before the member at `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (answers_pass, gate) = watch::channel(true);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let member = TcpStream::connect(target).await.unwrap();
                links.spawn(link(client, member, gate.clone()));
            }
        });
        Self { endpoint, answers_pass, _task: task }
    }

    /// From now on requests reach the member, and no answer comes back.
    pub fn hold_answers(&self) {
        self.answers_pass.send_replace(false);
    }

    /// Everything held back arrives.
    pub fn release_answers(&self) {
        self.answers_pass.send_replace(true);
    }
}

async fn link(client: TcpStream, member: TcpStream, gate: watch::Receiver<bool>) {
    let (from_client, to_client) = client.into_split();
    let (from_member, to_member) = member.into_split();
    tokio::join!(
        forward(from_client, to_member, None),
        forward(from_member, to_client, Some(gate))
    );
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    gate: Option<watch::Receiver<bool>>,
) {
    let mut buffer = [0; 4096];
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer).await else { return };
        if let Some(mut gate) = gate.clone()
            && gate.wait_for(|is_open| *is_open).await.is_err()
        {
            return;
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
