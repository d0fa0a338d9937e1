//! Executes actions. Makes no choices: what to do, and what follows from an outcome, is the model's.

use crate::instance::Instance;
use crate::postgres::sql::Session;
use crate::postgres::{command, pgdata, roles};
use anyhow::{Context as _, anyhow, bail};
use std::io;
use std::path::Path;
use std::time::Duration;
use stolon_model::plan::Action;
use stolon_model::plan::action::{RecoveryEnd, Reload, Start};
use stolon_model::postgres::command::Command;
use stolon_model::postgres::conf::FileChange;
use stolon_model::postgres::parameters;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often a state of the server that comes soon is looked for.
const POLL: Duration = Duration::from_millis(50);
/// How often the end of a promotion is looked for.
const PROMOTION_POLL: Duration = Duration::from_millis(5);
/// How often the end of a recovery is looked for, which may take hours.
const RECOVERY_POLL: Duration = Duration::from_millis(500);
/// How long a reload may take to show.
const RELOAD_SHOWS: Duration = Duration::from_secs(2);

/// The name of an action, for metrics.
pub fn name(action: &Action) -> &'static str {
    match action {
        Action::SaveKeeperState(_) => "save_keeper_state",
        Action::SaveDbState(_) => "save_db_state",
        Action::Stop(_) => "stop",
        Action::DeletePgData => "delete_pgdata",
        Action::InitDb { .. } => "initdb",
        Action::Restore { .. } => "restore",
        Action::Checkpoint { .. } => "checkpoint",
        Action::Rewind { .. } => "rewind",
        Action::AwaitSlot { .. } => "await_slot",
        Action::BaseBackup { .. } => "basebackup",
        Action::Start(_) => "start",
        Action::WaitReady { .. } => "wait_ready",
        Action::WaitRecovery { .. } => "wait_recovery",
        Action::SaveInitParameters { .. } => "save_init_parameters",
        Action::SetUpRoles { .. } => "set_up_roles",
        Action::Promote { .. } => "promote",
        Action::Reload(_) => "reload",
        Action::DropSlot { .. } => "drop_slot",
        Action::CreateSlot { .. } => "create_slot",
        Action::Remember(_) => "remember",
    }
}

/// Executes one action. `cancel` cuts short what may run for long.
pub async fn execute(
    instance: &Instance,
    action: &Action,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    match action {
        Action::SaveKeeperState(state) => Ok(instance.states.save_keeper(state)?),
        Action::SaveDbState(state) => Ok(instance.states.save_db(state)?),
        Action::Stop(stop) => Ok(instance.postmaster.stop(stop.mode, stop.timeout).await?),
        Action::DeletePgData => delete(instance).await,
        Action::InitDb { command } => {
            let result = run(instance, command, None, cancel).await;
            remove_if_failed(instance, result).await
        }
        Action::Restore { command } => {
            pgdata::create(&instance.pgdata()).context("cannot make PGDATA")?;
            let result = run(instance, command, None, cancel).await;
            remove_if_failed(instance, result).await
        }
        Action::Rewind { command, .. } => {
            pgdata::remove_file(&instance.pgdata().join("postgresql.auto.conf"))?;
            run(instance, command, None, cancel).await
        }
        Action::AwaitSlot { timeout, .. } => {
            let _ = tokio::time::timeout(*timeout, cancel.cancelled()).await;
            Ok(())
        }
        Action::Checkpoint { command, .. } | Action::BaseBackup { command, .. } => {
            run(instance, command, None, cancel).await
        }
        Action::Start(start) => start_server(instance, start).await,
        Action::WaitReady { timeout } => bounded(*timeout, cancel, wait_ready(instance)).await,
        Action::WaitRecovery { end, timeout } => {
            bounded(*timeout, cancel, wait_recovery(instance, *end)).await
        }
        Action::SaveInitParameters { state, user } => {
            let session = Session::open(&instance.server).await?;
            let configured = session.configured_parameters().await?;
            let mut state = state.clone();
            state.init_pg_parameters = Some(parameters::without_own_timers(configured, user));
            Ok(instance.states.save_db(&state)?)
        }
        Action::SetUpRoles { .. } => Ok(roles::set_up(&instance.server).await?),
        Action::Promote { command, timeout } => promote(instance, command, *timeout, cancel).await,
        Action::Reload(reload) => reload_server(instance, reload, cancel).await,
        Action::DropSlot { name } => {
            Ok(Session::open(&instance.server).await?.drop_replication_slot(name).await?)
        }
        Action::CreateSlot { name, .. } => {
            Ok(Session::open(&instance.server).await?.create_replication_slot(name).await?)
        }
        Action::Remember(_) => Ok(()),
    }
}

