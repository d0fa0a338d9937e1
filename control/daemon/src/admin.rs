//! The HTTP server for people and machines that look after the daemon: `/metrics`, `/livez`, `/readyz` and the
//! daemon's own routes. Bounded in connections, in the time for a request's head and in a connection's life.

mod routes;

use crate::log;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::process::ProcessStart;
use crate::readiness::Readiness;

/// How much the server lets its clients take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at one time; further ones wait in the kernel's queue.
    pub connections: usize,
    /// From the start of a connection, or the end of the last request, to the end of the next request's head.
    pub header: Duration,
    /// After this a connection ends with the response that is under way.
    pub lifetime: Duration,
    /// What a response may take beyond the lifetime, and at shutdown.
    pub grace: Duration,
}

impl Limits {
    /// What every daemon uses.
    pub const DEFAULT: Self = Self {
        connections: 64,
        header: Duration::from_secs(5),
        lifetime: Duration::from_secs(60),
        grace: Duration::from_secs(5),
    };
}

/// Why the admin server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address has no port or does not resolve.
    #[error("cannot use \"{address}\" as metrics listen address, give it as host:port: {source}")]
    Address {
        /// As it was given.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on metrics address \"{address}\": {source}")]
    Listen {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

/// What the server shows.
#[derive(Debug)]
pub struct Admin {
    /// Behind `/metrics`.
    pub metrics: PrometheusHandle,
    /// Behind `/readyz`.
    pub readiness: Readiness,
    /// Part of `/metrics`.
    pub started: ProcessStart,
    /// The daemon's own routes.
    pub extra: Router,
}

/// Listens on `host:port`; an empty host is every address of this machine, port 0 a free port.
///
/// What to do about an error is the daemon's business: a proxy ends with exit code 1, a keeper or sentinel logs
/// `metrics http server error` and shuts down cleanly.
pub async fn bind(address: &str) -> Result<TcpListener, BindError> {
    let candidates = resolve(address)
        .await
        .map_err(|source| BindError::Address { address: address.to_owned(), source })?;
    TcpListener::bind(candidates.as_slice())
        .await
        .map_err(|source| BindError::Listen { address: address.to_owned(), source })
}

async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let Some(port) = address.strip_prefix(':') else {
        return Ok(tokio::net::lookup_host(address).await?.collect());
    };
    let port = port
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "invalid port value"))?;
    Ok(vec![SocketAddr::from(([0u16; 8], port)), SocketAddr::from(([0u8; 4], port))])
}

/// Serves until `shutdown`, then lets the responses under way finish.
pub async fn serve(
    listener: TcpListener,
    admin: Admin,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let router = routes::router(admin);
    let permits = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            stream = accept(&listener) => stream,
        };
        let permit = tokio::select! {
            () = shutdown.cancelled() => break,
            // The semaphore is never closed, so there always is a permit in the end.
            permit = Arc::clone(&permits).acquire_owned() => permit,
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        connections.spawn(async move {
            converse(stream, router, limits, shutdown).await;
            drop(permit);
        });
    }
    connections.close();
    if timeout(limits.grace, connections.wait()).await.is_err() {
        debug!(connections = connections.len(), "leaving admin connections that did not end");
    }
}

/// The next connection; a failing accept (no file descriptors left) is retried with a growing pause.
async fn accept(listener: &TcpListener) -> TcpStream {
    let mut pause = Duration::from_millis(10);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                warn!(error = %log::chain(&error), "cannot accept an admin connection");
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router, limits: Limits, shutdown: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // What a client does to its own connection is no event worth a line.
        _ = connection.as_mut() => return,
        () = sleep(limits.lifetime) => {}
        () = shutdown.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(limits.grace, connection).await;
}

#[cfg(test)]
mod tests;
