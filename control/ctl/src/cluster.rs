//! The cluster data as subcommands use it: read with its checks, replaced only if nobody else has written meanwhile.

use crate::failure::While as _;
use anyhow::{anyhow, bail};
use stolon_flags::CommonFlags;
use stolon_model::cluster::{ClusterData, ClusterDataError};
use stolon_model::spec::{ClusterSpec, update};
use stolon_store::{ClusterStore, Expected, Swap};

/// How often a change of the spec is tried when others write at the same time.
const MAX_RETRIES: usize = 3;

/// Connects to the store that the flags name. Nothing is asked of it yet, so that this succeeds while it is down.
pub async fn open(common: &CommonFlags) -> anyhow::Result<ClusterStore> {
    Ok(stolon_store::connect(common.store_config()?).await?)
}

/// Cluster data of a format that is understood, with a valid spec if it has one.
#[derive(Debug)]
pub struct Checked {
    /// The cluster data.
    pub data: ClusterData,
    expected: Expected,
}

/// Reads the cluster data and checks it.
pub async fn read(store: &ClusterStore) -> anyhow::Result<Checked> {
    let read = store.cluster_data().await.or_fail("cannot get cluster data")?;
    let expected = read.expected();
    // The odd text is Stolon's.
    let Some(data) = read.value else { bail!("nil cluster data: <nil>") };
    match data.validate() {
        // Whether a spec is needed is the subcommand's business.
        Ok(_) | Err(ClusterDataError::NoSpec) => Ok(Checked { data, expected }),
        Err(error) => Err(error.into()),
    }
}

impl Checked {
    /// The spec as the user gave it.
    pub fn spec(&self) -> anyhow::Result<&ClusterSpec> {
        let cluster = self.data.cluster.as_ref();
        cluster
            .and_then(|cluster| cluster.spec.as_ref())
            .ok_or_else(|| anyhow!("no cluster spec available"))
    }

    /// Writes the cluster data if it still is as it was read.
    async fn swap(&self, store: &ClusterStore) -> anyhow::Result<Swap> {
        let swap = store.swap_cluster_data(&self.data, self.expected).await;
        swap.or_fail("cannot update cluster data")
    }

    /// Writes the cluster data if it still is as it was read, else fails.
    pub async fn write(&self, store: &ClusterStore) -> anyhow::Result<()> {
        match self.swap(store).await? {
            Swap::Done(_) => Ok(()),
            Swap::Conflict => bail!(
                "cannot update cluster data: Unable to complete atomic operation, key modified"
            ),
        }
    }
}

/// Replaces the spec by what `change` makes of it, and tries again when others write at the same time. `None` leaves it.
pub async fn change_spec(
    store: &ClusterStore,
    mut change: impl FnMut(&ClusterSpec) -> anyhow::Result<Option<ClusterSpec>>,
) -> anyhow::Result<()> {
    for _ in 0..MAX_RETRIES {
        let mut checked = read(store).await?;
        let old = checked.spec()?;
        let Some(new) = change(old)? else { return Ok(()) };
        let new = update(old, new).or_fail("Cannot update cluster spec")?;
        if let Some(cluster) = &mut checked.data.cluster {
            cluster.spec = Some(new);
        }
        if let Swap::Done(_) = checked.swap(store).await? {
            return Ok(());
        }
    }
    bail!("failed to update cluster data after {MAX_RETRIES} retries")
}

#[cfg(test)]
mod tests;
