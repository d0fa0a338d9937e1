//! Measures what the system promises: outages, drops, idle cost.
//!
//! [`writer`] is a client that keeps writing through a failover and remembers every commit it was told of;
//! [`report`] makes of that an outage in seconds and a count of what was lost.

pub mod failover;
pub mod report;
pub mod writer;
