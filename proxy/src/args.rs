//! The flags as they were typed. What they mean, and whether they may stand together, is [`crate::config`]'s business.

use crate::relay::RelayMode;
use stolon_flags::{CommonFlags, Deprecated, LogFlags, Program, VERSION};
use stolon_model::time::GoDuration;

/// What the command line says of the binary.
pub const PROGRAM: Program = Program {
    command: "stolon-proxy",
    env_prefix: "STPROXY",
    version: VERSION,
    about: "stolon-proxy carries clients to the current master",
    deprecated: &[Deprecated::flag("debug", "use --log-level=debug instead")],
};

/// The flags of `stolon-proxy`.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// The cluster and its store.
    #[command(flatten)]
    pub common: CommonFlags,
    /// The log.
    #[command(flatten)]
    pub log: LogFlags,
    /// proxy listening address
    #[arg(long, default_value = "127.0.0.1")]
    pub listen_address: String,
    /// proxy listening port
    #[arg(long, default_value = "5432")]
    pub port: String,
    /// stop listening on store error
    #[arg(long, default_value = "true")]
    pub stop_listening: bool,
    /// seconds without data before keep-alive probes are sent, on both sides (0: 15)
    #[arg(long, default_value = "0")]
    pub tcp_keepalive_idle: i64,
    /// keep-alive probes without an answer before a connection is dead, on both sides (0: 3)
    #[arg(long, default_value = "0")]
    pub tcp_keepalive_count: i64,
    /// seconds between keep-alive probes, on both sides (0: 5)
    #[arg(long, default_value = "0")]
    pub tcp_keepalive_interval: i64,
    /// how long a peer may leave what was sent to it unacknowledged, however often it is sent again (0: as long as the kernel
    /// tries). A peer that just does not read for a while is not meant.
    #[arg(long, default_value = "10s")]
    pub tcp_user_timeout: GoDuration,
    /// how long connecting to the master may take
    #[arg(long, default_value = "5s")]
    pub dial_timeout: GoDuration,
    /// how long a new connection waits while there is no master or it cannot be reached (0: closed at once)
    #[arg(long, default_value = "15s")]
    pub hold_timeout: GoDuration,
    /// how many connections may wait for a master at one time (0: none)
    #[arg(long, default_value = "1000")]
    pub max_held: u64,
    /// how many connections there may be at one time (0: as many as the limit of open files allows)
    #[arg(long, default_value = "0")]
    pub max_connections: u64,
    /// how long a new connection may take for its first packet (0: the master is connected at once, and bytes of any protocol
    /// are passed on)
    #[arg(long, default_value = "10s")]
    pub startup_timeout: GoDuration,
    /// how long sessions may go on after SIGTERM (0: they end at once)
    #[arg(long, default_value = "5s")]
    pub drain_timeout: GoDuration,
    /// threads that carry connections (0: one for each core, at most 4). Sessions that are active are brought together on as few of
    /// them as have the time for it
    #[arg(long, default_value = "0")]
    pub threads: u64,
    /// auto (messages through memory, bulk through pipes), splice or copy
    #[arg(long, default_value = "auto")]
    pub relay: RelayMode,
}
