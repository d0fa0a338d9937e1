//! `stolonctl spec`: the spec as the user gave it, or with every default.

use crate::arguments::SpecArguments;
use crate::cluster;
use crate::console::Console;
use stolon_flags::CommonFlags;
use stolon_model::spec::{show, show_with_defaults};

/// Prints the spec.
pub async fn run(
    common: &CommonFlags,
    arguments: &SpecArguments,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let checked = cluster::read(&cluster::open(common).await?).await?;
    let spec = checked.spec()?;
    console.say(&if arguments.defaults { show_with_defaults(spec) } else { show(spec) })
}
