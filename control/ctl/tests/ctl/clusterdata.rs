//! `clusterdata read` and `clusterdata write`.

use crate::etcd::Etcd;
use crate::run::Ctl;
use crate::seed::{AT_WORK, cluster_data, normal, put_cluster_data};

const REMOVED: &str = "WARNING: The current cluster data will be removed\n";
const WROTE: &str = "successfully wrote cluster data into the new store\n";

#[test]
fn what_was_written_is_read_byte_by_byte() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    let said = ctl.run_with_input(&["clusterdata", "write"], AT_WORK);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, WROTE, ""));
    assert_eq!(cluster_data(&etcd), normal(AT_WORK));

    let read = ctl.ok(&["clusterdata", "read"]);
    assert_eq!(read, normal(AT_WORK) + "\n");
    let said = ctl.run_with_input(&["clusterdata", "write", "--yes"], &read);
    assert_eq!((said.code, said.stdout.as_str()), (0, format!("{REMOVED}{WROTE}").as_str()));
    assert_eq!(ctl.ok(&["clusterdata", "read"]), read);

    let pretty = ctl.ok(&["clusterdata", "read", "--pretty"]);
    assert!(pretty.starts_with("{\n\t\"formatVersion\": 1,\n\t\"changeTime\": "), "{pretty}");
    assert_eq!(ctl.run_with_input(&["clusterdata", "write", "-y"], &pretty).code, 0);
    assert_eq!(ctl.ok(&["clusterdata", "read"]), read);
}

#[test]
fn cluster_data_are_replaced_only_on_request() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, AT_WORK);
    let ctl = Ctl::of(&etcd);
    let said = ctl.run_with_input(&["clusterdata", "write"], r#"{"formatVersion":1}"#);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert_eq!(said.error_line(), "WARNING: cluster data already available use --yes to override");
    assert_eq!(cluster_data(&etcd), AT_WORK);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clusterdata.json");
    std::fs::write(&file, r#"{"formatVersion":1}"#).unwrap();
    let written = ctl.ok(&["clusterdata", "write", "-y", "-f", file.to_str().unwrap()]);
    assert_eq!(written, format!("{REMOVED}{WROTE}"));
    assert_eq!(ctl.error(&["clusterdata", "read"]), "no cluster clusterdata available");
}

#[test]
fn bad_documents_are_refused() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    for document in ["", "{", "[]", r#"{"formatVersion":"1"}"#] {
        let said = ctl.run_with_input(&["clusterdata", "write"], document);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{document}");
        assert!(said.error_line().starts_with("invalid cluster data: "), "{}", said.stderr);
    }
    let error = ctl.error(&["clusterdata", "write", "--file", "/nowhere"]);
    assert!(error.starts_with("cannot read file: "), "{error}");
    assert_eq!(cluster_data(&etcd), "");
}

#[test]
fn damaged_cluster_data_can_be_replaced() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, "garbage");
    let ctl = Ctl::of(&etcd);
    let error = ctl.error(&["clusterdata", "read"]);
    assert!(error.starts_with("cannot get cluster data: "), "{error}");
    assert_eq!(ctl.run_with_input(&["clusterdata", "write"], AT_WORK).code, 1);
    assert_eq!(cluster_data(&etcd), "garbage");
    let said = ctl.run_with_input(&["clusterdata", "write", "-y"], AT_WORK);
    assert_eq!((said.code, said.stdout), (0, format!("{REMOVED}{WROTE}")));
    assert_eq!(cluster_data(&etcd), normal(AT_WORK));
}

#[test]
fn without_a_subcommand_there_is_help() {
    let help = Ctl::bare().ok(&["clusterdata"]);
    assert!(help.starts_with("Manage current cluster data\n\nUsage:\n"), "{help}");
}
