//! A machine with a keeper: its disk, its PostgreSQL server, and its network.

use crate::clock::Clock;
use crate::executor::ProcessId;
use crate::server::Server;
use crate::wal::Wal;
use crate::wire::Wire;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use stolon_model::local::{DbLocalState, KeeperLocalState};
use stolon_model::uid::{BootUuid, KeeperUid};
use tokio::sync::Notify;

/// A machine with a keeper.
#[derive(Debug)]
pub struct Node {
    /// Its number, which is also its address.
    pub index: usize,
    /// The keeper.
    pub uid: KeeperUid,
    /// The way of the keeper to the store.
    pub wire: Rc<Wire>,
    /// The clocks of the machine.
    pub clock: Clock,
    /// Cut off from every other machine but the store.
    pub is_cut: Cell<bool>,
    /// `--can-be-master`.
    pub can_be_master: bool,
    /// What survives everything.
    pub disk: RefCell<Disk>,
    /// The server, if one runs.
    pub server: RefCell<Option<Rc<Server>>>,
    /// The keeper's process, if it runs.
    pub keeper: Cell<Option<ProcessId>>,
    /// The run of the keeper.
    pub boot: RefCell<BootUuid>,
    /// Notified when the server has ended by itself.
    pub server_died: Rc<Notify>,
}

/// What survives everything.
#[derive(Debug, Default)]
pub struct Disk {
    /// The file `keeperstate`.
    pub keeper_state: KeeperLocalState,
    /// The file `dbstate`.
    pub db_state: DbLocalState,
    /// PGDATA, if it is complete.
    pub data: Option<DataDirectory>,
}

/// A complete PGDATA.
#[derive(Clone, Debug, Default)]
pub struct DataDirectory {
    /// PostgreSQL's system identifier.
    pub system_id: String,
    /// `standby.signal` is there.
    pub is_standby: bool,
    /// The log.
    pub wal: Wal,
    /// A server on it answers only once it has this many records.
    pub consistent_at: usize,
    /// It is being made by pg_basebackup or pg_rewind, or was when that was cut short.
    pub is_half_made: bool,
    /// Replication slots, and from which record on they keep the log.
    pub slots: BTreeMap<String, usize>,
}

impl Node {
    /// A machine on which nothing runs and nothing is stored.
    pub fn new(index: usize, wire: Rc<Wire>, clock: Clock) -> Self {
        let uid = KeeperUid::new(format!("keeper{index}"));
        let keeper_state = KeeperLocalState { uid: uid.clone(), ..KeeperLocalState::default() };
        Self {
            index,
            uid,
            wire,
            clock,
            is_cut: Cell::default(),
            can_be_master: true,
            disk: RefCell::new(Disk { keeper_state, ..Disk::default() }),
            server: RefCell::default(),
            keeper: Cell::default(),
            boot: RefCell::default(),
            server_died: Rc::default(),
        }
    }

    /// The address of the machine with this number.
    pub fn address_of(index: usize) -> String {
        format!("10.0.0.{}", index + 1)
    }

    /// The number of the machine with this address.
    pub fn index_of(address: &str) -> Option<usize> {
        address.strip_prefix("10.0.0.")?.parse::<usize>().ok()?.checked_sub(1)
    }

    /// The server, if one runs.
    pub fn server(&self) -> Option<Rc<Server>> {
        self.server.borrow().clone()
    }

    /// Whether this very run of the server still goes on.
    pub fn runs(&self, server: &Rc<Server>) -> bool {
        self.server.borrow().as_ref().is_some_and(|own| Rc::ptr_eq(own, server))
    }

    /// Whether the server takes writes, if it runs.
    pub fn is_writable(&self) -> bool {
        let takes_writes = |server: &Rc<Server>| server.is_ready.get() && !server.is_stopping.get();
        self.server.borrow().as_ref().is_some_and(takes_writes)
            && self.disk.borrow().data.as_ref().is_some_and(|data| !data.is_standby)
    }
}
