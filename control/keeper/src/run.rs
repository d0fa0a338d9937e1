//! From start to end: the store, the first reading, the instance brought to rest, the tasks, and the way out.

use crate::config::Config;
use crate::data_dir::states::States;
use crate::follow::Follower;
use crate::instance::Instance;
use crate::keeper::{Keeper, Parts};
use crate::metrics::Metrics;
use crate::postgres::binaries::Binaries;
use crate::postgres::local::LocalServer;
use crate::postgres::postmaster::Postmaster;
use crate::postgres::{command, leftover};
use crate::report::Wanted;
use crate::report::collect::Collector;
use crate::report::publish::Reporter;
use crate::report::write_probe::WriteProbe;
use anyhow::{Context as _, anyhow};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use stolon_daemon::admin::{Admin, Limits};
use stolon_daemon::{Context, admin};
use stolon_model::cluster::Role;
use stolon_model::plan::KeeperOptions;
use stolon_model::spec::PgParameters;
use stolon_model::uid::{KeeperUid, uuid_v4};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Runs the keeper until it is told to end.
pub async fn run(
    config: Config,
    states: States,
    uid: KeeperUid,
    mut rng: fastrand::Rng,
    context: Context,
) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    if !serve_metrics(&config, &context).await {
        return Ok(());
    }
    let store =
        stolon_store::connect(config.store.clone()).await.context("cannot create keeper")?;
    let pgdata = config.data_dir.pgdata();
    let options = KeeperOptions {
        uid: uid.clone(),
        boot_uuid: uuid_v4(&mut rng),
        pgdata: pgdata.display().to_string(),
        listen_address: config.listen_address.clone(),
        port: config.port.to_string(),
        superuser: config.superuser.clone(),
        replication: config.replication.clone(),
    };
    let mut follower = Follower::new(store.clone(), options.clone(), metrics.clone());
    // For the intervals; the loop reads again before it acts.
    let _ = follower.read().await;
    let (postmaster, _owner) = Postmaster::new(&pgdata);
    let instance = Arc::new(Instance {
        states,
        binaries: Binaries::new(config.bin_path.clone()),
        postmaster,
        server: LocalServer {
            port: config.port,
            superuser: config.superuser.clone(),
            replication: config.replication.clone(),
            timeout: follower.spec.request_timeout,
        },
        data_dir: config.data_dir.clone(),
        confirmation: Mutex::default(),
    });
    bring_to_rest(&instance).await?;

    let wanted = watch::Sender::new(Wanted {
        sleep_interval: follower.interval(),
        parameters: PgParameters::new(),
        synchronous_standbys: BTreeSet::new(),
        role: Role::Undefined,
    });
    let acted = Arc::new(Notify::new());
    // The cluster hears of the instance until it has stopped.
    let end_of_reports = CancellationToken::new();
    let state = watch::Sender::new(None);
    let (refused, refusal) = oneshot::channel();
    let reporter = Reporter {
        instance: instance.clone(),
        store: store.clone(),
        uid,
        boot_uuid: options.boot_uuid.clone(),
        can_be_master: config.can_be_master,
        can_be_synchronous_replica: config.can_be_synchronous_replica,
        wanted: wanted.subscribe(),
        state: state.subscribe(),
        metrics: metrics.clone(),
        rng,
        refused: Some(refused),
    };
    let collector = Collector {
        instance: instance.clone(),
        listen_address: config.advertise_address.clone(),
        port: config.advertise_port.clone(),
        wanted: wanted.subscribe(),
        acted: acted.clone(),
        state,
        metrics: metrics.clone(),
        write_probe: WriteProbe::default(),
    };
    let mut collector = context.tasks.spawn(collector.run(end_of_reports.clone()));
    let reporter = context.tasks.spawn(reporter.run(end_of_reports.clone()));

    let stop = context.shutdown.child_token();
    let keeper = Keeper::new(Parts {
        instance: instance.clone(),
        wake: store.wake_on_cluster_data(context.shutdown.clone()),
        follower,
        wanted,
        acted,
        metrics: metrics.clone(),
        readiness: context.readiness.clone(),
        shutdown: stop.clone(),
    });
    context.ready();
    let mut keeper = Box::pin(keeper.run());
    let result = tokio::select! {
        result = &mut keeper => result.map_err(anyhow::Error::from),
        Ok(in_use) = refusal => {
            stop.cancel();
            keeper.await.map_err(anyhow::Error::from).and(Err(in_use.into()))
        }
        // What it saw last must not be reported for ever.
        ended = &mut collector => {
            stop.cancel();
            let why = ended.err().map_or_else(|| anyhow!("it ended"), anyhow::Error::from);
            let failed = why.context("the instance is looked at no more");
            keeper.await.map_err(anyhow::Error::from).and(Err(failed))
        }
    };
    metrics.shutting_down();
    info!("stopping database");
    let stopped = instance.postmaster.stop_for_sure().await;
    end_of_reports.cancel();
    if let Err(error) = reporter.await {
        error!(%error, "the last info could not be withdrawn");
    }
    result?;
    stopped.context("cannot stop the instance")
}

/// Ends what an earlier keeper left running, so that what runs from here on is known.
async fn bring_to_rest(instance: &Instance) -> anyhow::Result<()> {
    let pgdata = instance.pgdata();
    command::remove_secrets(instance.data_dir.path())?;
    let ended = leftover::end(&pgdata).await?;
    if ended > 0 {
        info!(programs = ended, "ended programs that an earlier keeper left running");
    }
    instance.postmaster.stop_for_sure().await.context("cannot stop the instance at start")
}

/// Serves metrics if that is wanted. Says whether the keeper can go on: that it cannot listen ends it, cleanly.
async fn serve_metrics(config: &Config, context: &Context) -> bool {
    let Some(address) = &config.metrics_listen_address else { return true };
    match admin::bind(address).await {
        Ok(listener) => {
            let admin = Admin {
                metrics: context.metrics.clone(),
                readiness: context.readiness.clone(),
                started: context.started,
                extra: axum::Router::new(),
            };
            let shutdown = context.shutdown.clone();
            context.tasks.spawn(admin::serve(listener, admin, Limits::DEFAULT, shutdown));
            true
        }
        Err(error) => {
            error!(%error, "metrics http server error");
            false
        }
    }
}
