//! The flags as they were typed. What they mean, and whether they may stand together, is [`crate::config`]'s business.

use stolon_flags::{CommonFlags, Deprecated, LogFlags, Program, VERSION};

/// What the command line says of the binary.
pub const PROGRAM: Program = Program {
    command: "stolon-keeper",
    env_prefix: "STKEEPER",
    version: VERSION,
    about: "stolon-keeper runs one PostgreSQL instance and converges it to what the cluster data wants",
    deprecated: &[
        Deprecated::alias("id", "uid", "please use --uid"),
        Deprecated::flag("debug", "use --log-level=debug instead"),
    ],
};

/// The flags of `stolon-keeper`.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// The cluster and its store.
    #[command(flatten)]
    pub common: CommonFlags,
    /// The log.
    #[command(flatten)]
    pub log: LogFlags,
    /// keeper uid (must be unique in the cluster and can contain only lower-case letters, numbers and the underscore
    /// character). If not provided a random uid will be generated.
    #[arg(long, default_value = "")]
    pub uid: String,
    /// data directory
    #[arg(long, default_value = "")]
    pub data_dir: String,
    /// postgresql instance listening address, local address used for the postgres instance. For all network interface, you can
    /// set the value to '*'.
    #[arg(long, default_value = "")]
    pub pg_listen_address: String,
    /// postgresql instance address from outside. Use it to expose ip different than local ip with a NAT networking config
    #[arg(long, default_value = "")]
    pub pg_advertise_address: String,
    /// postgresql instance listening port
    #[arg(long, default_value = "5432")]
    pub pg_port: String,
    /// postgresql instance port from outside. Use it to expose port different than local port with a PAT networking config
    #[arg(long, default_value = "")]
    pub pg_advertise_port: String,
    /// absolute path to postgresql binaries. If empty they will be searched in the current PATH
    #[arg(long, default_value = "")]
    pub pg_bin_path: String,
    /// postgres replication user auth method: md5, scram-sha-256 or trust
    #[arg(long, default_value = "md5")]
    pub pg_repl_auth_method: String,
    /// postgres replication user name. Required. It'll be created on db initialization. Must be the same for all keepers.
    #[arg(long, default_value = "")]
    pub pg_repl_username: String,
    /// postgres replication user password. Only one of --pg-repl-password or --pg-repl-passwordfile must be provided. Must be
    /// the same for all keepers.
    #[arg(long, default_value = "")]
    pub pg_repl_password: String,
    /// postgres replication user password file. Only one of --pg-repl-password or --pg-repl-passwordfile must be provided.
    /// Must be the same for all keepers.
    #[arg(long, default_value = "")]
    pub pg_repl_passwordfile: String,
    /// postgres superuser auth method: md5, scram-sha-256 or trust
    #[arg(long, default_value = "md5")]
    pub pg_su_auth_method: String,
    /// postgres superuser user name. Used for keeper managed instance access and pg_rewind based synchronization. It'll be
    /// created on db initialization. Must be the same for all keepers. (default the user that runs the keeper)
    #[arg(long, default_value = "")]
    pub pg_su_username: String,
    /// postgres superuser password. Only one of --pg-su-password or --pg-su-passwordfile must be provided. Must be the same for
    /// all keepers.
    #[arg(long, default_value = "")]
    pub pg_su_password: String,
    /// postgres superuser password file. Only one of --pg-su-password or --pg-su-passwordfile must be provided. Must be the
    /// same for all keepers)
    #[arg(long, default_value = "")]
    pub pg_su_passwordfile: String,
    /// prevent keeper from being elected as master
    #[arg(long, default_value_t = true)]
    pub can_be_master: bool,
    /// prevent keeper from being chosen as synchronous replica
    #[arg(long, default_value_t = true)]
    pub can_be_synchronous_replica: bool,
    /// disable locking on data dir. Warning! It'll cause data corruptions if two keepers are concurrently running with the same
    /// data dir.
    #[arg(long)]
    pub disable_data_dir_locking: bool,
}
