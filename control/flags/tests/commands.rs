//! Subcommands: found wherever flags stand, each with its own flags and the global ones.

#![expect(clippy::unwrap_used, reason = "what a test unwraps, it asserts")]

use std::ffi::OsString;
use stolon_flags::{Parsed, Program, Stop, completion, parse};

#[derive(Debug, clap::Args)]
struct Flags {
    /// cluster name
    #[arg(long, global = true, default_value = "")]
    cluster_name: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, PartialEq, clap::Subcommand)]
enum Command {
    /// Initialize a new cluster
    Init(Init),
    /// Display the current cluster status
    Status,
    /// Manage current cluster data
    Clusterdata {
        #[command(subcommand)]
        command: Option<Data>,
    },
}

#[derive(Debug, PartialEq, clap::Args)]
struct Init {
    /// don't ask for confirmation
    #[arg(long, short)]
    yes: bool,
    /// file with the spec
    #[arg(long, short, default_value = "")]
    file: String,
    spec: Vec<String>,
}

#[derive(Debug, PartialEq, clap::Subcommand)]
enum Data {
    /// Retrieve the current cluster data
    Read,
}

const PROGRAM: Program = Program {
    command: "stolonctl",
    env_prefix: "STOLONCTL",
    version: "1.2.3",
    about: "stolon command line client",
    deprecated: &[],
};

fn run(words: &[&str], variables: &[(&str, &str)]) -> Result<Parsed<Flags>, Stop> {
    let argv = std::iter::once("stolonctl").chain(words.iter().copied()).map(OsString::from);
    parse(&PROGRAM, argv, variables.iter().map(|(k, v)| (k.into(), v.into())))
}

fn ok(words: &[&str]) -> Flags {
    run(words, &[]).unwrap().args
}

fn init(yes: bool, file: &str, spec: &[&str]) -> Option<Command> {
    let spec = spec.iter().map(ToString::to_string).collect();
    Some(Command::Init(Init { yes, file: file.into(), spec }))
}

#[test]
fn global_flags_stand_before_and_after_the_command() {
    for words in [
        ["--cluster-name", "c", "init", "-y", "{}"],
        ["init", "--cluster-name", "c", "{}", "-y"],
        ["init", "-y", "{}", "--cluster-name", "c"],
    ] {
        let flags = ok(&words);
        assert_eq!((flags.cluster_name.as_str(), flags.command), ("c", init(true, "", &["{}"])));
    }
}

#[test]
fn short_flags_are_grouped_and_joined() {
    assert_eq!(ok(&["init", "-yf", "x"]).command, init(true, "x", &[]));
    assert_eq!(ok(&["init", "-fx"]).command, init(false, "x", &[]));
    assert_eq!(ok(&["init", "-f=x"]).command, init(false, "x", &[]));
    assert_eq!(ok(&["init", "-f", "-"]).command, init(false, "-", &[]));
    assert_eq!(ok(&["-f", "-", "init"]).command, init(false, "-", &[]));
    assert_eq!(ok(&["init", "-y=false", "--", "-f"]).command, init(false, "", &["-f"]));
    assert_eq!(ok(&["init", "-f="]).command, init(false, "=", &[]));
}

#[test]
fn short_flags_have_errors_of_their_own() {
    let error = |words: &[&str]| run(words, &[]).unwrap_err().fatal.unwrap();
    assert_eq!(error(&["init", "-f"]), "flag needs an argument: 'f' in -f");
    assert_eq!(error(&["init", "-yf"]), "flag needs an argument: 'f' in -f");
    assert_eq!(error(&["init", "-yqh"]), "unknown shorthand flag: 'q' in -qh");
    assert_eq!(error(&["init", "-y="]), "unknown shorthand flag: '=' in -=");
    assert_eq!(
        error(&["init", "-y=x"]),
        r#"invalid argument "x" for "-y, --yes" flag: strconv.ParseBool: parsing "x": invalid syntax"#
    );
    assert_eq!(error(&["status", "-y"]), "unknown shorthand flag: 'y' in -y");
}

