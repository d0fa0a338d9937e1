//! Waiting for a state, never for time to pass.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How often a state is looked at.
const PACE: Duration = Duration::from_millis(50);

/// Looks until `look` succeeds and returns what it found. After `within` the error says what was waited for and what the
/// last look said. A single look is cut off at the deadline too.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    let mut last = "nothing was seen yet".to_owned();
    while let Some(left) = within.checked_sub(start.elapsed()) {
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => last = format!("{error:#}"),
            Err(_) => break,
        }
        tokio::time::sleep(PACE).await;
    }
    bail!("not within {within:?}: {what}; last: {last}")
}

/// [`eventually`] with a minute, for what only has to happen at all.
pub async fn soon<T>(what: &str, look: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    eventually(what, Duration::from_secs(60), look).await
}
