//! The whole system on a virtual clock: sentinels, keepers with a model of PostgreSQL, proxies, users, and everything that
//! can go wrong, all from one seed.
//!
//! The decisions are the real ones: [`stolon_model::decide`], [`stolon_model::plan`], [`stolon_proxy::check`]. What surrounds
//! them is modelled after the shells that drive them. A run is two phases: in the first things go wrong, and an
//! [`oracle`] watches over the rules at every step; then everything heals, and the cluster has to come to rest within a bound.
//!
//! In reading order: [`executor`] is time and tasks, [`clock`] how a process reads time, [`store`] and [`wire`] the store and
//! the way to it; [`wal`], [`server`], [`replication`] and [`postgres`] the model of PostgreSQL on a [`node`]; [`sentinel`],
//! [`keeper`], [`proxy`] and [`user`] who acts; [`fault`] what goes wrong; [`run`] puts it together.

pub mod clock;
pub mod executor;
pub mod fault;
pub mod keeper;
pub mod node;
pub mod oracle;
pub mod postgres;
pub mod proxy;
pub mod publisher;
pub mod replication;
pub mod run;
pub mod sentinel;
pub mod server;
pub mod settings;
pub mod store;
pub mod trace;
pub mod user;
pub mod wal;
pub mod wire;
pub mod world;
