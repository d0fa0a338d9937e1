//! How many file descriptors there may be.

use anyhow::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For everything that is not a session.
const OTHER: u64 = 500;

/// Raises the limit as far as `sessions` need it, and says how many there can be, with a sentence if these are fewer. Each costs
/// this process, and a proxy, two descriptors.
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
    let possible = usize::try_from(raised.saturating_sub(OTHER) / 2)?.max(1);
    let sentence = format!(
        "{possible} sessions instead of {sessions}, which need {needed} file descriptors: the limit is {raised}; raise it with `ulimit -n`"
    );
    Ok((possible, Some(sentence)))
}
