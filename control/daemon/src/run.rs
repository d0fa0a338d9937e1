//! The life of a daemon: runtime, signals, service notification, exit code.

use crate::metrics::{Histogram, UPKEEP_INTERVAL};
use crate::process::ProcessStart;
use crate::readiness::Readiness;
use crate::signals::Termination;
use crate::{log, metrics};
use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use sd_notify::NotifyState;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// How long tasks may take to end after the daemon's main function has returned.
const TASKS_GRACE: Duration = Duration::from_secs(5);

/// How long blocking calls may delay the end of the runtime.
const BLOCKING_GRACE: Duration = Duration::from_secs(1);

/// What a daemon says about itself before it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `keeper`, `sentinel` or `proxy`.
    pub component: &'static str,
    /// The `--cluster-name`.
    pub cluster_name: String,
    /// Bucket bounds of the daemon's histograms.
    pub histograms: &'static [Histogram],
}

/// What the daemon's main function gets.
#[derive(Clone, Debug)]
pub struct Context {
    /// Cancelled by the first SIGINT or SIGTERM: finish what is under way and return.
    pub shutdown: CancellationToken,
    /// Owner of the spawned tasks; the process waits for them, briefly, at its end.
    pub tasks: TaskTracker,
    /// What `/readyz` answers.
    pub readiness: Readiness,
    /// The metrics, for the admin server.
    pub metrics: PrometheusHandle,
    /// When the process started.
    pub started: ProcessStart,
}

impl Context {
    /// Tells the service supervisor that the daemon serves, and `/readyz` too.
    pub fn ready(&self) {
        self.readiness.ready();
        notify(NotifyState::Ready);
    }
}

/// Runs `main` on a current-thread runtime until it returns. The first termination signal cancels
/// [`Context::shutdown`], the second ends the process at once. An error becomes a FATAL line and exit code 1.
///
/// [`log::init`] comes first, because the checks before this call log already.
pub fn run<M, F>(settings: Settings, main: M) -> ExitCode
where
    M: FnOnce(Context) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let started = ProcessStart::now();
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
        .and_then(|runtime| {
            let result = runtime.block_on(supervise(settings, started, main));
            runtime.shutdown_timeout(BLOCKING_GRACE);
            result
        });
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::fatal(&log::chain(error.as_ref()).to_string());
            ExitCode::FAILURE
        }
    };
    log::flush();
    code
}

async fn supervise<M, F>(settings: Settings, started: ProcessStart, main: M) -> anyhow::Result<()>
where
    M: FnOnce(Context) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let mut termination = Termination::listen().context("cannot listen for signals")?;
    let metrics =
        metrics::install(settings.component, &settings.cluster_name, settings.histograms)?;
    let context = Context {
        shutdown: CancellationToken::new(),
        tasks: TaskTracker::new(),
        readiness: Readiness::starting(),
        metrics,
        started,
    };
    let daemon = main(context.clone());
    tokio::pin!(daemon);
    let mut upkeep = tokio::time::interval(UPKEEP_INTERVAL);
    let result = loop {
        tokio::select! {
            result = &mut daemon => break result,
            _ = upkeep.tick() => context.metrics.run_upkeep(),
            signal = termination.next() => {
                if context.shutdown.is_cancelled() {
                    anyhow::bail!("received {signal} while stopping: ending at once");
                }
                info!(signal, "stopping");
                context.readiness.not_ready("stopping");
                notify(NotifyState::Stopping);
                context.shutdown.cancel();
            }
        }
    };
    // A task that watches the token must end too when the main function gave up on its own.
    context.shutdown.cancel();
    context.tasks.close();
    tokio::select! {
        ended = tokio::time::timeout(TASKS_GRACE, context.tasks.wait()) => {
            if ended.is_err() {
                warn!(tasks = context.tasks.len(), "tasks did not end in time, leaving them");
            }
        }
        signal = termination.next() => warn!(signal, "ending at once"),
    }
    result
}

/// Tells the service supervisor, if there is one. That it cannot be told is no reason to stop.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "cannot notify the service supervisor");
    }
}
