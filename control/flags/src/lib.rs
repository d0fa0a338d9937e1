//! The command-line dialect of the binaries: flags, environment variables, help, errors.
//!
//! Scripts written for Stolon's Go binaries call ours, so the dialect is that of Go's pflag and cobra: `--name value` and
//! `--name=value`, positional arguments anywhere, booleans that take a value only with `=`, errors that begin with `Error: `.
//! A binary declares its flags as a [`clap::Args`] struct; clap keeps the table of flags and fills the struct, and this crate
//! reads the words. What the values mean for the program is not its business, except for [`CommonFlags`] and [`LogFlags`],
//! which all binaries share.
//!
//! ```
//! # use stolon_flags::{Deprecated, Program, VERSION, parse};
//! #[derive(clap::Args)]
//! struct Flags {
//!     /// user visible name of the instance
//!     #[arg(long, default_value = "")]
//!     uid: String,
//! }
//! const PROGRAM: Program = Program {
//!     command: "stolon-keeper",
//!     env_prefix: "STKEEPER",
//!     version: VERSION,
//!     about: "Runs one PostgreSQL instance",
//!     deprecated: &[Deprecated::alias("id", "uid", "please use --uid")],
//! };
//! let argv = ["stolon-keeper", "--id=k1"].map(Into::into);
//! let parsed = parse::<Flags>(&PROGRAM, argv, [("STKEEPER_UID".into(), "k0".into())]).unwrap();
//! assert_eq!(parsed.args.uid, "k1");
//! assert!(parsed.was_set("uid"));
//! assert_eq!(parsed.notices, ["Flag --id has been deprecated, please use --uid"]);
//! ```

mod common;
mod completion;
mod environment;
mod flag;
mod lex;
mod log;
mod parse;
mod program;
mod stop;
mod usage;
mod value;

pub use common::CommonFlags;
pub use completion::{UnknownShell, completion};
pub use log::{LogFlags, LogFormat};
pub use parse::{Parsed, parse};
pub use program::{Deprecated, Program, VERSION};
pub use stop::{Stop, UsageError};
