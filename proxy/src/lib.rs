//! Carries clients to the current master.
//!
//! The data path, in reading order:
//!
//! * [`target`]: where connections go, swapped whole;
//! * [`fence`]: until when they may;
//! * [`worker`]: the threads that accept, each with its [`registry`] of sessions and its [`counters`];
//! * [`session`]: one connection from accept to close; [`startup`] and [`refuse`] know the little of PostgreSQL's protocol
//!   that this takes;
//! * [`relay`]: moves the bytes.

pub mod counters;
pub mod fence;
pub mod limits;
pub mod metrics;
pub mod outcome;
pub mod refuse;
pub mod registry;
pub mod relay;
pub mod session;
pub mod settings;
pub mod socket;
pub mod startup;
pub mod target;
pub mod worker;
