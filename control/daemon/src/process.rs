//! The `process_*` metrics of the standard Prometheus clients, read from `/proc/self` when somebody scrapes.

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When this process started, as the metric tells it.
#[derive(Clone, Copy, Debug)]
pub struct ProcessStart(Duration);

impl ProcessStart {
    /// Takes the present moment for the start; called first thing in [`crate::run`].
    pub fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// The metrics in Prometheus' text format. A number that cannot be read is left out.
pub fn render(start: ProcessStart) -> String {
    let mut text = String::new();
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = Duration::new(
        u64::try_from(cpu.tv_sec).unwrap_or(0),
        u32::try_from(cpu.tv_nsec).unwrap_or(0),
    );
    let line = &mut |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    line(
        "process_cpu_seconds_total",
        "counter",
        "User and system CPU time spent.",
        Some(cpu.as_secs_f64()),
    );
    line(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory size.",
        kibibytes(&status, "VmRSS:"),
    );
    line(
        "process_virtual_memory_bytes",
        "gauge",
        "Virtual memory size.",
        kibibytes(&status, "VmSize:"),
    );
    line("process_open_fds", "gauge", "Open file descriptors.", open_fds());
    line("process_max_fds", "gauge", "Most file descriptors the process may open.", max_fds());
    line(
        "process_start_time_seconds",
        "gauge",
        "Start time since the Unix epoch.",
        Some(start.0.as_secs_f64()),
    );
    text
}

/// A line such as `VmRSS:     5316 kB`, in bytes.
fn kibibytes(status: &str, key: &str) -> Option<f64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: f64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_fds() -> Option<f64> {
    // One of the entries is the descriptor that reads the directory.
    let entries = fs::read_dir("/proc/self/fd").ok()?.count().checked_sub(1)?;
    u32::try_from(entries).ok().map(f64::from)
}

fn max_fds() -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float; no limit comes near 2^53")]
    getrlimit(Resource::Nofile).current.map(|limit| limit as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_plausible_value() {
        // How many descriptors a test inherits differs; these are its own.
        let files: Vec<_> = (0..4).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let text = render(ProcessStart::now());
        drop(files);
        for (name, least) in [
            ("process_cpu_seconds_total", 0.0),
            ("process_resident_memory_bytes", 100_000.0),
            ("process_virtual_memory_bytes", 100_000.0),
            ("process_open_fds", 3.0),
            ("process_max_fds", 3.0),
            ("process_start_time_seconds", 1e9),
        ] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value: f64 = value.and_then(|value| value.parse().ok()).unwrap_or(-1.0);
            assert!(value > least, "{name} is {value} in\n{text}");
        }
    }

    #[test]
    fn an_unknown_line_is_no_number() {
        assert_eq!(kibibytes("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12_288.0));
        assert_eq!(kibibytes("VmRSS:\t  many\n", "VmRSS:"), None);
        assert_eq!(kibibytes("", "VmRSS:"), None);
    }
}
