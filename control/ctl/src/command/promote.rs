//! `stolonctl promote`: a standby cluster becomes a cluster of its own.

use crate::arguments::PromoteArguments;
use crate::cluster;
use crate::console::Console;
use crate::prompt::{Answer, ask};
use anyhow::bail;
use stolon_flags::CommonFlags;
use stolon_model::spec::{ClusterRole, ClusterSpec};

/// Asks, then sets the role; a cluster that has it already is told so and is no error.
pub async fn run(
    common: &CommonFlags,
    arguments: &PromoteArguments,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    if !arguments.extra.is_empty() {
        bail!("too many arguments");
    }
    let store = cluster::open(common).await?;
    if !arguments.yes && ask(console)? == Answer::No {
        return console.say("exiting");
    }
    cluster::change_spec(&store, |spec| {
        if spec.with_defaults().role == ClusterRole::Master {
            console.complain("cluster spec role already set to master");
            return Ok(None);
        }
        Ok(Some(ClusterSpec { role: Some("master".to_owned()), ..spec.clone() }))
    })
    .await
}
