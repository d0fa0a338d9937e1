use super::*;
use jiff::civil::date;
use jiff::tz::{TimeZone, offset};

fn moment(zone: TimeZone) -> Zoned {
    date(2024, 5, 14).at(9, 41, 7, 551_000_000).to_zoned(zone).unwrap()
}

fn render(layout: Layout, level: Level, message: &str, fields: &[Field]) -> String {
    let time = moment(TimeZone::UTC);
    layout.render(&Line { time: &time, level, caller: "keeper/main.rs:82", message, fields })
}

const PLAIN: Layout = Layout { format: Format::Go, color: false };

#[test]
fn columns_are_separated_by_tabs() {
    assert_eq!(
        render(PLAIN, Level::Info, "sentinel uid", &[]),
        "2024-05-14T09:41:07.551Z\tINFO\tkeeper/main.rs:82\tsentinel uid\n"
    );
}

#[test]
fn fields_are_spaced_json() {
    let fields = [
        ("uid", "\"7503e5b1\"".to_owned()),
        ("port", "5432".to_owned()),
        ("healthy", "true".to_owned()),
    ];
    assert_eq!(
        render(PLAIN, Level::Warn, "m", &fields),
        "2024-05-14T09:41:07.551Z\tWARN\tkeeper/main.rs:82\tm\t{\"uid\": \"7503e5b1\", \"port\": 5432, \"healthy\": true}\n"
    );
}

#[test]
fn the_zone_has_no_colon() {
    assert_eq!(time(&moment(TimeZone::fixed(offset(2)))), "2024-05-14T09:41:07.551+0200");
    assert_eq!(time(&moment(TimeZone::fixed(offset(-7)))), "2024-05-14T09:41:07.551-0700");
}

#[test]
fn colour_wraps_the_word() {
    let layout = Layout { format: Format::Go, color: true };
    for (level, word) in [
        (Level::Debug, "\x1b[35mDEBUG\x1b[0m"),
        (Level::Info, "\x1b[34mINFO\x1b[0m"),
        (Level::Warn, "\x1b[33mWARN\x1b[0m"),
        (Level::Error, "\x1b[31mERROR\x1b[0m"),
        (Level::Fatal, "\x1b[31mFATAL\x1b[0m"),
    ] {
        let line = render(layout, level, "m", &[]);
        assert_eq!(line.split('\t').nth(1), Some(word));
    }
}

#[test]
fn a_message_stays_on_its_line() {
    let line = render(PLAIN, Level::Info, "two\nlines\x1b[2J\tand a tab é", &[]);
    assert_eq!(line.split_once("main.rs:82\t").unwrap().1, "two\\nlines\\u{1b}[2J\tand a tab é\n");
}

#[test]
fn json_is_one_object_a_line() {
    let layout = Layout { format: Format::Json, color: true };
    let line = render(
        layout,
        Level::Error,
        "a \"b\"\n",
        &[("uid", "\"x\"".to_owned()), ("level", "[1]".to_owned())],
    );
    assert_eq!(
        line,
        "{\"time\":\"2024-05-14T09:41:07.551+00:00\",\"level\":\"error\",\"caller\":\"keeper/main.rs:82\",\
         \"message\":\"a \\\"b\\\"\\n\",\"uid\":\"x\",\"field_level\":[1]}\n"
    );
    assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
}

#[test]
fn the_caller_is_directory_and_file() {
    assert_eq!(caller(Some("control/keeper/src/main.rs"), Some(7)), "keeper/main.rs:7");
    assert_eq!(
        caller(Some("control/keeper/src/postgres/conf.rs"), Some(70)),
        "postgres/conf.rs:70"
    );
    assert_eq!(caller(Some("main.rs"), None), "unknown/main.rs:0");
    assert_eq!(caller(None, Some(7)), "unknown:0");
}
