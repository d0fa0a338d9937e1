//! The dialect as a user of a binary sees it: words and variables in, values or texts out.

#![expect(clippy::unwrap_used, reason = "what a test unwraps, it asserts")]

use std::ffi::OsString;
use std::time::Duration;
use stolon_flags::{CommonFlags, Deprecated, LogFlags, LogFormat, Parsed, Program, Stop, parse};
use stolon_model::time::GoDuration;

#[derive(Clone, Debug, clap::Args)]
struct Flags {
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    log: LogFlags,
    /// keeper uid
    #[arg(long, default_value = "")]
    uid: String,
    /// prevent keeper from being elected as master
    #[arg(long, default_value_t = true)]
    can_be_master: bool,
    /// idle seconds
    #[arg(long, default_value_t = 0)]
    idle: i64,
}

const PROGRAM: Program = Program {
    command: "stolon-keeper",
    env_prefix: "STKEEPER",
    version: "1.2.3",
    about: "Runs one PostgreSQL instance",
    deprecated: &[
        Deprecated::alias("id", "uid", "please use --uid"),
        Deprecated::flag("debug", "use --log-level=debug instead"),
    ],
};

fn run(words: &[&str], variables: &[(&str, &str)]) -> Result<Parsed<Flags>, Stop> {
    let argv = std::iter::once("stolon-keeper").chain(words.iter().copied()).map(OsString::from);
    parse(&PROGRAM, argv, variables.iter().map(|(k, v)| (k.into(), v.into())))
}

fn ok(words: &[&str]) -> Parsed<Flags> {
    run(words, &[]).unwrap()
}

fn error(words: &[&str]) -> String {
    let stop = run(words, &[]).unwrap_err();
    assert_eq!((stop.code, stop.stdout.as_str()), (1, ""));
    let fatal = stop.fatal.unwrap();
    let (first, usage) = stop.stderr.split_once("\nUsage:\n").unwrap();
    assert_eq!(first, format!("Error: {fatal}"));
    assert!(usage.starts_with("  stolon-keeper [flags]\n\nFlags:\n"), "{usage}");
    fatal
}

#[test]
fn values_follow_or_are_joined() {
    let parsed = ok(&["--uid", "a", "--cluster-name=b", "--store-timeout", "1m0s", "--idle", "-3"]);
    assert_eq!(parsed.args.uid, "a");
    assert_eq!(parsed.args.common.cluster_name, "b");
    assert_eq!(parsed.args.common.store_timeout, GoDuration::from_secs(60));
    assert_eq!(parsed.args.idle, -3);
    assert_eq!(ok(&["--uid=--x=y"]).args.uid, "--x=y");
    assert_eq!(ok(&["--uid", "--idle"]).args.uid, "--idle");
    assert_eq!(ok(&["--uid="]).args.uid, "");
}

#[test]
fn defaults_are_those_of_the_reference() {
    let Flags { common, log, can_be_master, .. } = ok(&[]).args;
    assert_eq!(common.store_prefix, "stolon/cluster");
    assert_eq!(common.store_timeout, GoDuration::from_secs(5));
    assert!(!common.store_skip_tls_verify);
    assert!(can_be_master);
    assert_eq!((log.level_word(), log.log_color, log.log_format), ("info", None, LogFormat::Go));
}

#[test]
fn switches_take_a_value_only_after_an_equals_sign() {
    assert!(!ok(&["--can-be-master=false"]).args.can_be_master);
    assert!(!ok(&["--can-be-master=F"]).args.can_be_master);
    assert!(ok(&["--can-be-master"]).args.can_be_master);
    // The word after a switch is a positional argument, which a daemon ignores.
    assert!(ok(&["--can-be-master", "false"]).args.can_be_master);
    assert_eq!(ok(&["--log-color=0"]).args.log.log_color, Some(false));
    assert_eq!(ok(&["--log-color"]).args.log.log_color, Some(true));
}

#[test]
fn the_last_of_repeated_flags_wins() {
    assert_eq!(ok(&["--uid=a", "--uid", "b"]).args.uid, "b");
    assert!(ok(&["--can-be-master=0", "--can-be-master"]).args.can_be_master);
}

#[test]
fn positionals_stand_anywhere_and_end_flags_after_two_dashes() {
    let parsed = ok(&["x", "--uid=a", "-", "y", "--", "--uid=b", "--nonsense"]);
    assert_eq!(parsed.args.uid, "a");
}

