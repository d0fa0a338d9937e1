//! The cluster data as subcommands use it: read with its checks, replaced only if nobody else has written meanwhile.

use crate::failure::While as _;
use anyhow::{anyhow, bail};
use std::time::Duration;
use stolon_flags::CommonFlags;
use stolon_model::cluster::{ClusterData, ClusterDataError};
use stolon_model::spec::{ClusterSpec, update};
use stolon_store::{ClusterStore, Expected, Swap};

/// How often a change is tried when others write at the same time.
const MAX_ATTEMPTS: u32 = 10;

/// The first pause between two attempts; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

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
}

/// Replaces the spec by what `change` makes of it, and tries again when others write at the same time. `None` leaves it.
pub async fn change_spec(
    store: &ClusterStore,
    mut change: impl FnMut(&ClusterSpec) -> anyhow::Result<Option<ClusterSpec>>,
) -> anyhow::Result<()> {
    let attempt = async || {
        let mut checked = read(store).await?;
        let old = checked.spec()?;
        let Some(new) = change(old)? else { return Ok(Attempt::Done) };
        let new = update(old, new).or_fail("Cannot update cluster spec")?;
        if let Some(cluster) = &mut checked.data.cluster {
            cluster.spec = Some(new);
        }
        checked.write(store).await
    };
    match insist(attempt).await? {
        Attempt::Done => Ok(()),
        Attempt::Conflict => bail!("failed to update cluster data after {MAX_ATTEMPTS} retries"),
    }
}

/// Changes keepers and dbs, and tries again, with all its checks, when others write at the same time.
pub async fn change_keepers(
    store: &ClusterStore,
    mut change: impl FnMut(&mut ClusterData) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let attempt = async || {
        // The text stands there twice in Stolon too.
        let mut checked = read(store).await.or_fail("cannot get cluster data")?;
        checked.spec()?;
        change(&mut checked.data)?;
        checked.write(store).await
    };
    match insist(attempt).await? {
        Attempt::Done => Ok(()),
        Attempt::Conflict => {
            bail!("cannot update cluster data: Unable to complete atomic operation, key modified")
        }
    }
}

/// How one reading, changing and writing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Done,
    /// Somebody else wrote in between, and nothing was written.
    Conflict,
}

impl Checked {
    /// Writes the cluster data if it still is as it was read.
    async fn write(&self, store: &ClusterStore) -> anyhow::Result<Attempt> {
        let swap = store.swap_cluster_data(&self.data, self.expected).await;
        Ok(match swap.or_fail("cannot update cluster data")? {
            Swap::Done(_) => Attempt::Done,
            Swap::Conflict => Attempt::Conflict,
        })
    }
}

/// Attempts until there is no conflict, or there were too many. A sentinel in the middle of a failover writes many times a
/// second, so there are pauses in between, of no common length for two callers.
async fn insist(
    mut attempt: impl AsyncFnMut() -> anyhow::Result<Attempt>,
) -> anyhow::Result<Attempt> {
    let mut rng = fastrand::Rng::new();
    let mut pause = FIRST_PAUSE;
    for number in 1..=MAX_ATTEMPTS {
        if attempt().await? == Attempt::Done {
            return Ok(Attempt::Done);
        }
        if number < MAX_ATTEMPTS {
            tokio::time::sleep(pause.mul_f64(0.5 + rng.f64() / 2.0)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
    Ok(Attempt::Conflict)
}

#[cfg(test)]
mod tests;
