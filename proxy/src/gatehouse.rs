//! The hands of the control plane on the data path: the listeners, the routing, and the end of sessions. It decides nothing.
//!
//! Whoever wants the data path without a store, to measure it for example, drives it by these hands:
//!
//! ```
//! # use std::{net::SocketAddr, sync::Arc, time::Duration};
//! # use stolon_model::{generation::Generation, uid::{DbUid, ProxyUid}};
//! use stolon_proxy::check::Absence;
//! use stolon_proxy::fence::boottime;
//! use stolon_proxy::gatehouse::Gatehouse;
//! use stolon_proxy::relay::{RelayMode, Tuning};
//! use stolon_proxy::settings::Settings;
//! use stolon_proxy::status::Status;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let master = SocketAddr::from(([127, 0, 0, 1], 5432));
//! let settings = Settings {
//!     tuning: Tuning { mode: RelayMode::Splice, ..Tuning::default() },
//!     // Bytes of any protocol are passed on.
//!     startup_timeout: None,
//!     ..Settings::default()
//! };
//! let status = Arc::new(Status::new(ProxyUid::new("p"), "c".to_owned()));
//! let gatehouse = Gatehouse::start(2, "127.0.0.1:0".to_owned(), settings, status).unwrap();
//! gatehouse.listen().await.unwrap();
//! let address = gatehouse.address().expect("it listens");
//! // Sessions are carried there until the deadline.
//! let deadline = boottime() + Duration::from_secs(3600);
//! gatehouse.forward(Generation(1), DbUid::new("db"), master, deadline).await;
//! # assert_ne!(address.port(), 0);
//! let sessions = gatehouse.workers().totals().active;
//! // No session of the target can send it a byte when this returns; their clients are being told.
//! gatehouse.drop_target(&Absence::NoDb(DbUid::new("db"))).await;
//! # assert_eq!(sessions, 0);
//! # });
//! ```

use crate::check::Absence;
use crate::outcome::End;
use crate::settings::Settings;
use crate::status::Status;
use crate::target::{Route, Routing, Target};
use crate::worker::Workers;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use stolon_model::generation::Generation;
use stolon_model::uid::DbUid;
use tracing::info;

/// How long the end of all sessions of a target may take before the check that waits for it fails.
const RETIRING: Duration = Duration::from_secs(3);

/// Where to listen, and the data path behind it.
#[derive(Debug)]
pub struct Gatehouse {
    workers: Workers,
    routing: Arc<Routing>,
    settings: Arc<Settings>,
    status: Arc<Status>,
    listen_address: String,
    is_listening: AtomicBool,
    is_draining: AtomicBool,
    changes: AtomicU64,
}

impl Gatehouse {
    /// Starts the worker threads, in a runtime of tokio that has a clock; they do not listen yet. `listen_address` is
    /// `host:port`; an empty host is every address of this machine.
    pub fn start(
        threads: usize,
        listen_address: String,
        settings: Settings,
        status: Arc<Status>,
    ) -> io::Result<Self> {
        let routing = Arc::new(Routing::new());
        let settings = Arc::new(settings);
        let workers = Workers::start(threads, &routing, &settings)?;
        Ok(Self {
            workers,
            routing,
            settings,
            status,
            listen_address,
            is_listening: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            changes: AtomicU64::new(0),
        })
    }

    /// The worker threads.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// The limits of sessions.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the port is open.
    pub fn is_listening(&self) -> bool {
        self.is_listening.load(Ordering::Relaxed)
    }

    /// Where the port is open.
    pub fn address(&self) -> Option<SocketAddr> {
        self.status.address()
    }

    /// How often the destination has changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// The current target.
    pub fn target(&self) -> Option<Arc<Target>> {
        self.routing.load().target().cloned()
    }