async fn run(
    instance: &Instance,
    command: &Command,
    limit: Option<Duration>,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let directory = instance.data_dir.path();
    let pgdata = instance.pgdata();
    Ok(command::run(command, &instance.binaries, directory, &pgdata, limit, cancel).await?)
}

async fn remove_if_failed(instance: &Instance, result: anyhow::Result<()>) -> anyhow::Result<()> {
    if result.is_err()
        && let Err(error) = delete(instance).await
    {
        warn!(error = %format!("{error:#}"), "cannot remove what is left of PGDATA");
    }
    result
}

async fn delete(instance: &Instance) -> anyhow::Result<()> {
    if let Some(pid) = instance.postmaster.running()? {
        bail!("refusing to remove PGDATA while a server runs on it (pid {pid})");
    }
    let pgdata = instance.pgdata();
    let removed = tokio::task::spawn_blocking(move || pgdata::remove(&pgdata)).await?;
    removed.with_context(|| format!("cannot remove {}", instance.pgdata().display()))
}

async fn start_server(instance: &Instance, start: &Start) -> anyhow::Result<()> {
    change_files(&instance.pgdata(), &start.files)?;
    let server = command::server(&start.command, &instance.binaries);
    Ok(instance.postmaster.start(server, start.timeout).await?)
}

/// Promotes, and sees the end of it sooner than pg_ctl, which looks ten times a second: clients are waiting.
async fn promote(
    instance: &Instance,
    command: &Command,
    limit: Duration,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let pgdata = instance.pgdata();
    let takes_writes = async {
        while !pgdata::is_in_production(&pgdata)? {
            tokio::time::sleep(PROMOTION_POLL).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        result = run(instance, command, Some(limit), cancel) => result,
        // By then pg_ctl has nothing left to do but to see it too.
        result = takes_writes => result,
    }
}

/// Reloads, and waits until it shows: what is looked at next must be the new settings.
async fn reload_server(
    instance: &Instance,
    reload: &Reload,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let loaded = async || Session::open(&instance.server).await?.configuration_loaded().await;
    let before = loaded().await;
    change_files(&instance.pgdata(), &reload.files)?;
    run(instance, &reload.command, Some(reload.timeout), cancel).await?;
    let Ok(before) = before else { return Ok(()) };
    let shows = async {
        while loaded().await.is_ok_and(|now| now == before) {
            tokio::time::sleep(POLL / 5).await;
        }
    };
    if tokio::time::timeout(RELOAD_SHOWS, shows).await.is_err() {
        warn!("PostgreSQL has not taken the new configuration; its log says why");
    }
    Ok(())
}

fn change_files(pgdata: &Path, files: &[FileChange]) -> io::Result<()> {
    files.iter().try_for_each(|file| pgdata::change(pgdata, file))
}

async fn wait_ready(instance: &Instance) -> anyhow::Result<()> {
    let ping = async || Session::open(&instance.server).await?.ping().await;
    loop {
        let Err(error) = ping().await else { return Ok(()) };
        if instance.postmaster.running()?.is_none() {
            return Err(anyhow!(error).context("the server has ended"));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn wait_recovery(instance: &Instance, end: RecoveryEnd) -> anyhow::Result<()> {
    let pgdata = instance.pgdata();
    loop {
        let has_ended = match end {
            RecoveryEnd::SignalGone => !pgdata.join("recovery.signal").try_exists()?,
            RecoveryEnd::DonePresent => pgdata.join("recovery.done").try_exists()?,
        };
        if has_ended {
            return Ok(());
        }
        if instance.postmaster.running()?.is_none() {
            bail!("the server has ended before its recovery was completed");
        }
        tokio::time::sleep(RECOVERY_POLL).await;
    }
}

async fn bounded(
    limit: Option<Duration>,
    cancel: &CancellationToken,
    wait: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = wait => result,
        () = over => bail!("not within {:?}", limit.unwrap_or_default()),
        () = cancel.cancelled() => bail!("no longer wanted"),
    }
}
