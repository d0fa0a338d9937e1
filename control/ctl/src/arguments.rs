//! What can be typed: global flags, subcommands and their flags.

use crate::ignored::{IgnoredFlags, RegisterFlags};
use stolon_flags::{CommonFlags, Program, VERSION};

/// The program as its user sees it.
pub const PROGRAM: Program = Program {
    command: "stolonctl",
    env_prefix: "STOLONCTL",
    version: VERSION,
    about: "stolon command line client",
    deprecated: &[],
};

/// Everything that can be typed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which cluster.
    #[command(flatten)]
    pub common: CommonFlags,
    #[command(flatten)]
    _ignored: IgnoredFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do. The documentation of each is its help.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Manage current cluster data
    Clusterdata(ClusterdataArguments),
    /// Generate the completion script for a shell
    Completion(CompletionArguments),
    /// Force keeper as "temporarily" failed. The sentinel will compute a new clusterdata considering it as failed and then restore its state to the real one.
    ///
    /// It happens once. A master that was failed this way is replaced if another db can take over; otherwise, if it is healthy, it
    /// stays the master.
    Failkeeper(KeeperArguments),
    /// Initialize a new cluster
    Init(InitArguments),
    /// Promotes a standby cluster to a primary cluster
    Promote(PromoteArguments),
    /// Left out of this build: register keepers for service discovery
    Register(RegisterFlags),
    /// Removes keeper from cluster data
    Removekeeper(KeeperArguments),
    /// Retrieve the current cluster specification
    Spec(SpecArguments),
    /// Display the current cluster status
    Status(StatusArguments),
    /// Update a cluster specification
    Update(UpdateArguments),
    /// Display the version
    Version,
}

/// `stolonctl clusterdata`
#[derive(Debug, clap::Args)]
pub struct ClusterdataArguments {
    /// What to do with it.
    #[command(subcommand)]
    pub command: Option<ClusterdataCommand>,
}

/// What to do with the cluster data.
#[derive(Debug, clap::Subcommand)]
pub enum ClusterdataCommand {
    /// Retrieve the current cluster data
    Read {
        /// pretty print
        #[arg(long)]
        pretty: bool,
    },
    /// Write cluster data
    Write(WriteArguments),
}

/// `stolonctl clusterdata write`
#[derive(Debug, clap::Args)]
pub struct WriteArguments {
    /// file containing the new cluster data (default stdin)
    #[arg(long, short, default_value = "")]
    pub file: String,
    /// replace the current cluster data
    #[arg(long, short)]
    pub yes: bool,
}

/// `stolonctl completion`
#[derive(Debug, clap::Args)]
pub struct CompletionArguments {
    /// The shells.
    #[arg(value_name = "bash|zsh|fish")]
    pub shells: Vec<String>,
}

/// `stolonctl failkeeper` and `removekeeper`
#[derive(Debug, clap::Args)]
pub struct KeeperArguments {
    /// The keepers; only one is allowed.
    #[arg(value_name = "keeper uid")]
    pub uids: Vec<String>,
}

/// `stolonctl init`
#[derive(Debug, clap::Args)]
pub struct InitArguments {
    /// file containing the new cluster spec ("-" for stdin, with --yes)
    #[arg(long, short, default_value = "")]
    pub file: String,
    /// don't ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    /// The specs; only one is allowed.
    #[arg(value_name = "spec")]
    pub specs: Vec<String>,
}

/// `stolonctl promote`
#[derive(Debug, clap::Args)]
pub struct PromoteArguments {
    /// don't ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    /// None is allowed.
    #[arg(hide = true)]
    pub extra: Vec<String>,
}

/// `stolonctl spec`
#[derive(Debug, clap::Args)]
pub struct SpecArguments {
    /// also show default values
    #[arg(long)]
    pub defaults: bool,
}

/// `stolonctl status`
#[derive(Debug, clap::Args)]
pub struct StatusArguments {
    /// output format: text or json
    #[arg(long, short, default_value = "text")]
    pub format: String,
}

/// `stolonctl update`
#[derive(Debug, clap::Args)]
pub struct UpdateArguments {
    /// file containing a complete cluster specification or a patch to apply to the current cluster specification ("-" for stdin)
    #[arg(long, short, default_value = "")]
    pub file: String,
    /// patch the current cluster specification instead of replacing it
    #[arg(long, short)]
    pub patch: bool,
    /// The specs; only one is allowed.
    #[arg(value_name = "spec or patch")]
    pub specs: Vec<String>,
}
