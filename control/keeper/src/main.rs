//! Runs one PostgreSQL instance and converges it to what the cluster data wants.
//!
//! The thin shell around the model's plan. In reading order: [`flags`] and [`config`] are what the keeper was told,
//! [`identity`] who it is, [`data_dir`] its directory, [`postgres`] the instance's parts and [`instance`] the whole and how it
//! is looked at. [`keeper`] is the loop, with [`follow`] reading the cluster data, [`execute`] carrying actions out and
//! [`pace`] saying when to go on. [`report`] tells the cluster. [`run`] ties them together.

mod config;
mod data_dir;
mod execute;
mod flags;
mod follow;
mod identity;
mod instance;
mod keeper;
mod message;
mod metrics;
mod pace;
mod postgres;
mod report;
mod run;

use config::{Config, Locking};
use data_dir::states::States;
use flags::{Flags, PROGRAM};
use std::process::ExitCode;
use stolon_daemon::log::Format;
use stolon_daemon::log::{self, LogSettings};
use stolon_daemon::{Settings, rng};
use stolon_flags::{LogFormat, Parsed};

fn main() -> ExitCode {
    let parsed =
        match stolon_flags::parse::<Flags>(&PROGRAM, std::env::args_os(), std::env::vars_os()) {
            Ok(parsed) => parsed,
            Err(stop) => {
                let code = stop.print();
                if let Some(error) = &stop.fatal {
                    log::fatal(error);
                }
                return code;
            }
        };
    parsed.print_notices();
    match start(&parsed) {
        Ok(code) => code,
        Err(error) => {
            log::fatal(&log::chain(error.as_ref()).to_string());
            ExitCode::FAILURE
        }
    }
}

/// The checks before anything runs, in the reference's order, then the keeper itself.
fn start(parsed: &Parsed<Flags>) -> anyhow::Result<ExitCode> {
    init_log(parsed)?;
    let config = Config::new(parsed)?;
    // Held until the process ends.
    let _lock = match config.locking {
        Locking::Locked => {
            let lock = data_dir::lock::take(&config.data_dir.lock_file())?;
            tracing::info!("exclusive lock on data dir taken");
            Some(lock)
        }
        Locking::Disabled => None,
    };
    let mut rng = rng();
    let states = States::load(config.data_dir.clone())
        .map_err(|error| anyhow::anyhow!("cannot create keeper: {error}"))?;
    let uid = identity::settle(config.uid.as_ref(), &states, &mut rng)?;
    let settings = Settings {
        component: "keeper",
        cluster_name: parsed.args.common.cluster_name.clone(),
        histograms: metrics::HISTOGRAMS,
    };
    Ok(stolon_daemon::run(settings, |context| run::run(config, states, uid, rng, context)))
}

fn init_log(parsed: &Parsed<Flags>) -> anyhow::Result<()> {
    let flags = &parsed.args.log;
    log::init(LogSettings {
        level: flags.level_word().parse()?,
        color: flags.log_color,
        format: match flags.log_format {
            LogFormat::Go => Format::Go,
            LogFormat::Json => Format::Json,
        },
    });
    Ok(())
}
