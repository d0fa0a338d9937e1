//! Lines that say how far a long measurement is.

use std::io::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// When the first line was written.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Writes a line to stderr, behind the time since the first of them.
pub fn eprint_progress(line: &str) {
    let elapsed = clock(BEGAN.elapsed());
    // Progress is for a person who looks; without stderr there is none.
    writeln!(std::io::stderr(), "  {elapsed} {line}").ok();
}

/// A span in minutes and seconds, as `12:05`.
pub fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_shown_in_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_millis(59_999)), "00:59");
        assert_eq!(clock(Duration::from_secs(725)), "12:05");
        assert_eq!(clock(Duration::from_secs(6000)), "100:00");
    }
}
