//! `init`.

use crate::etcd::Etcd;
use crate::run::Ctl;
use crate::seed::{cluster_data, parsed, put_cluster_data};
use serde_json::json;

const OVERWRITTEN: &str = "WARNING: The databases managed by the keepers will be overwritten depending on the provided cluster spec.\n";
const REMOVED: &str = "WARNING: The current cluster data will be removed\n";
const QUESTION: &str = "Are you sure you want to continue? [yes/no] ";

#[test]
fn a_new_cluster_waits_to_be_initialized() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    assert_eq!(ctl.ok(&["init", "--yes"]), OVERWRITTEN);
    let first = parsed(&etcd);
    assert_eq!(first["formatVersion"], json!(1));
    assert_eq!(first["cluster"]["status"]["phase"], json!("initializing"));
    assert_eq!(first["cluster"]["generation"], json!(1));
    assert_eq!(first["cluster"]["spec"]["initMode"], json!("new"));
    assert_eq!((&first["keepers"], &first["dbs"]), (&json!({}), &json!({})));
    assert!(first["proxy"].is_object());
    assert_eq!(first["changeTime"], json!("0001-01-01T00:00:00Z"));
    assert_eq!(first["cluster"]["uid"].as_str().unwrap().len(), 8);

    assert_eq!(ctl.ok(&["init", "-y"]), format!("{REMOVED}{OVERWRITTEN}"));
    assert_ne!(parsed(&etcd)["cluster"]["uid"], first["cluster"]["uid"]);
}

#[test]
fn the_user_is_asked() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    let said = ctl.run_with_input(&["init"], "y\nno\n");
    let again = "Please enter 'yes' or 'no'\n";
    assert_eq!(said.stdout, format!("{OVERWRITTEN}{QUESTION}{again}{QUESTION}exiting\n"));
    assert_eq!((said.code, said.stderr.as_str(), cluster_data(&etcd).as_str()), (0, "", ""));

    let said = ctl.run(&["init"]);
    assert_eq!((said.code, said.error_line().as_str()), (1, "error reading input: EOF"));
    assert_eq!(cluster_data(&etcd), "");

    let said = ctl.run_with_input(&["init"], "yes\n");
    assert_eq!((said.code, said.stdout), (0, format!("{OVERWRITTEN}{QUESTION}")));
    assert_ne!(cluster_data(&etcd), "");
}

#[test]
fn the_spec_comes_from_an_argument_a_file_or_standard_input() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    let interval = || parsed(&etcd)["cluster"]["spec"]["sleepInterval"].clone();
    let spec = |interval: &str| format!(r#"{{"initMode":"new","sleepInterval":"{interval}"}}"#);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spec.json");
    std::fs::write(&file, spec("2s")).unwrap();
    let file = file.to_str().unwrap();

    ctl.ok(&["init", "-y", &spec("1s")]);
    assert_eq!(interval(), json!("1s"));
    ctl.ok(&["init", "-y", "-f", file]);
    assert_eq!(interval(), json!("2s"));
    assert_eq!(ctl.run_with_input(&["init", "-y", "--file=-"], &spec("3s")).code, 0);
    assert_eq!(interval(), json!("3s"));
    // An argument wins over a file.
    ctl.ok(&["init", "-y", "--file", "/nowhere", &spec("4s")]);
    assert_eq!(interval(), json!("4s"));
    // Without --yes nothing is left on standard input to answer with.
    let said = ctl.run_with_input(&["init", "-f", "-"], &spec("5s"));
    assert_eq!((said.code, said.error_line().as_str()), (1, "error reading input: EOF"));
    assert_eq!(interval(), json!("4s"));
}

#[test]
fn a_bad_spec_writes_nothing() {
    let etcd = Etcd::start();
    let ctl = Ctl::of(&etcd);
    let error = |words: &[&str]| {
        let said = ctl.run(words);
        assert_eq!((said.code, said.stdout.as_str()), (1, OVERWRITTEN), "{words:?}");
        said.error_line()
    };
    assert_eq!(error(&["init", "-y", "{}"]), "invalid cluster spec: initMode undefined");
    let error = |words: &[&str], start: &str| {
        let text = error(words);
        assert!(text.starts_with(start) && text.len() > start.len(), "{text}");
    };
    error(&["init", "-y", "{"], "failed to unmarshal cluster spec: ");
    error(&["init", "-y", ""], "failed to unmarshal cluster spec: ");
    error(&["init", "-y", "-f", "/dev/null"], "failed to unmarshal cluster spec: ");
    error(
        &["init", "-y", r#"{"initMode":"new","sleepInterval":"5"}"#],
        "failed to unmarshal cluster spec: ",
    );
    assert_eq!(ctl.error(&["init", "-y", "{}", "{}"]), "too many arguments");
    assert!(
        ctl.error(&["init", "-y", "-f", "/nowhere"])
            .starts_with("cannot read file: open /nowhere: ")
    );
    assert_eq!(cluster_data(&etcd), "");
}

#[test]
fn cluster_data_that_cannot_be_understood_are_left_alone() {
    let etcd = Etcd::start();
    put_cluster_data(&etcd, "garbage");
    let error = Ctl::of(&etcd).error(&["init", "--yes"]);
    assert!(error.starts_with("cannot get cluster data: "), "{error}");
    assert_eq!(cluster_data(&etcd), "garbage");
}
