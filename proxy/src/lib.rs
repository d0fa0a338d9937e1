//! Carries clients to the current master.
//!
//! The data path, in reading order:
//!
//! * [`target`]: where connections go, swapped whole;
//! * [`fence`]: until when they may;
//! * [`worker`]: the threads that accept, each with its [`registry`] of sessions and its [`counters`];
//! * [`spread`]: over how many of them the sessions are spread, pure;
//! * [`session`]: one connection from accept to close; [`startup`] and [`refuse`] know the little of PostgreSQL's protocol
//!   that this takes;
//! * [`relay`]: moves the bytes;
//! * [`reactor`]: wakes all of this.
//!
//! The control plane:
//!
//! * [`check`]: what one check of the cluster data decides, pure;
//! * [`follow`]: wakes, checks, carries out, lets the fence fall;
//! * [`gatehouse`]: its hands on the data path;
//! * [`status`], [`metrics`] and [`admin`]: what is shown of it all;
//! * [`args`], [`config`] and [`run`]: from flags to a running proxy.

pub mod admin;
pub mod args;
pub mod check;
pub mod config;
pub mod counters;
pub mod fence;
pub mod follow;
pub mod gatehouse;
pub mod limits;
pub mod metrics;
pub mod outcome;
pub mod reactor;
pub mod refuse;
pub mod registry;
pub mod relay;
pub mod resolve;
pub mod run;
pub mod session;
pub mod settings;
pub mod socket;
pub mod spread;
pub mod startup;
pub mod status;
pub mod target;
pub mod worker;
