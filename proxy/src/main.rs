//! Carries clients to the current master.

use std::process::ExitCode;
use stolon_daemon::{Settings, log};
use stolon_proxy::args::{Flags, PROGRAM};
use stolon_proxy::config::{Config, log_settings};
use stolon_proxy::{metrics, run};

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
    match configure(&parsed.args) {
        Ok(config) => {
            let settings = Settings {
                component: "proxy",
                cluster_name: config.cluster_name.clone(),
                histograms: metrics::HISTOGRAMS,
            };
            stolon_daemon::run(settings, |context| run::run(config, context))
        }
        Err(error) => {
            log::fatal(&log::chain(error.as_ref()).to_string());
            ExitCode::FAILURE
        }
    }
}

fn configure(flags: &Flags) -> anyhow::Result<Config> {
    log::init(log_settings(flags)?);
    Config::new(flags)
}
