//! Ties the proxy together: identity, data path, control plane, admin server, and the order of their end.

use crate::admin;
use crate::config::Config;
use crate::follow::Follower;
use crate::gatehouse::Gatehouse;
use crate::metrics::{ControlState, FoldedMetrics};
use crate::status::Status;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use stolon_daemon::admin::{Admin, Limits};
use stolon_daemon::{Context, Readiness};
use stolon_model::uid::{ProxyUid, short_uid};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// How old the numbers on `/metrics` may be.
const FOLD_INTERVAL: Duration = Duration::from_millis(500);

/// Runs the proxy until it is told to stop.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let mut rng = stolon_daemon::rng();
    let uid = ProxyUid::new(short_uid(&mut rng));
    info!(uid = uid.as_str(), "proxy uid");
    let status = Arc::new(Status::new(uid.clone(), config.cluster_name.clone()));
    let gatehouse = Arc::new(
        Gatehouse::start(
            config.threads,
            config.listen_address.clone(),
            config.settings()?,
            Arc::clone(&status),
        )
        .context("cannot start the worker threads")?,
    );
    gatehouse.probe().map_err(anyhow::Error::msg)?;
    // The admin server and the metrics outlive the sessions, so that the end can be watched.
    let end = CancellationToken::new();
    serve_admin(&config, &context, &status, &gatehouse, &end).await?;
    context.tasks.spawn(fold(
        Arc::clone(&gatehouse),
        Arc::clone(&status),
        context.clone(),
        end.clone(),
    ));
    let store = stolon_store::connect(config.store.clone()).await.context("cannot create proxy")?;
    let follower = Follower::new(
        uid,
        store,
        Arc::clone(&gatehouse),
        Arc::clone(&status),
        config.when_fallen,
        rng,
    );
    // The control plane goes on while sessions drain: it keeps the fence open for them, or lets it fall.
    let stop_following = CancellationToken::new();
    let mut is_known = false;
    let checked = || {
        if gatehouse.is_listening() && !is_known {
            is_known = true;
            context.ready();
        }
        show_readiness(&context.readiness, &context.shutdown, &status);
    };
    let drain = async {
        context.shutdown.cancelled().await;
        gatehouse.drain(config.drain_timeout).await;
        stop_following.cancel();
    };
    tokio::join!(follower.run(stop_following.clone(), checked), drain);
    end.cancel();
    info!("stopped");
    Ok(())
}

fn show_readiness(readiness: &Readiness, shutdown: &CancellationToken, status: &Status) {
    match status.obstacle() {
        _ if shutdown.is_cancelled() => readiness.not_ready("stopping"),
        Some(obstacle) => readiness.not_ready(obstacle),
        None => readiness.ready(),
    }
}

async fn serve_admin(
    config: &Config,
    context: &Context,
    status: &Arc<Status>,
    gatehouse: &Arc<Gatehouse>,
    end: &CancellationToken,
) -> anyhow::Result<()> {
    if config.metrics_listen_address.is_empty() {
        return Ok(());
    }
    let listener = stolon_daemon::admin::bind(&config.metrics_listen_address).await?;
    let admin = Admin {
        metrics: context.metrics.clone(),
        readiness: context.readiness.clone(),
        started: context.started,
        extra: admin::routes(Arc::clone(status), Arc::clone(gatehouse)),
    };
    let served = stolon_daemon::admin::serve(listener, admin, Limits::DEFAULT, end.clone());
    context.tasks.spawn(served);
    Ok(())
}

/// Folds the threads' counters into the metrics and shows whether the proxy serves, again and again.
async fn fold(
    gatehouse: Arc<Gatehouse>,
    status: Arc<Status>,
    context: Context,
    end: CancellationToken,
) {
    let metrics = FoldedMetrics::default();
    let mut ticks = tokio::time::interval(FOLD_INTERVAL);
    while end.run_until_cancelled(ticks.tick()).await.is_some() {
        // The fence may fall while a check hangs.
        show_readiness(&context.readiness, &context.shutdown, &status);
        let snapshot = status.snapshot();
        metrics.fold(
            &gatehouse.workers().totals(),
            ControlState {
                generation: snapshot.master.generation,
                target_changes: gatehouse.changes(),
                threads_in_use: gatehouse.workers().in_use(),
                is_forwarding: snapshot.master.forwards,
                is_listening: gatehouse.is_listening(),
                since_good_check: snapshot.seconds_since_good_check,
            },
        );
    }
}
