//! The store: what the cluster knows, kept in etcd (reference, chapter 2).
//!
//! Modules in reading order: [`store`] is the trait and its words, [`error`] what can go wrong, [`clock`] the time by which
//! leases are judged. [`etcd`] and [`memory`] implement the trait and pass the same conformance suite. [`path`] names the
//! keys, [`cluster`] and [`infos`] read and write them as types. [`wake`] is the supervised watch, [`lease`] keeps a lease
//! alive, [`publisher`] keeps one info key, [`election`] makes one sentinel the leader. [`config`] turns flags into a
//! connection.
//!
//! This crate decides nothing about the cluster, and its watches carry no content: they wake a loop, which reads the whole
//! state.

pub mod clock;
pub mod cluster;
pub mod config;
pub mod election;
pub mod error;
pub mod etcd;
pub mod infos;
pub mod lease;
pub mod memory;
pub mod path;
pub mod publisher;
pub mod store;
pub mod wake;

pub use clock::{BootClock, Clock};
pub use cluster::{ClusterDataRead, ClusterStore};
pub use config::{Config, ConfigError, ConfigSource, TlsFiles, connect};
pub use election::{Election, Leadership};
pub use error::{ReadError, StoreError};
pub use infos::{BadRecord, Info, Infos};
pub use path::{ClusterPath, InfoKey};
pub use publisher::Publisher;
pub use store::{
    Entry, Expected, LeaderKey, LeaderSwap, Lease, LeaseId, Listing, Revision, Store, Swap, Watch,
    WatchTarget,
};
pub use wake::WakeStream;