    /// Whether the port is taken, or one that this user may not have: starting there is a mistake that trying again does not
    /// mend. An address that this machine does not have yet, or a name that cannot be resolved yet, is tried again later.
    pub fn probe(&self) -> Result<(), String> {
        let Ok(addresses) = addresses(&self.listen_address) else { return Ok(()) };
        let mut refused = None;
        for address in addresses {
            match self.settings.socket.probe(address) {
                Err(error) if is_mistake(&error) => refused = Some(explain_bind(address, &error)),
                Ok(()) | Err(_) => return Ok(()),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Opens the port unless it is open or the proxy stops. True when it has just been opened.
    pub async fn listen(&self) -> Result<bool, String> {
        if self.is_listening() || self.is_draining.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let (address, listeners) = self.bind()?;
        let bound = listeners.first().and_then(|first| first.local_addr().ok()).unwrap_or(address);
        self.workers.listen(listeners).await.map_err(|error| error.to_string())?;
        self.is_listening.store(true, Ordering::Relaxed);
        self.status.listening(Some(bound));
        info!(address = %bound, "Starting proxying");
        if self.is_draining.load(Ordering::Relaxed) {
            // The word to stop came while the port was being opened.
            self.stop_listening().await;
        }
        Ok(true)
    }

    /// Binds a listener for each thread to the first address of the name to listen on that allows it.
    fn bind(&self) -> Result<(SocketAddr, Vec<TcpListener>), String> {
        let addresses = addresses(&self.listen_address).map_err(|error| {
            format!(
                "cannot listen on {}: {error}; check --listen-address and --port",
                self.listen_address
            )
        })?;
        let mut refused = format!("cannot listen on {}: no such address", self.listen_address);
        for address in addresses {
            match self.settings.socket.bind(address, self.workers.count()) {
                Ok(listeners) => return Ok((address, listeners)),
                Err(error) => refused = explain_bind(address, &error),
            }
        }
        Err(refused)
    }

    /// Closes the port.
    pub async fn stop_listening(&self) {
        if self.is_listening() {
            info!("Stopping listening");
            self.workers.stop_listening().await;
            self.is_listening.store(false, Ordering::Relaxed);
            self.status.listening(None);
        }
    }

    /// Drops the destination. True when not one byte can be sent to it any more.
    pub async fn drop_target(&self, absence: &Absence) -> bool {
        self.close(absence.is_passing(), End::Target).await
    }

    /// The time has run out: drops the destination.
    pub async fn fall(&self) {
        self.close(false, End::Fence).await;
    }

    async fn close(&self, hold: bool, end: End) -> bool {
        let epoch = match (&*self.routing.load(), hold) {
            (Route::Hold, true) | (Route::Close, false) => self.routing.epoch(),
            (before, _) => {
                if before.target().is_some() {
                    self.changes.fetch_add(1, Ordering::Relaxed);
                }
                if hold { self.routing.hold() } else { self.routing.close() }
            }
        };
        // Also when nothing has changed: the check before may have failed to see the last session off.
        self.workers.retire(epoch, end, RETIRING).await
    }

    /// Sends connections to this db until `deadline`; if they go there already, for longer.
    pub async fn forward(
        &self,
        generation: Generation,
        db: DbUid,
        address: SocketAddr,
        deadline: Duration,
    ) -> bool {
        if let Some(target) = self.target()
            && target.db == db
            && target.address == address
        {
            target.fence.extend(deadline);
            return false;
        }
        let epoch = self.routing.forward(generation, db, address, deadline);
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.workers.retire(epoch, End::Target, RETIRING).await;
        true
    }

    /// Ends the proxy: no new connections, `patience` for the old ones, and then their end.
    pub async fn drain(&self, patience: Duration) {
        self.is_draining.store(true, Ordering::Relaxed);
        self.stop_listening().await;
        self.workers.stop_waiting().await;
        if tokio::time::timeout(patience, self.workers.empty()).await.is_ok() {
            return;
        }
        let left = self.workers.totals().connections;
        info!(sessions = left, "ending the sessions that are left");
        self.workers.stop_all(End::Drain).await;
        let _ = tokio::time::timeout(crate::session::LONGEST_PARTING, self.workers.empty()).await;
    }
}

fn is_mistake(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// Where to listen, the first choice first. Every address in IPv6 is every one in IPv4 too, if there is IPv6 at all.
fn addresses(host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
    match host_and_port.strip_prefix(':').map(str::parse) {
        Some(Ok(port)) => {
            Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()])
        }
        _ => Ok(host_and_port.to_socket_addrs()?.collect()),
    }
}

fn explain_bind(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "cannot listen on {address}: another process (another stolon-proxy?) listens there; stop it or choose another --port"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "cannot listen on {address}: this user may not use the port; choose one above 1023 with --port"
        ),
        _ => format!("cannot listen on {address}: {error}; check --listen-address and --port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_host_is_every_address() {
        let texts = |given: &str| -> Vec<String> {
            addresses(given).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts(":5432"), ["[::]:5432", "0.0.0.0:5432"]);
        assert_eq!(texts("127.0.0.1:5432"), ["127.0.0.1:5432"]);
        assert_eq!(texts("[::1]:0"), ["[::1]:0"]);
    }
}
