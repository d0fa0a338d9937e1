//! The data path beside other proxies, in front of one PostgreSQL on loopback.
//!
//! In reading order:
//!
//! * [`ground`] is what all peers share; [`peer`] is one proxy at work, its configuration in [`haproxy`], [`nginx`],
//!   [`pgbouncer`] and [`stolon`]; [`tree`] says what its processes cost;
//! * [`database`] and [`raw`] are the masters behind them, [`wire`] asks the first for answers;
//! * [`program`] names what is measured, in [`sql`], [`bulk`], [`messages`] (with [`one_core`]) and [`sessions`];
//! * [`rounds`] runs the programs round by round, peers in turn; [`results`] holds what came of it, [`spread`] how certain it is;
//!   [`table`], [`goals`], [`capacity`], [`plots`] and [`machine`] show it.

pub mod bulk;
pub mod capacity;
pub mod database;
pub mod goals;
pub mod ground;
pub mod haproxy;
pub mod machine;
pub mod messages;
pub mod nginx;
pub mod one_core;
pub mod peer;
pub mod pgbouncer;
pub mod plots;
pub mod program;
pub mod raw;
pub mod results;
pub mod rounds;
pub mod sessions;
pub mod spread;
pub mod sql;
pub mod stolon;
pub mod table;
pub mod tree;
pub mod wire;
