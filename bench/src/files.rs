//! How many file descriptors there may be.

use anyhow::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For everything that is not a session.
const OTHER: u64 = 500;
/// Fewer sessions say nothing of what one of them costs.
const LEAST: usize = 50;

/// Raises the limit as far as `sessions` need it, and says how many there can be, with a sentence if these are fewer; none at all
/// if there can be too few to measure. Each costs this process, and a proxy, two descriptors.
pub fn sessions_for(sessions: usize) -> Result<(usize, Option<String>)> {
    let needed = sessions as u64 * 2 + OTHER;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok((sessions, None));
    }
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum })?;
    if raised >= needed {
        return Ok((sessions, None));
    }
    let possible = usize::try_from(raised.saturating_sub(OTHER) / 2)?;
    let possible = if possible < LEAST.min(sessions) { 0 } else { possible };
    let sentence = format!(
        "{possible} sessions at once instead of {sessions}, which need {needed} file descriptors: the limit is {raised}; raise it \
         with `ulimit -n`"
    );
    Ok((possible, Some(sentence)))
}

/// How many descriptors a program that we start may have at most.
pub fn most() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}
