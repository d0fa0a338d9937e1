//! Decides over the store which PostgreSQL instance is master.
//!
//! Wake, observe, decide, write: [`wake`] says when to look, [`observe`] reads the store into a snapshot, the decision is
//! the model's, [`sentinel`] writes it with one compare-and-swap and remembers what the next decision needs. Around it:
//! [`flags`] and [`initial_spec`] are what the user says, [`presence`] shows the sentinel in the store, [`journal`] tells
//! why things were decided, [`metrics`] counts, [`process`] ties it all together.

mod flags;
mod initial_spec;
mod journal;
mod metrics;
mod observe;
mod pass;
mod presence;
mod process;
mod sentinel;
mod wake;

use std::process::ExitCode;

fn main() -> ExitCode {
    process::main(std::env::args_os(), std::env::vars_os())
}
