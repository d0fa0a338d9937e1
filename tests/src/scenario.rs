//! The frame of a test: its cluster, its end, and its logs when it fails.

use crate::cluster::Cluster;
use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Runs `act` on a cluster of its own, which has an etcd and nothing else yet. Whatever happens every process ends; on a
/// failure the logs are shown and kept.
pub async fn scenario(test: &str, act: impl AsyncFnOnce(&mut Cluster) -> Result<()>) -> Result<()> {
    // The runner ends a slow test with SIGTERM; then too the logs must be shown and the processes killed.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut cluster = Cluster::new().await.context("cannot set up the test")?;
    let result = tokio::select! {
        result = act(&mut cluster) => result,
        _ = terminated.recv() => Err(anyhow::anyhow!("the test was terminated, most likely because it took too long")),
    };
    let Err(error) = result else { return Ok(()) };
    let logs = cluster.scratch.show_logs();
    let state = cluster.describe();
    let kept = match cluster.scratch.keep_logs(test) {
        Ok(path) => path.display().to_string(),
        Err(error) => format!("nowhere: {error}"),
    };
    bail!(
        "{error:#}\n{logs}---- cluster\n{state}\n---- the logs are kept in {kept}\n{test} failed: {error:#}"
    )
}
