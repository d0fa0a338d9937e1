//! Flags that are accepted because scripts give them, and that mean nothing here.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};

/// Global flags of Stolon's `stolonctl`: its log level has no effect, Kubernetes is left out.
#[derive(Clone, Copy, Debug)]
pub struct IgnoredFlags;

/// Flags of Stolon's `stolonctl register`, which is left out.
#[derive(Clone, Copy, Debug)]
pub struct RegisterFlags {
    /// It has a version of its own to tell.
    pub version: bool,
}

const GLOBAL: &[&str] = &["kube-context", "kube-namespace", "kubeconfig", "log-level"];

const REGISTER: &[&str] = &[
    "register-backend",
    "register-ca-file",
    "register-cert-file",
    "register-endpoints",
    "register-key",
    "sleep-interval",
    "tag-master-as",
    "tag-slave-as",
];

const REGISTER_SWITCHES: &[&str] =
    &["debug", "register-master", "register-skip-tls-verify", "version"];

fn hidden(name: &'static str) -> Arg {
    Arg::new(name).long(name).hide(true)
}

fn switch(name: &'static str) -> Arg {
    hidden(name).action(ArgAction::Set).value_parser(value_parser!(bool))
}

impl Args for IgnoredFlags {
    fn augment_args(command: Command) -> Command {
        command.args(GLOBAL.iter().map(|name| hidden(name).global(true)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl Args for RegisterFlags {
    fn augment_args(command: Command) -> Command {
        command
            .args(REGISTER.iter().map(|name| hidden(name)))
            .args(REGISTER_SWITCHES.iter().map(|name| switch(name)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for IgnoredFlags {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}

impl FromArgMatches for RegisterFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self { version: matches.get_one::<bool>("version").copied().unwrap_or_default() })
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}
