use super::super::layout::Format;
use super::super::writer::Capture;
use super::super::{chain, json};
use super::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

/// What `act` logs, without time and caller.
fn logged(level: Level, act: impl FnOnce()) -> Vec<String> {
    let capture = Capture::default();
    let writer: &'static Writer = Box::leak(Box::new(Writer::start(capture.clone())));
    let layout = Layout { format: Format::Go, color: false };
    let subscriber = Registry::default().with(LogLayer::new(level, layout, writer));
    tracing::subscriber::with_default(subscriber, act);
    writer.flush(Duration::from_secs(10));
    let text = capture.text();
    text.lines()
        .map(|line| {
            let columns: Vec<&str> = line.splitn(4, '\t').collect();
            assert!(columns[2].starts_with("layer/tests.rs:"), "{line}");
            format!("{} {}", columns[1], columns[3])
        })
        .collect()
}

#[test]
fn fields_keep_their_types_and_order() {
    let lines = logged(Level::Info, || {
        let error = std::io::Error::other("broken");
        tracing::info!(uid = "a\"b", port = 5432, healthy = true, lag = 0.5, dbXLogPos = 7u64, error = %error, "changed");
    });
    let fields = r#"{"uid": "a\"b", "port": 5432, "healthy": true, "lag": 0.5, "dbXLogPos": 7, "error": "broken"}"#;
    assert_eq!(lines, [format!("INFO changed\t{fields}")]);
}

#[test]
fn json_values_stay_json() {
    let lines = logged(Level::Info, || {
        let list = ["a".to_owned(), "b".to_owned()];
        let map = BTreeMap::from([("k", vec![1, 2])]);
        tracing::info!(followers = %json(&list), map = %json(&map), none = %json(&None::<u8>), "m");
    });
    assert_eq!(lines, [r#"INFO m	{"followers": ["a", "b"], "map": {"k":[1,2]}, "none": null}"#]);
}

#[test]
fn text_that_looks_like_json_stays_text() {
    let lines = logged(
        Level::Info,
        || tracing::info!(text = %"[1]", mixed = %format_args!("see {}", json(&[1])), "m"),
    );
    assert_eq!(lines, [r#"INFO m	{"text": "[1]", "mixed": "see [1]"}"#]);
}

#[test]
fn an_error_is_logged_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot read")]
    struct Outer(#[source] std::io::Error);
    #[derive(Debug, thiserror::Error)]
    #[error("cannot read: {0}; buy a disk")]
    struct Telling(#[source] std::io::Error);
    let lines = logged(Level::Info, || {
        let error = Outer(std::io::Error::other("no disk"));
        tracing::warn!(error = %chain(&error), "m");
        tracing::warn!(error = &error as &dyn std::error::Error, "n");
        let error = Telling(std::io::Error::other("no disk"));
        tracing::warn!(error = %chain(&error), "o");
    });
    assert_eq!(
        lines,
        [
            r#"WARN m	{"error": "cannot read: no disk"}"#,
            r#"WARN n	{"error": "cannot read: no disk"}"#,
            r#"WARN o	{"error": "cannot read: no disk; buy a disk"}"#
        ]
    );
}

#[test]
fn the_level_filters_our_lines() {
    let all = || {
        tracing::debug!("d");
        tracing::info!("i");
        tracing::warn!("w");
        tracing::error!("e");
    };
    assert_eq!(logged(Level::Debug, all), ["DEBUG d", "INFO i", "WARN w", "ERROR e"]);
    assert_eq!(logged(Level::Warn, all), ["WARN w", "ERROR e"]);
    assert_eq!(logged(Level::Error, all), ["ERROR e"]);
}

#[test]
fn libraries_are_heard_from_warn_on() {
    let library = || {
        tracing::info!(target: "h2::codec", "i");
        tracing::warn!(target: "h2::codec", "w");
        tracing::error!(target: "tonic", "e");
    };
    assert_eq!(logged(Level::Debug, library), ["WARN w", "ERROR e"]);
    assert_eq!(logged(Level::Error, library), ["ERROR e"]);
}
