//! The system's own promises, measured on real processes: how fast stale sessions end, how long an outage lasts, what
//! the daemons cost while nothing happens.

pub mod drops;
pub mod figure;
pub mod idle;
pub mod outage;
