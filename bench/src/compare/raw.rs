//! A master without a database: it answers each request with as many bytes as the request asks for, so that what is measured
//! is the path and not the query.

use anyhow::{Context, Result};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// The writes of PostgreSQL's backends.
pub const POSTGRES_CHUNK: u32 = 8 * 1024;
const HEADER: usize = 16;
const LARGEST_REQUEST: usize = 4096;
const LARGEST_CHUNK: usize = 1024 * 1024;
/// No exchange may take longer.
const LIMIT: Duration = Duration::from_secs(60);

/// One question and the answer it wants.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Bytes of the request, 16 to 4096.
    pub size: u32,
    /// Bytes of each write of the answer.
    pub chunk: u32,
    /// Bytes of the answer.
    pub answer: u64,
}

impl Request {
    /// 100 bytes there and 100 back.
    pub const PING: Self = Self { size: 100, chunk: 100, answer: 100 };

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size as usize);
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.chunk.to_be_bytes());
        bytes.extend(self.answer.to_be_bytes());
        bytes.resize((self.size as usize).clamp(HEADER, LARGEST_REQUEST), 0);
        bytes
    }
}

/// The listening master, on threads of its own.
#[derive(Debug)]
pub struct RawServer {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    runtime: Option<Runtime>,
}

impl RawServer {
    /// Starts it on a free port. Its answers are made of `fill`, by which one master is told from another.
    pub fn start(fill: u8) -> Result<Self> {
        let answer: Arc<[u8]> = vec![fill; LARGEST_CHUNK].into();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("raw-master")
            .enable_all()
            .build()?;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        // Thousands of connections are opened at once.
        socket.listen(8192)?;
        socket.set_nonblocking(true)?;
        let listener: std::net::TcpListener = socket.into();
        let port = listener.local_addr()?.port();
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            loop {
                match listener.accept().await {
                    // A connection that fails is seen by the client at its other end.
                    Ok((stream, _)) => drop(tokio::spawn(serve(stream, answer.clone()))),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        Ok(Self { port, runtime: Some(runtime) })
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<[u8]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::with_capacity(128);
    loop {
        request.clear();
        while !is_whole(&request) {
            if stream.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        }
        let chunk = (number(&request, 4, 4) as usize).clamp(1, LARGEST_CHUNK);
        let mut left = number(&request, 8, 8);
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(chunk);
            stream.write_all(answer.get(..size).unwrap_or_default()).await?;
            left -= size as u64;
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    request.len() >= HEADER && request.len() as u64 >= number(request, 0, 4)
}

/// The big-endian number at a place.
fn number(bytes: &[u8], from: usize, length: usize) -> u64 {
    let digits = bytes.get(from..from + length).unwrap_or_default();
    digits.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// One client's connection.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl RawClient {
    /// Connects to 127.0.0.1. `buffer` is how much it reads at a time.
    pub async fn connect(port: u16, buffer: usize) -> Result<Self> {
        let stream = tokio::time::timeout(LIMIT, TcpStream::connect(("127.0.0.1", port)))
            .await
            .context("connecting hangs")?
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        // Tens of thousands of ends in TIME_WAIT would leave no ports.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(Self { stream, buffer: vec![0; buffer] })
    }

    /// Sends a request and takes its whole answer; returns what the answer is made of.
    pub async fn exchange(&mut self, request: &[u8], answer: u64) -> Result<u8> {
        let exchange = async {
            self.stream.write_all(request).await?;
            let mut left = answer;
            while left > 0 {
                let read = self.stream.read(&mut self.buffer).await?;
                if read == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
                left = left.saturating_sub(read as u64);
            }
            Ok(self.buffer.first().copied().unwrap_or_default())
        };
        let fill =
            tokio::time::timeout(LIMIT, exchange).await.context("an answer does not come")??;
        Ok(fill)
    }

    /// Waits until the other side ends the connection, and says when that was. The socket is given back, so that closing thousands
    /// of them does not take the processor from what is measured.
    pub async fn ended(mut self) -> Result<(Instant, Self)> {
        let read = tokio::time::timeout(LIMIT, self.stream.read(&mut self.buffer))
            .await
            .context("a session stays open")?;
        anyhow::ensure!(!matches!(read, Ok(1..)), "a byte came out of nowhere");
        Ok((Instant::now(), self))
    }
}

/// What clients saw that asked again and again.
#[derive(Debug, Default)]
pub struct Load {
    /// How long it went on.
    pub elapsed: Duration,
    /// How long each exchange took, sorted.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// `clients` connections that each repeat `request` for `span`.
    pub async fn run(port: u16, clients: usize, request: Request, span: Duration) -> Result<Self> {
        let buffer = usize::try_from(request.answer)?.clamp(256, 256 * 1024);
        let mut connected = Vec::new();
        for _ in 0..clients {
            let mut client = RawClient::connect(port, buffer).await?;
            client.exchange(&Request::PING.encode(), Request::PING.answer).await?;
            connected.push(client);
        }
        let bytes: Arc<[u8]> = request.encode().into();
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for mut client in connected {
            let bytes = bytes.clone();
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                // A single answer may take longer than the span.
                while latencies.is_empty() || began.elapsed() < span {
                    let sent = Instant::now();
                    client.exchange(&bytes, request.answer).await?;
                    latencies.push(sent.elapsed());
                }
                anyhow::Ok(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            latencies.extend(ended??);
        }
        let elapsed = began.elapsed();
        latencies.sort();
        Ok(Self { elapsed, latencies })
    }

    /// The latency in µs that `share` of the exchanges do not exceed.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let rank = ((self.latencies.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.latencies.get(rank).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_has_the_size_that_was_asked_for() {
        let server = RawServer::start(7).expect("a free port");
        let mut client = RawClient::connect(server.port, 1024).await.expect("it listens");
        let request = Request { size: 20, chunk: 1000, answer: 12_345 };
        let fill = client.exchange(&request.encode(), request.answer).await.expect("an answer");
        assert_eq!(fill, 7);
        // A byte too many would be taken for the next answer, and this one would leave some behind.
        client.exchange(&Request::PING.encode(), Request::PING.answer).await.expect("an answer");
        let (mut rest, nothing) = ([0; 1], std::task::Poll::Pending);
        let polled = std::future::poll_fn(|cx| {
            let mut buffer = tokio::io::ReadBuf::new(&mut rest);
            let polled = tokio::io::AsyncRead::poll_read(
                std::pin::Pin::new(&mut client.stream),
                cx,
                &mut buffer,
            );
            std::task::Poll::Ready(polled.map(|read| read.is_ok()))
        });
        assert_eq!(polled.await, nothing);
    }
}
