//! One proxy at work in front of one master.

use super::ground::Ground;
use super::raw::{RawClient, Request};
use super::stolon::Relay;
use super::tree::Tree;
use super::wire::Session;
use super::{haproxy, nginx, pgbouncer, stolon};
use crate::steering::Steering;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;
use stolon_tests::eventually;
use stolon_tests::orphans;
use stolon_tests::ports::Port;
use stolon_tests::process::Process;

const READY_WITHIN: Duration = Duration::from_secs(20);

/// Who carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Nobody: clients connect to the master.
    Direct,
    /// Our proxy as it comes.
    Ours,
    /// Our proxy with `--relay copy`.
    OursCopy,
    /// Our proxy with `--relay splice`.
    OursSplice,
    /// HAProxy as it comes.
    HaProxy,
    /// HAProxy with its splice options.
    HaProxySplice,
    /// nginx's stream module.
    Nginx,
    /// PgBouncer with session pooling.
    PgBouncer,
    /// The `stolon-proxy` of `STOLON_PEER`.
    Other,
}

impl Kind {
    /// Everyone, in the order of the tables.
    pub const ALL: [Self; 9] = [
        Self::Direct,
        Self::Ours,
        Self::OursCopy,
        Self::OursSplice,
        Self::HaProxy,
        Self::HaProxySplice,
        Self::Nginx,
        Self::PgBouncer,
        Self::Other,
    ];

    /// Its name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Ours => "stolon",
            Self::OursCopy => "stolon copy",
            Self::OursSplice => "stolon splice",
            Self::HaProxy => "haproxy",
            Self::HaProxySplice => "haproxy splice",
            Self::Nginx => "nginx",
            Self::PgBouncer => "pgbouncer",
            Self::Other => "stolon-go",
        }
    }
}

/// The master behind a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Master {
    /// PostgreSQL at this port.
    Postgres(u16),
    /// A [`super::raw::RawServer`] at this port.
    Raw(u16),
}

impl Master {
    /// Its port on 127.0.0.1.
    pub fn port(self) -> u16 {
        match self {
            Self::Postgres(port) | Self::Raw(port) => port,
        }
    }
}

/// One proxy at work.
#[derive(Debug)]
pub struct Peer {
    /// Who it is.
    pub kind: Kind,
    /// Where clients connect on 127.0.0.1.
    pub port: u16,
    /// The cluster data that its target comes from.
    pub steering: Option<Steering>,
    /// Its command socket.
    pub commands: Option<PathBuf>,
    tree: Option<Tree>,
    process: Option<Process>,
    _reserved: Option<Port>,
}

impl Peer {
    /// Starts it, and waits until it carries something.
    pub async fn start(kind: Kind, master: Master, ground: &Ground) -> Result<Self> {
        if kind == Kind::Direct {
            return Ok(Self {
                kind,
                port: master.port(),
                steering: None,
                commands: None,
                tree: None,
                process: None,
                _reserved: None,
            });
        }
        let reserved = Port::reserve()?;
        let name = ground.instance(&kind.label().replace(' ', "-"));
        let listen = reserved.number;
        let (mut steering, mut commands) = (None, None);
        let process = match kind {
            Kind::Direct => None,
            Kind::Ours | Kind::OursCopy | Kind::OursSplice => {
                let relay = match kind {
                    Kind::OursCopy => Relay::Copy,
                    Kind::OursSplice => Relay::Splice,
                    _ => Relay::Auto,
                };
                let (process, steered) =
                    stolon::start(ground, &name, listen, master, relay).await?;
                steering = Some(steered);
                Some(process)
            }
            Kind::Other => {
                let binary =
                    ground.other.as_deref().context("STOLON_PEER names no other stolon-proxy")?;
                let (process, steered) =
                    stolon::start_other(ground, binary, &name, listen, master).await?;
                steering = Some(steered);
                Some(process)
            }
            Kind::HaProxy | Kind::HaProxySplice => {
                let splices = kind == Kind::HaProxySplice;
                let (process, socket) = haproxy::start(ground, &name, listen, master, splices)?;
                commands = Some(socket);
                Some(process)
            }
            Kind::Nginx => Some(nginx::start(ground, &name, listen, master)?),
            Kind::PgBouncer => Some(pgbouncer::start(ground, &name, listen, master)?),
        };
        let mut peer = Self {
            kind,
            port: listen,
            steering,
            commands,
            tree: process.as_ref().map(|process| Tree::new(process.pid())),
            process,
            _reserved: Some(reserved),
        };
        peer.serves(master).await?;
        Ok(peer)
    }

    async fn serves(&mut self, master: Master) -> Result<()> {
        eventually(&format!("{} serves", self.kind.label()), READY_WITHIN, async || {
            if let Some(process) = &mut self.process {
                process.alive()?;
            }
            let port = self.port;
            match master {
                Master::Raw(_) => {
                    let mut client = RawClient::connect(port, 256).await?;
                    client.exchange(&Request::PING.encode(), Request::PING.answer).await.map(drop)
                }
                Master::Postgres(_) => {
                    tokio::task::spawn_blocking(move || Session::connect(port).map(drop)).await?
                }
            }
        })
        .await
    }

    /// What its processes cost so far; none without a proxy.
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.tree.map(Tree::cpu_seconds)
    }

    /// Its processes.
    pub fn tree(&self) -> Option<Tree> {
        self.tree
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // nginx's workers would outlive their master.
        if let Some(pid) = self.process.as_ref().and_then(|p| i32::try_from(p.pid()).ok()) {
            orphans::kill_tree(pid);
        }
    }
}
