//! An etcd that does not answer: a clear error in time.

use crate::etcd::free_port;
use crate::run::{Ctl, Said};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Each subcommand that asks the store.
const COMMANDS: &[&[&str]] = &[
    &["clusterdata", "read"],
    &["failkeeper", "keeper0"],
    &["init", "-y"],
    &["promote", "-y"],
    &["removekeeper", "keeper0"],
    &["spec"],
    &["status"],
    &["update", "-p", "{}"],
];

/// Runs it with a time-out of one second; the bound leaves room for a busy machine.
fn run(endpoint: &str, words: &[&str]) -> Said {
    let begin = Instant::now();
    let said = Ctl::at(endpoint).run(&[&["--store-timeout=1s"], words].concat());
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(10), "{words:?} took {took:?}");
    said
}

fn fails(endpoint: &str) {
    for words in COMMANDS {
        let said = run(endpoint, words);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{words:?}");
        let error = said.error_line();
        assert!(error.contains("etcd") && error.contains(endpoint), "{error}");
    }
    let said = run(endpoint, &["status", "--format=json"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let error = json["error"].as_str().unwrap();
    assert!(error.starts_with("cannot get leader sentinel info: "), "{error}");
}

#[test]
fn nobody_listens() {
    fails(&format!("http://127.0.0.1:{}", free_port()));
}

#[test]
fn nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    fails(&format!("http://{}", silent.local_addr().unwrap()));
}