#[test]
fn errors_are_pflags_texts() {
    assert_eq!(error(&["--x"]), "unknown flag: --x");
    assert_eq!(error(&["--x=1"]), "unknown flag: --x");
    assert_eq!(error(&["-x"]), "unknown shorthand flag: 'x' in -x");
    assert_eq!(error(&["--=x"]), "bad flag syntax: --=x");
    assert_eq!(error(&["---uid"]), "bad flag syntax: ---uid");
    assert_eq!(error(&["--uid"]), "flag needs an argument: --uid");
    assert_eq!(
        error(&["--can-be-master=maybe"]),
        r#"invalid argument "maybe" for "--can-be-master" flag: strconv.ParseBool: parsing "maybe": invalid syntax"#
    );
    assert_eq!(
        error(&["--idle=1s"]),
        r#"invalid argument "1s" for "--idle" flag: strconv.ParseInt: parsing "1s": invalid syntax"#
    );
    assert_eq!(
        error(&["--log-format=xml"]),
        r#"invalid argument "xml" for "--log-format" flag: must be one of: go, json"#
    );
    assert!(
        error(&["--store-timeout=5"])
            .starts_with(r#"invalid argument "5" for "--store-timeout" flag: "#)
    );
    // An overridden value is an error too, and the first one is reported.
    assert!(error(&["--idle=x", "--idle=1", "--nope"]).contains(r#""--idle" flag"#));
}

#[test]
fn help_goes_to_stdout_and_explains_every_flag() {
    for words in [["--help"], ["-h"]] {
        let stop = run(&words, &[]).unwrap_err();
        assert_eq!((stop.code, stop.stderr.as_str(), &stop.fatal), (0, "", &None));
        assert!(
            stop.stdout
                .starts_with("Runs one PostgreSQL instance\n\nUsage:\n  stolon-keeper [flags]\n")
        );
        for line in [
            "      --can-be-master                   prevent keeper from being elected as master (default true) [$STKEEPER_CAN_BE_MASTER]",
            "  -h, --help                            help for stolon-keeper",
            "      --store-prefix string             the store base prefix (default \"stolon/cluster\") [$STKEEPER_STORE_PREFIX]",
            "      --store-timeout duration          store request timeout (default 5s) [$STKEEPER_STORE_TIMEOUT]",
            "      --uid string                      keeper uid [$STKEEPER_UID]",
            "      --version                         version for stolon-keeper",
        ] {
            assert!(stop.stdout.lines().any(|l| l == line), "{line}\nis not in\n{}", stop.stdout);
        }
        assert!(!stop.stdout.contains("--debug") && !stop.stdout.contains("--id "));
    }
    assert!(error(&["--help", "--x"]).starts_with("unknown flag"));
}

#[test]
fn version_goes_to_stdout() {
    let stop = run(&["--version"], &[]).unwrap_err();
    assert_eq!((stop.code, stop.stdout.as_str()), (0, "stolon-keeper version 1.2.3\n"));
}

#[test]
fn variables_come_before_the_command_line() {
    let variables = [("STKEEPER_UID", "e"), ("STKEEPER_CAN_BE_MASTER", "0"), ("OTHER_IDLE", "7")];
    let parsed = run(&[], &variables).unwrap();
    assert_eq!(
        (parsed.args.uid.as_str(), parsed.args.can_be_master, parsed.args.idle),
        ("e", false, 0)
    );
    assert!(parsed.was_set("uid") && parsed.was_set("can-be-master") && !parsed.was_set("idle"));
    assert_eq!(run(&["--uid=c"], &variables).unwrap().args.uid, "c");
    assert!(run(&["--can-be-master"], &variables).unwrap().args.can_be_master);
}

#[test]
fn an_empty_variable_is_unset() {
    let parsed = run(&[], &[("STKEEPER_UID", ""), ("STKEEPER_STORE_TIMEOUT", "")]).unwrap();
    assert!(!parsed.was_set("uid"));
    assert_eq!(parsed.args.common.store_timeout, GoDuration::from_secs(5));
}

#[test]
fn the_variable_of_a_former_name_loses_by_the_alphabet() {
    let parsed = run(&[], &[("STKEEPER_UID", "new"), ("STKEEPER_ID", "old")]).unwrap();
    assert_eq!(parsed.args.uid, "new");
    assert_eq!(parsed.notices, ["Flag --id has been deprecated, please use --uid"]);
    assert_eq!(run(&["--id", "x"], &[("STKEEPER_UID", "new")]).unwrap().args.uid, "x");
}

#[test]
fn a_bad_variable_is_fatal_and_named() {
    let stop = run(&[], &[("STKEEPER_IDLE", "x")]).unwrap_err();
    assert_eq!((stop.code, stop.stdout.as_str(), stop.stderr.as_str()), (1, "", ""));
    assert_eq!(
        stop.fatal.unwrap(),
        r#"invalid value "x" for STKEEPER_IDLE: invalid argument "x" for "--idle" flag: strconv.ParseInt: parsing "x": invalid syntax"#
    );
}

#[test]
fn deprecated_flags_work_and_say_so() {
    let parsed = ok(&["--debug"]);
    assert_eq!(parsed.args.log.level_word(), "debug");
    assert_eq!(parsed.notices, ["Flag --debug has been deprecated, use --log-level=debug instead"]);
    let parsed = run(&[], &[("STKEEPER_DEBUG", "true")]).unwrap();
    assert_eq!(parsed.notices, ["Flag --debug has been deprecated, use --log-level=debug instead"]);
    // A bad level is bad beside it too.
    assert_eq!(ok(&["--debug", "--log-level=error"]).args.log.level_word(), "debug");
    assert_eq!(ok(&["--debug", "--log-level=loud"]).args.log.level_word(), "loud");
}

#[test]
fn deprecated_flags_say_so_before_help_and_errors_too() {
    let debug = "Flag --debug has been deprecated, use --log-level=debug instead\n";
    let id = "Flag --id has been deprecated, please use --uid\n";
    let stderr = |words: &[&str]| run(words, &[("STKEEPER_ID", "k")]).unwrap_err().stderr;
    assert_eq!(stderr(&["--help"]), id);
    assert_eq!(stderr(&["--debug", "--version"]), format!("{id}{debug}"));
    let said = stderr(&["--debug", "--nope", "--id=x"]);
    assert!(said.starts_with(&format!("{id}{debug}Error: unknown flag: --nope\nUsage:")), "{said}");
    // A value that does not fit is not taken.
    let said = stderr(&["--debug=maybe"]);
    assert!(said.starts_with(&format!("{id}Error: invalid argument \"maybe\"")), "{said}");
}

#[test]
fn the_log_has_a_level_and_a_layout() {
    let log = ok(&["--log-level=warn", "--log-format", "json"]).args.log;
    assert_eq!((log.level_word(), log.log_format), ("warn", LogFormat::Json));
}

#[test]
fn cluster_and_backend_are_checked_in_order() {
    let check = |words: &[&str]| ok(words).args.common.check().map_err(|error| error.to_string());
    let backend = |name: &str| check(&["--cluster-name=c", "--store-backend", name]);
    assert_eq!(check(&[]), Err("cluster name required".into()));
    assert_eq!(check(&["--cluster-name=c"]), Err("store backend type required".into()));
    assert_eq!(backend("zookeeper"), Err(r#"Unknown store backend: "zookeeper""#.into()));
    assert_eq!(backend("kubernetes"), Err("unspecified kubernetes resource kind".into()));
    assert_eq!(
        check(&["--cluster-name=c", "--store-backend=kubernetes", "--kube-resource-kind=pod"]),
        Err(r#"wrong kubernetes resource kind: "pod""#.into())
    );
    for name in ["etcd", "etcdv2", "consul"] {
        let text = backend(name).unwrap_err();
        assert!(text.starts_with(&format!("store backend {name:?} ")), "{text}");
        assert!(text.contains("--store-backend=etcdv3"), "{text}");
    }
    assert_eq!(backend("etcdv3"), Ok(()));
}

#[test]
fn the_flags_make_the_configuration_of_the_store() {
    let config = |words: &[&str]| {
        let words = [&["--cluster-name=c", "--store-backend=etcdv3"], words].concat();
        ok(&words).args.common.store_config().map_err(|error| error.to_string())
    };
    let defaults = config(&[]).unwrap();
    assert_eq!(defaults.endpoints, ["http://127.0.0.1:2379"]);
    assert_eq!(defaults.timeout, Duration::from_secs(5));
    assert_eq!(defaults.path.cluster_data(), "stolon/cluster/c/clusterdata");
    let given = config(&[
        "--store-endpoints=10.0.0.1:2379,10.0.0.2:2379",
        "--store-timeout=1500ms",
        "--store-prefix=/p//q/",
    ])
    .unwrap();
    assert_eq!(given.endpoints, ["http://10.0.0.1:2379", "http://10.0.0.2:2379"]);
    assert_eq!(given.timeout, Duration::from_millis(1500));
    assert_eq!(given.path.cluster_data(), "/p/q/c/clusterdata");
    let error = |words: &[&str]| config(words).unwrap_err();
    assert_eq!(
        error(&["--store-endpoints=http://a,https://b"]),
        "cannot create kv store: all the endpoints must have the same scheme"
    );
    assert_eq!(
        error(&["--store-endpoints=ftp://a"]),
        "cannot create kv store: endpoints scheme must be http or https"
    );
    let text = error(&["--store-endpoints=https://a", "--store-ca-file=/nowhere/ca.pem"]);
    assert!(text.starts_with("cannot create kv store: cannot create store tls config: "), "{text}");
    assert!(text.contains("/nowhere/ca.pem"), "{text}");
    // Without https the files are not looked at.
    assert!(config(&["--store-endpoints=http://a", "--store-ca-file=/nowhere/ca.pem"]).is_ok());
    assert_eq!(
        ok(&[]).args.common.store_config().unwrap_err().to_string(),
        "cluster name required"
    );
}
