//! What every daemon has: signals, log, metrics, admin server, clocks, exit codes.
//!
//! A daemon's `main` parses its flags, calls [`log::init`] and hands an async function to [`run`]. In reading order:
//!
//! * [`log`]: the log on stderr, in the reference's layout or as JSON;
//! * [`run`](run()): runtime, signals, service notification, exit code;
//! * [`metrics`]: the recorder behind the `metrics` crate's macros;
//! * [`admin`]: `/metrics`, `/livez`, `/readyz` and the daemon's own routes over HTTP;
//! * [`clock`] and [`random`]: the two things a pure decision gets from outside.

pub mod admin;
pub mod clock;
pub mod log;
pub mod metrics;
pub mod process;
pub mod random;
pub mod readiness;
mod run;
mod signals;

pub use random::rng;
pub use readiness::Readiness;
pub use run::{Context, Settings, run};
