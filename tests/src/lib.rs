//! The harness of the end-to-end suites: the real binaries, a real etcd and real PostgreSQL on loopback.
//!
//! [`scenario`] gives a test its own [`Cluster`] and shows every process log when the test fails. In reading order:
//!
//! * [`cluster`] owns everything of one test; [`etcd`], [`sentinel`], [`keeper`], [`proxy`] are its processes, [`ctl`] its
//!   command line;
//! * [`replace`] puts the binaries of another build in the place of those that run;
//! * [`server`] is a PostgreSQL outside of the cluster; a [`gate`] holds PostgreSQL's programs at a step;
//! * [`admin`] is what a daemon shows of itself;
//! * [`client`] and [`load`] are what users do; [`relay`] is a link that can be cut or slow,
//!   [`small_disk`] a disk that can be full;
//! * [`eventually`](eventually()) waits for a state; nothing here waits for time to pass;
//! * [`process`], [`orphans`], [`ports`], [`scratch`], [`binaries`] and [`postgres`] are the ground it stands on.

pub mod admin;
pub mod binaries;
pub mod client;
pub mod cluster;
pub mod ctl;
pub mod etcd;
pub mod eventually;
pub mod gate;
pub mod keeper;
pub mod load;
pub mod orphans;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod relay;
pub mod replace;
pub mod scenario;
pub mod scratch;
pub mod sentinel;
pub mod server;
pub mod small_disk;

pub use client::Client;
pub use cluster::Cluster;
pub use eventually::{eventually, soon};
pub use load::Load;
pub use scenario::scenario;
