//! Measures what the system promises: outages, drops, idle cost, and what its data path costs beside others.
//!
//! [`compare`] measures the data path beside other proxies; [`failover`] measures outages and drops on real processes.
//! [`writer`] is a client that keeps writing through a failover and remembers every commit it was told of;
//! [`report`] makes of that an outage in seconds and a count of what was lost.

pub mod compare;
pub mod failover;
pub mod files;
pub mod progress;
pub mod report;
pub mod steering;
pub mod writer;