#[test]
fn an_unknown_command_points_to_the_help() {
    let stop = run(&["foo"], &[]).unwrap_err();
    assert_eq!(stop.code, 1);
    assert_eq!(
        stop.stderr,
        "Error: unknown command \"foo\" for \"stolonctl\"\nRun 'stolonctl --help' for usage.\n"
    );
    // To ask for its help makes it no command.
    assert_eq!(run(&["foo", "--help"], &[]).unwrap_err(), stop);
    let stop = run(&["statsu"], &[]).unwrap_err();
    assert_eq!(
        stop.stderr,
        "Error: unknown command \"statsu\" for \"stolonctl\"\n\nDid you mean this?\n\tstatus\n\nRun 'stolonctl --help' for usage.\n"
    );
}

#[test]
fn an_unknown_help_topic_is_said_to_be_one() {
    let stop = run(&["help", "foo", "bar"], &[]).unwrap_err();
    assert_eq!((stop.code, stop.stdout.as_str(), &stop.fatal), (0, "", &None));
    let start = "Unknown help topic [`foo` `bar`]\nUsage:\n  stolonctl [flags]\n";
    assert!(stop.stderr.starts_with(start), "{}", stop.stderr);
}

#[test]
fn names_in_errors_are_quoted_as_go_does() {
    let error = |words: &[&str]| run(words, &[]).unwrap_err().fatal.unwrap();
    assert_eq!(error(&["f\u{7}oo"]), r#"unknown command "f\aoo" for "stolonctl""#);
    assert_eq!(
        error(&["init", "--yes=\u{1b}"]),
        r#"invalid argument "\x1b" for "-y, --yes" flag: strconv.ParseBool: parsing "\x1b": invalid syntax"#
    );
}

#[test]
fn a_command_may_be_missing() {
    assert_eq!(ok(&[]).command, None);
    assert_eq!(ok(&["clusterdata"]).command, Some(Command::Clusterdata { command: None }));
    let read = Some(Command::Clusterdata { command: Some(Data::Read) });
    assert_eq!(ok(&["clusterdata", "--cluster-name=c", "read"]).command, read);
}

#[test]
fn variables_are_for_global_flags_only() {
    let variables =
        [("STOLONCTL_CLUSTER_NAME", "c"), ("STOLONCTL_YES", "1"), ("STOLONCTL_FILE", "x")];
    let flags = run(&["init"], &variables).unwrap().args;
    assert_eq!((flags.cluster_name.as_str(), flags.command), ("c", init(false, "", &[])));
}

#[test]
fn each_command_has_its_help() {
    let help = |words: &[&str]| {
        let stop = run(words, &[]).unwrap_err();
        assert_eq!((stop.code, stop.stderr.as_str()), (0, ""));
        stop.stdout
    };
    assert_eq!(
        help(&["--help"]),
        "stolon command line client

Usage:
  stolonctl [flags]
  stolonctl [command]

Available Commands:
  clusterdata Manage current cluster data
  init        Initialize a new cluster
  status      Display the current cluster status

Flags:
      --cluster-name string   cluster name [$STOLONCTL_CLUSTER_NAME]
  -h, --help                  help for stolonctl
      --version               version for stolonctl

Use \"stolonctl [command] --help\" for more information about a command.
"
    );
    let init = "Initialize a new cluster

Usage:
  stolonctl init [spec] [flags]

Flags:
  -f, --file string   file with the spec
  -h, --help          help for init
  -y, --yes           don't ask for confirmation

Global Flags:
      --cluster-name string   cluster name [$STOLONCTL_CLUSTER_NAME]
";
    assert_eq!(help(&["init", "-h"]), init);
    assert_eq!(help(&["help", "init"]), init);
    assert_eq!(help(&["--cluster-name=x", "help", "init"]), init);
    assert!(
        help(&["clusterdata", "read", "--help"]).contains("  stolonctl clusterdata read [flags]\n")
    );
}

#[test]
fn completion_scripts_know_commands_and_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(completion::<Flags>(&PROGRAM, shell).unwrap()).unwrap();
        for word in ["stolonctl", "clusterdata", "cluster-name", "status"] {
            assert!(script.contains(word), "{word} is not in the script for {shell}");
        }
    }
    let error = completion::<Flags>(&PROGRAM, "tcsh").unwrap_err().to_string();
    assert!(error.contains("\"tcsh\"") && error.contains("bash, zsh and fish"), "{error}");
}
