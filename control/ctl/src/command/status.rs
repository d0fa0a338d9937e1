//! `stolonctl status`: who is there, what is healthy, who is master.

mod collect;
mod json;
mod text;
mod tree;

use crate::arguments::StatusArguments;
use crate::console::Console;
use anyhow::bail;
use serde::Serialize;
use stolon_flags::CommonFlags;

/// The status of a cluster; its JSON is part of the product's interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// In the order of their uids.
    pub sentinels: Vec<SentinelStatus>,
    /// In the order of their uids.
    pub proxies: Vec<ProxyStatus>,
    /// In the order of their uids.
    pub keepers: Vec<KeeperStatus>,
    /// The cluster as a whole.
    pub cluster: ClusterStatus,
    /// The keepers as a tree, the master at its root; only for the text.
    #[serde(skip)]
    pub tree: Vec<String>,
}

/// A sentinel that published an info in the last twenty seconds or so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SentinelStatus {
    pub uid: String,
    pub leader: bool,
}

/// A proxy that published an info in the last twenty seconds or so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProxyStatus {
    pub uid: String,
    pub generation: i64,
}

/// A keeper and the db it has, if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeeperStatus {
    pub uid: String,
    pub listen_address: String,
    pub healthy: bool,
    pub pg_healthy: bool,
    pub pg_wanted_generation: i64,
    pub pg_current_generation: i64,
}

/// The cluster as a whole. It is available once it is there, with or without a master, as in Stolon; scripts that want a master
/// look at its uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterStatus {
    pub available: bool,
    pub master_keeper_uid: String,
    pub master_db_uid: String,
}

/// Collects the status, then prints it.
pub async fn run(
    common: &CommonFlags,
    arguments: &StatusArguments,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let collected = collect::collect(common).await.map(|(status, skipped)| {
        for record in skipped {
            console.complain(&record);
        }
        status
    });
    match arguments.format.as_str() {
        "json" => console.say(&json::render(&collected)),
        "text" | "" => console.write(text::render(&collected?).as_bytes()),
        format => bail!("unrecognised output format {format}"),
    }
}
