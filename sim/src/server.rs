//! A model of the PostgreSQL server: what it was configured with, who replicates from it, and when a commit is acknowledged.

use crate::executor::ProcessId;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use stolon_model::lsn::Lsn;
use stolon_model::postgres::conf::Config;
use stolon_model::postgres::confirmation::{Confirmation, SyncReading};
use stolon_model::postgres::hba::Access;
use stolon_model::postgres::sync;
use stolon_model::uid::DbUid;
use tokio::sync::Notify;

/// One run of the server.
#[derive(Debug)]
pub struct Server {
    /// Its process.
    pub process: ProcessId,
    /// Runs with the temporary configuration.
    pub is_temporary: bool,
    /// What it has loaded.
    pub config: RefCell<Config>,
    /// Accepts connections.
    pub is_ready: Cell<bool>,
    /// Shuts down.
    pub is_stopping: Cell<bool>,
    /// How often it has loaded one.
    loads: Cell<u64>,
    /// What its keeper knows of its synchronous standbys.
    confirmation: RefCell<Confirmation>,
    /// WAL senders by application name.
    pub senders: RefCell<BTreeMap<String, Sender>>,
    /// Notified when anything of it changes, its end included.
    pub changed: Rc<Notify>,
}

/// A standby that streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The standby's server.
    pub receiver: ProcessId,
    /// It has caught up once.
    pub is_streaming: bool,
    /// How many records it has flushed.
    pub flushed: usize,
}

impl Server {
    /// A server that has just been started.
    pub fn new(process: ProcessId, config: Config, is_temporary: bool) -> Self {
        Self {
            process,
            is_temporary,
            config: RefCell::new(config),
            loads: Cell::default(),
            confirmation: RefCell::default(),
            is_ready: Cell::default(),
            is_stopping: Cell::default(),
            senders: RefCell::default(),
            changed: Rc::default(),
        }
    }

    /// The names in `synchronous_standby_names`; every one is required.
    pub fn required(&self) -> Vec<String> {
        let config = self.config.borrow();
        let text = config.parameters.get("synchronous_standby_names").map_or("", String::as_str);
        let list = match (text.find('('), text.rfind(')')) {
            (Some(open), Some(close)) => text.get(open + 1..close).unwrap_or_default(),
            _ => text,
        };
        list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a commit that ends with the record `count` may be acknowledged.
    pub fn is_acknowledged(&self, count: usize) -> bool {
        let senders = self.senders.borrow();
        self.required().iter().all(|name| {
            senders.get(name).is_some_and(|sender| sender.is_streaming && sender.flushed >= count)
        })
    }

    /// Loads another configuration.
    pub fn load(&self, config: Config) {
        *self.config.borrow_mut() = config;
        self.loads.set(self.loads.get() + 1);
    }

    /// Dbs whose senders have the state `sync`, and which have everything; `written` is the number of its records.
    pub fn in_sync(&self, written: usize) -> BTreeSet<DbUid> {
        let senders = self.senders.borrow();
        let required = self.required();
        let flushed = required.iter().filter_map(|name| {
            let sender = senders.get(name).filter(|sender| sender.is_streaming)?;
            Some((sync::db_of(name)?, Lsn(sender.flushed as u64)))
        });
        let reading = SyncReading {
            loaded: self.loads.get().to_string(),
            written: Lsn(written as u64),
            flushed: flushed.collect(),
        };
        self.confirmation.borrow_mut().take_in(&reading)
    }

    /// Whether normal users are let in.
    pub fn lets_users_in(&self) -> bool {
        self.is_ready.get()
            && !self.is_stopping.get()
            && !self.is_temporary
            && self.config.borrow().access == Access::Open
    }

    /// A recovery setting, unescaped enough for what the keeper writes.
    pub fn recovery_setting(&self, name: &str) -> String {
        let config = self.config.borrow();
        config
            .recovery
            .parameters
            .get(name)
            .map_or(String::new(), |value| value.expose().to_owned())
    }

    /// The host in `primary_conninfo`.
    pub fn primary_host(&self) -> Option<String> {
        let conninfo = self.recovery_setting("primary_conninfo");
        conninfo.split(' ').find_map(|part| part.strip_prefix("host=").map(str::to_owned))
    }

    /// The application name in `primary_conninfo`.
    pub fn application_name(&self) -> String {
        let conninfo = self.recovery_setting("primary_conninfo");
        let mut parts = conninfo.split(' ');
        parts.find_map(|part| part.strip_prefix("application_name=")).unwrap_or_default().to_owned()
    }
}
