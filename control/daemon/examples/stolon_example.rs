//! The smallest daemon: serves its admin page until it is told to stop. The tests of `run` use it as a process.
//!
//! Its arguments: an address for the admin server, and how it ends: `graceful`, `stubborn` or `failing`.

use std::process::ExitCode;
use stolon_daemon::admin::{self, Admin, Limits};
use stolon_daemon::log::{self, LogSettings};
use stolon_daemon::{Settings, run};
use tracing::info;

fn main() -> ExitCode {
    log::init(LogSettings::default());
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(end)) = (arguments.next(), arguments.next()) else {
        log::fatal("usage: daemon ADDRESS graceful|stubborn|failing");
        return ExitCode::FAILURE;
    };
    let settings =
        Settings { component: "example", cluster_name: "c1".to_owned(), histograms: &[] };
    run(settings, async move |context| {
        let listener = admin::bind(&address).await?;
        info!(address = %listener.local_addr()?, "serving");
        let admin = Admin {
            metrics: context.metrics.clone(),
            readiness: context.readiness.clone(),
            started: context.started,
            extra: axum::Router::new(),
        };
        context.tasks.spawn(admin::serve(
            listener,
            admin,
            Limits::DEFAULT,
            context.shutdown.clone(),
        ));
        context.ready();
        context.shutdown.cancelled().await;
        match end.as_str() {
            "graceful" => Ok(()),
            "stubborn" => std::future::pending().await,
            _ => Err(anyhow::anyhow!("no disk").context("cannot save the state")),
        }
    })
}
