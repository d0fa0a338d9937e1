//! From flags to ready values: every check of a flag happens here, once.

use crate::args::Flags;
use crate::follow::WhenFallen;
use crate::limits::{Limit, connections_within};
use crate::metrics::Timings;
use crate::relay::Tuning;
use crate::settings::Settings;
use crate::socket::{SocketOptions, raise_open_files_limit};
use anyhow::{Context, bail};
use std::net::Ipv6Addr;
use std::num::NonZero;
use std::time::Duration;
use stolon_daemon::log::{Format, LogSettings};
use stolon_flags::LogFormat;
use stolon_model::time::GoDuration;
use tracing::{info, warn};

/// Threads that carry connections, if not said otherwise: beyond these the kernel's work is not ours to spread.
const MOST_THREADS: usize = 4;
/// Fewer descriptors than this are worth a warning.
const FEW_OPEN_FILES: u64 = 4096;

/// What the proxy is told to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to reach the store.
    pub store: stolon_store::Config,
    /// Where to listen, as `host:port`; an empty host is every address of this machine.
    pub listen_address: String,
    /// What becomes of the port when no check is good.
    pub when_fallen: WhenFallen,
    /// Where to show metrics; empty for nowhere.
    pub metrics_listen_address: String,
    /// The cluster.
    pub cluster_name: String,
    /// Threads that carry connections.
    pub threads: usize,
    /// How long sessions may go on after SIGTERM.
    pub drain_timeout: Duration,
    limits: Limits,
    socket: SocketOptions,
    tuning: Tuning,
    startup_timeout: Option<Duration>,
    hold_timeout: Option<Duration>,
    dial_timeout: Duration,
    peer_timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    max_connections: u64,
    max_held: u64,
}

impl Config {
    /// Checks the flags.
    pub fn new(flags: &Flags) -> anyhow::Result<Self> {
        let keepalive = [
            ("idle", flags.tcp_keepalive_idle),
            ("count", flags.tcp_keepalive_count),
            ("interval", flags.tcp_keepalive_interval),
        ];
        flags.common.check()?;
        for (name, value) in keepalive {
            if value < 0 {
                bail!("tcp keepalive {name} value must be greater or equal to 0");
            }
        }
        let threads = match usize::try_from(flags.threads)? {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS),
            given if given <= 256 => given,
            given => {
                bail!("threads is {given}, which is more than 256; give the number of cores, or 0")
            }
        };
        let dial_timeout = at_least_zero("dial-timeout", flags.dial_timeout)?
            .context("dial-timeout must be greater than 0; give the longest time that connecting to the master may take")?;
        let store = (flags.common.store_config())
            .context("cannot create store")
            .context("cannot create cluster checker")?;
        Ok(Self {
            store,
            listen_address: joined(&flags.listen_address, &flags.port)?,
            when_fallen: if flags.stop_listening {
                WhenFallen::StopListening
            } else {
                WhenFallen::KeepListening
            },
            metrics_listen_address: flags.common.metrics_listen_address.clone(),
            cluster_name: flags.common.cluster_name.clone(),
            threads,
            drain_timeout: at_least_zero("drain-timeout", flags.drain_timeout)?.unwrap_or_default(),
            limits: Limits { max_connections: flags.max_connections, max_held: flags.max_held },
            socket: socket_options(flags),
            tuning: Tuning { mode: flags.relay, ..Tuning::default() },
            startup_timeout: at_least_zero("startup-timeout", flags.startup_timeout)?,
            hold_timeout: at_least_zero("hold-timeout", flags.hold_timeout)?,
            dial_timeout,
            peer_timeout: at_least_zero("tcp-user-timeout", flags.tcp_user_timeout)?,
        })
    }

    /// What sessions are made with. Raises the limit of open files; called when the metrics recorder is there.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let open_files =
            raise_open_files_limit().context("cannot raise the limit of open files")?;
        let fit = connections_within(open_files);
        let connections = match usize::try_from(self.limits.max_connections)? {
            0 => fit,
            given => {
                if given > fit {
                    warn!(
                        max_connections = given,
                        open_files,
                        "the limit of open files allows only {fit} connections; raise it (ulimit -n, LimitNOFILE)"
                    );
                }
                given
            }
        };
        if open_files < FEW_OPEN_FILES {
            warn!(
                open_files,
                connections, "few open files are allowed; raise the limit (ulimit -n, LimitNOFILE)"
            );
        } else {
            info!(open_files, connections, "limits");
        }
        Ok(Settings {
            socket: self.socket.clone(),
            tuning: self.tuning,
            startup_timeout: self.startup_timeout,
            hold_timeout: self.hold_timeout,
            dial_timeout: self.dial_timeout,
            peer_timeout: self.peer_timeout,
            connections: Limit::new(connections),
            held: Limit::new(usize::try_from(self.limits.max_held)?),
            // Refused connections come on top of the others, so they live in the descriptors that are kept spare.
            refusals: Limit::new((fit / 16).clamp(8, 256)),
            timings: Timings::default(),
        })
    }
}

/// How the log looks.
pub fn log_settings(flags: &Flags) -> anyhow::Result<LogSettings> {
    Ok(LogSettings {
        level: flags.log.level_word().parse()?,
        color: flags.log.log_color,
        format: match flags.log.log_format {
            LogFormat::Go => Format::Go,
            LogFormat::Json => Format::Json,
        },
    })
}

fn joined(host: &str, port: &str) -> anyhow::Result<String> {
    let port: u16 =
        port.parse().with_context(|| format!("port is {port:?}; give a number from 0 to 65535"))?;
    Ok(match host {
        six if six.parse::<Ipv6Addr>().is_ok() => format!("[{six}]:{port}"),
        other => format!("{other}:{port}"),
    })
}

fn socket_options(flags: &Flags) -> SocketOptions {
    let default = SocketOptions::default();
    let seconds = |given: i64, default| match u64::try_from(given) {
        Ok(1..) => Duration::from_secs(given.unsigned_abs().min(MOST_KEEPALIVE_SECONDS)),
        _ => default,
    };
    SocketOptions {
        keepalive_idle: seconds(flags.tcp_keepalive_idle, default.keepalive_idle),
        keepalive_interval: seconds(flags.tcp_keepalive_interval, default.keepalive_interval),
        keepalive_count: match u32::try_from(flags.tcp_keepalive_count) {
            Ok(given @ 1..) => given.min(MOST_KEEPALIVE_PROBES),
            _ => default.keepalive_count,
        },
    }
}

/// What the kernel takes at most.
const MOST_KEEPALIVE_SECONDS: u64 = 32_767;
const MOST_KEEPALIVE_PROBES: u32 = 127;

/// None for zero.
fn at_least_zero(flag: &str, given: GoDuration) -> anyhow::Result<Option<Duration>> {
    if given.nanos < 0 {
        bail!("{flag} value must be greater or equal to 0");
    }
    Ok(Some(given.to_std()).filter(|span| !span.is_zero()))
}

#[cfg(test)]
mod tests;
