//! Environment variables.

use crate::etcd::Etcd;
use crate::run::Ctl;

#[test]
fn global_flags_come_from_variables() {
    let etcd = Etcd::start();
    let ctl = Ctl::bare()
        .variable("STOLONCTL_CLUSTER_NAME", "test")
        .variable("STOLONCTL_STORE_BACKEND", "etcdv3")
        .variable("STOLONCTL_STORE_ENDPOINTS", &etcd.endpoint)
        .variable("STOLONCTL_STORE_PREFIX", "")
        .variable("STOLONCTL_KUBE_NAMESPACE", "ignored");
    ctl.ok(&["init", "--yes"]);
    assert_eq!(Ctl::of(&etcd).ok(&["spec"]), ctl.ok(&["spec"]));
    // The command line wins.
    assert_eq!(ctl.error(&["spec", "--cluster-name=other"]), "nil cluster data: <nil>");
    let prefixed = ctl.variable("STOLONCTL_STORE_PREFIX", "/stolon/cluster");
    assert_eq!(prefixed.error(&["spec"]), "nil cluster data: <nil>");
}

#[test]
fn flags_of_subcommands_have_none() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd).variable("STOLONCTL_YES", "true");
    let said = ctl.run(&["init"]);
    assert_eq!((said.code, said.error_line().as_str()), (1, "error reading input: EOF"));
}

#[test]
fn a_bad_variable_is_named() {
    let ctl = Ctl::bare().variable("STOLONCTL_STORE_TIMEOUT", "5");
    let error = ctl.error(&["status"]);
    assert!(error.starts_with(r#"invalid value "5" for STOLONCTL_STORE_TIMEOUT: "#), "{error}");
}
