//! `stolonctl clusterdata read` and `write`: the cluster data as a document, for backups and for moving to another store.

use crate::arguments::WriteArguments;
use crate::cluster;
use crate::console::Console;
use crate::failure::While as _;
use crate::input;
use anyhow::{anyhow, bail};
use stolon_flags::CommonFlags;
use stolon_model::cluster::ClusterData;
use stolon_model::json;
use stolon_store::ReadError;

/// Prints the cluster data.
pub async fn read(
    common: &CommonFlags,
    pretty: bool,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let checked = cluster::read(&cluster::open(common).await?).await?;
    if checked.data.cluster.is_none() {
        bail!("no cluster clusterdata available");
    }
    if pretty {
        console.say(&json::encode_pretty(&checked.data))
    } else {
        console.write(&json::encode(&checked.data))?;
        console.write(b"\n")
    }
}

/// Replaces the cluster data, whatever it says, by a document.
pub async fn write(
    common: &CommonFlags,
    arguments: &WriteArguments,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let file = if arguments.file.is_empty() { "-" } else { &arguments.file };
    let document = input::read(file, console)?;
    let data: ClusterData = json::decode(&document).or_fail("invalid cluster data")?;
    // These two texts have no colon in Stolon.
    let store =
        cluster::open(common).await.map_err(|why| anyhow!("failed to create new store {why}"))?;
    let present = match store.cluster_data().await {
        Ok(read) => read.value.is_some(),
        // What cannot be understood is there too, and to replace it is what this command is for.
        Err(ReadError::Decode { .. }) => true,
        Err(error) => return Err(error.into()),
    };
    if present && !arguments.yes {
        bail!("WARNING: cluster data already available use --yes to override");
    }
    if present {
        console.say("WARNING: The current cluster data will be removed")?;
    }
    let written = store.put_cluster_data(&data).await;
    written.map_err(|why| anyhow!("failed to write cluster data into new store {why}"))?;
    console.say("successfully wrote cluster data into the new store")
}
