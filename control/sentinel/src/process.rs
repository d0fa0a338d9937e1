//! From the command line to a running sentinel, and to its end.

use crate::flags::{Flags, PROGRAM};
use crate::sentinel::Sentinel;
use crate::{initial_spec, metrics};
use anyhow::Context as _;
use std::ffi::OsString;
use std::process::ExitCode;
use stolon_daemon::admin::{self, Admin, Limits};
use stolon_daemon::{Context, Settings, log};
use stolon_model::spec::ClusterSpec;
use stolon_model::uid::{SentinelUid, short_uid};
use stolon_store::Config;
use tracing::{error, info};

/// What the flags come to.
struct Plan {
    store: Config,
    initial_spec: Option<ClusterSpec>,
    metrics_address: String,
}

/// Runs the sentinel with this command line and environment.
pub fn main(
    argv: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let parsed = match stolon_flags::parse::<Flags>(&PROGRAM, argv, variables) {
        Ok(parsed) => parsed,
        Err(stop) => {
            let code = stop.print();
            if let Some(text) = &stop.fatal {
                log::fatal(text);
            }
            return code;
        }
    };
    parsed.print_notices();
    let flags = parsed.args;
    let plan = flags.log_settings().map_err(anyhow::Error::from).and_then(|settings| {
        log::init(settings);
        plan(&flags)
    });
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            log::fatal(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let settings = Settings {
        component: "sentinel",
        cluster_name: flags.common.cluster_name.clone(),
        histograms: metrics::HISTOGRAMS,
    };
    stolon_daemon::run(settings, |context| run(plan, context))
}

fn plan(flags: &Flags) -> anyhow::Result<Plan> {
    let store = flags.store_config()?;
    let initial_spec = initial_spec::read(&flags.initial_cluster_spec)?;
    let metrics_address = flags.common.metrics_listen_address.clone();
    Ok(Plan { store, initial_spec, metrics_address })
}

async fn run(plan: Plan, context: Context) -> anyhow::Result<()> {
    let mut rng = stolon_daemon::rng();
    let uid = SentinelUid::new(short_uid(&mut rng));
    info!(uid = uid.as_str(), "sentinel uid");
    metrics::describe();
    if !serve_metrics(&plan.metrics_address, &context).await {
        return Ok(());
    }
    let store = stolon_store::connect(plan.store).await.context("cannot create sentinel")?;
    Sentinel::new(store, uid, plan.initial_spec, rng, context.clone()).run().await;
    info!("stopping stolon sentinel");
    Ok(())
}

/// Starts the metrics server if there is an address for it. `false` when it cannot listen, which stops the sentinel.
async fn serve_metrics(address: &str, context: &Context) -> bool {
    if address.is_empty() {
        return true;
    }
    match admin::bind(address).await {
        Ok(listener) => {
            let admin = Admin {
                metrics: context.metrics.clone(),
                readiness: context.readiness.clone(),
                started: context.started,
                extra: Default::default(),
            };
            let shutdown = context.shutdown.clone();
            context.tasks.spawn(admin::serve(listener, admin, Limits::DEFAULT, shutdown));
            true
        }
        Err(failure) => {
            error!(error = %log::chain(&failure), "metrics http server error");
            false
        }
    }
}
