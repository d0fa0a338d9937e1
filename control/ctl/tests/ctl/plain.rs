//! What needs no store: help, version, completion, errors of usage.

use crate::run::Ctl;

#[test]
fn without_a_command_there_is_help() {
    let help = Ctl::bare().ok(&[]);
    assert_eq!(help, Ctl::bare().ok(&["--help"]));
    assert!(
        help.starts_with("stolon command line client\n\nUsage:\n  stolonctl [flags]\n"),
        "{help}"
    );
    for word in
        ["clusterdata", "removekeeper", "--store-endpoints string", "$STOLONCTL_CLUSTER_NAME"]
    {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    assert!(!help.contains("kubeconfig"), "{help}");
}

#[test]
fn the_version_needs_no_cluster() {
    let version = format!("stolonctl version {}\n", stolon_flags::VERSION);
    assert_eq!(Ctl::bare().ok(&["version"]), version);
    assert_eq!(Ctl::bare().ok(&["--version"]), version);
}

#[test]
fn everything_else_needs_a_cluster_and_a_backend() {
    for words in
        [&["status"][..], &["init", "-y"], &["clusterdata", "read"], &["status", "-f", "json"]]
    {
        let error = |flags: &[&str]| Ctl::bare().error(&[words, flags].concat());
        assert_eq!(error(&[]), "cluster name required");
        assert_eq!(error(&["--cluster-name=c"]), "store backend type required");
        assert_eq!(
            error(&["--cluster-name=c", "--store-backend=x"]),
            r#"Unknown store backend: "x""#
        );
        let text = error(&["--cluster-name=c", "--store-backend=etcd"]);
        assert!(text.contains("--store-backend=etcdv3"), "{text}");
    }
}

#[test]
fn bad_endpoints_are_an_error() {
    let error = |endpoints: &str| Ctl::at(endpoints).error(&["spec"]);
    assert_eq!(
        error("http://127.0.0.1:1,https://127.0.0.1:1"),
        "cannot create kv store: all the endpoints must have the same scheme"
    );
    assert_eq!(
        error("ftp://127.0.0.1:1"),
        "cannot create kv store: endpoints scheme must be http or https"
    );
    assert_eq!(
        Ctl::at("ftp://127.0.0.1:1").run_with_input(&["clusterdata", "write"], "{}").error_line(),
        "failed to create new store cannot create kv store: endpoints scheme must be http or https"
    );
}

#[test]
fn errors_of_usage_are_cobras() {
    let said = Ctl::bare().run(&["foo"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert_eq!(
        said.stderr,
        "Error: unknown command \"foo\" for \"stolonctl\"\nRun 'stolonctl --help' for usage.\n"
    );
    let said = Ctl::bare().run(&["status", "--nope"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(
        said.stderr
            .starts_with("Error: unknown flag: --nope\nUsage:\n  stolonctl status [flags]\n"),
        "{}",
        said.stderr
    );
}

#[test]
fn the_help_shows_only_what_may_be_given() {
    let usage = |command: &str| {
        let help = Ctl::bare().ok(&[command, "--help"]);
        help.lines().find(|line| line.starts_with("  stolonctl ")).map(str::to_owned)
    };
    assert_eq!(usage("promote").as_deref(), Some("  stolonctl promote [flags]"));
    assert_eq!(usage("failkeeper").as_deref(), Some("  stolonctl failkeeper [keeper uid] [flags]"));
}

#[test]
fn the_help_of_a_command_says_more_than_the_list_of_commands() {
    let (list, help) = (Ctl::bare().ok(&[]), Ctl::bare().ok(&["failkeeper", "--help"]));
    let (beginning, more) = ("Force keeper as \"temporarily\" failed.", "It happens once.");
    assert!(list.contains(beginning) && !list.contains(more), "{list}");
    assert!(help.starts_with(beginning) && help.contains(more), "{help}");
}

#[test]
fn register_is_left_out_and_says_so() {
    let words =
        ["register", "--cluster-name=c", "--register-backend", "consul", "--register-master"];
    let error = Ctl::bare().error(&words);
    assert!(error.starts_with("stolonctl register is left out of this build"), "{error}");
    let version = format!("register version {}\n", stolon_flags::VERSION);
    assert_eq!(Ctl::bare().ok(&["register", "--version"]), version);
}

#[test]
fn completion_is_for_three_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Ctl::bare().ok(&["completion", shell]);
        assert!(script.contains("stolonctl") && script.contains("clusterdata"), "{script}");
    }
    assert!(Ctl::bare().error(&["completion", "tcsh"]).contains("\"tcsh\""));
    assert!(Ctl::bare().error(&["completion"]).contains("name one shell"));
}
