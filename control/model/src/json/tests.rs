use super::*;
use crate::cluster::{ClusterData, ClusterStatus, DbSpec, KeeperStatus, Phase};
use crate::info::{KeeperInfo, PostgresState, ProxyInfo};
use crate::local::DbLocalState;
use crate::spec::{ClusterSpec, NewConfig, StandbyConfig};
use crate::time::{GoDuration, GoTime};
use proptest::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

fn read<T: DeserializeOwned>(text: &str) -> T {
    decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
    decode::<T>(text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn keys_of_structures_match_in_any_case_and_the_last_of_several_counts() {
    for text in [
        r#"{"maxStandbys":7}"#,
        r#"{"MAXSTANDBYS":7}"#,
        r#"{"maxstandbys":7}"#,
        r#"{"maxStandbys":7,"unknown":[{"maxStandbys":1}]}"#,
        r#"{"maxStandbys":1,"maxStandbys":7}"#,
        r#"{"maxStandbys":1,"MaxStandbys":7}"#,
        r#"{"MaxStandbys":1,"maxStandbys":7}"#,
        r#"{"maxStandbys":1,"maxstandbys":2,"maxStandbys":null,"maxStandbys":7}"#,
        // Go folds these two letters, too.
        "{\"max\u{17f}tandbys\":7}",
    ] {
        let spec = ClusterSpec { max_standbys: Some(7), ..Default::default() };
        assert_eq!(read::<ClusterSpec>(text), spec, "{text}");
    }
    let config: StandbyConfig = read(r#"{"standbySettings":{"primaryConnInfo":"host=a"}}"#);
    assert_eq!(config.standby_settings.unwrap().primary_conninfo, "host=a");
    let spec: DbSpec = read("{\"\u{212a}EEPERuid\":\"k\",\"requestTimeout\":\"0s\"}");
    assert_eq!(spec.keeper_uid.as_str(), "k");
    let info: ProxyInfo = read(r#"{"uid":"a","generation":2,"proxytimeout":3,"infouid":"b"}"#);
    assert_eq!((info.uid.as_str(), info.info_uid.as_str()), ("a", "b"));
    assert_eq!((info.generation.0, info.proxy_timeout_nanos), (2, 3));
    assert_eq!(read::<ClusterSpec>(r#"{"maxStandby":7,"":1}"#), ClusterSpec::default());
}

#[test]
fn keys_of_maps_keep_their_case() {
    let spec: ClusterSpec = read(r#"{"PGPARAMETERS":{"A":"1","a":"2","a":"3"}}"#);
    let wanted = [("A", "1"), ("a", "3")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(spec.pg_parameters, BTreeMap::from(wanted));
    let data: ClusterData = read(r#"{"Keepers":{"Uid":{"UID":"a"},"uid":{"uid":"b"}}}"#);
    assert_eq!(data.keepers.keys().map(|k| k.as_str()).collect::<Vec<_>>(), ["Uid", "uid"]);
}

#[test]
fn what_is_missing_or_null_is_zero() {
    assert_eq!(read::<ClusterData>("{}"), ClusterData::default());
    assert_eq!(read::<ClusterData>("null"), ClusterData::default());
    let nulls = r#"{"formatVersion":null,"changeTime":null,"cluster":null,"keepers":null,"dbs":null,"proxy":null}"#;
    assert_eq!(read::<ClusterData>(nulls), ClusterData::default());
    let nulls = r#"{"healthy":null,"lastHealthyTime":null,"bootUUID":null,"postgresBinaryVersion":null,"canBeMaster":null}"#;
    assert_eq!(read::<KeeperStatus>(nulls), KeeperStatus::default());
    let nulls = r#"{"phase":null,"master":null,"currentGeneration":null}"#;
    assert_eq!(read::<ClusterStatus>(nulls), ClusterStatus::default());
    let nulls = r#"{"sleepInterval":null,"maxStandbys":null,"pgParameters":null,"pgHBA":null,"newConfig":null,"initMode":null}"#;
    assert_eq!(read::<ClusterSpec>(nulls), ClusterSpec::default());
    let nulls = r#"{"postgresState":{"timelinesHistory":null,"pgParameters":{"a":null},"synchronousStandbys":[null]}}"#;
    let state = read::<KeeperInfo>(nulls).postgres_state.unwrap();
    assert!(state.timelines_history.is_empty());
    assert_eq!(state.pg_parameters, BTreeMap::from([("a".to_owned(), String::new())]));
    assert_eq!(state.synchronous_standbys, Some(vec!["".into()]));
    assert_eq!(read::<DbLocalState>(r#"{"InitPGParameters":null}"#).init_pg_parameters, None);
    assert_eq!(
        refusal::<DbSpec>(r#"{"requestTimeout":null}"#),
        r#"requestTimeout: must be a duration such as "5s", not null"#
    );
}

#[test]
fn null_and_an_empty_list_differ() {
    let spec: ClusterSpec = read(r#"{"pgHBA":[],"additionalMasterReplicationSlots":null}"#);
    assert_eq!(spec.pg_hba, Some(Vec::new()));
    assert_eq!(spec.additional_master_replication_slots, None);
}

#[test]
fn whole_numbers_keep_all_64_bits() {
    let info: KeeperInfo =
        read(r#"{"postgresState":{"xLogPos":18446744073709551615,"timelineID":9007199254740993}}"#);
    let state = info.postgres_state.unwrap();
    assert_eq!((state.xlog_pos.0, state.timeline_id.0), (u64::MAX, 9_007_199_254_740_993));
    let info: ProxyInfo =
        read(r#"{"Generation":-9223372036854775808,"ProxyTimeout":9223372036854775807}"#);
    assert_eq!((info.generation.0, info.proxy_timeout_nanos), (i64::MIN, i64::MAX));
}

#[test]
fn a_number_must_be_whole_and_in_range() {
    for (text, found) in [
        ("65536", "65536"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        ("1.0", "1.0"),
        ("1e3", "1000.0"),
        ("18446744073709551616", "1.8446744073709552e+19"),
        ("true", "true"),
        (r#""7""#, "a string"),
        ("[]", "a list"),
        ("{}", "an object"),
    ] {
        assert_eq!(
            refusal::<ClusterSpec>(&format!(r#"{{"maxStandbys":{text}}}"#)),
            format!("maxStandbys: must be a whole number from 0 to 65535, not {found}")
        );
    }
    assert_eq!(
        refusal::<ProxyInfo>(r#"{"ProxyTimeout":9223372036854775808}"#),
        "ProxyTimeout: must be a whole number from -9223372036854775808 to 9223372036854775807, not 9223372036854775808"
    );
    assert_eq!(
        refusal::<ClusterSpec>(r#"{"maxStandbyLag":4294967296}"#),
        "maxStandbyLag: must be a whole number from 0 to 4294967295, not 4294967296"
    );
}

#[test]
fn a_refusal_says_where_and_what_and_repeats_no_string() {
    for (text, error) in [
        (
            r#"{"cluster":{"spec":{"pgParameters":{"max_connections":100}}}}"#,
            "cluster.spec.pgParameters.max_connections: must be a string, not 100",
        ),
        (
            r#"{"cluster":{"spec":{"PGHBA":["a",["secret"]]}}}"#,
            "cluster.spec.pgHBA[1]: must be a string, not a list",
        ),
        (
            r#"{"dbs":{"a b":{"spec":{"followers":"secret"}}}}"#,
            r#"dbs["a b"].spec.followers: must be a list, not a string"#,
        ),
        (r#"{"keepers":[]}"#, "keepers: must be an object, not a list"),
        (r#"{"keepers":{"k":"secret"}}"#, "keepers.k: must be an object, not a string"),
        (
            r#"{"keepers":{"k":{"status":{"healthy":"secret"}}}}"#,
            "keepers.k.status.healthy: must be true or false, not a string",
        ),
        (r#"{"changeTime":1}"#, "changeTime: must be an RFC 3339 time, not a number"),
        (
            r#"{"changeTime":"now"}"#,
            r#"changeTime: not an RFC 3339 time such as "2024-05-14T09:30:00+02:00": "now""#,
        ),
        (
            r#"{"cluster":{"status":{"phase":"sleeping"}}}"#,
            r#"cluster.status.phase: the word "sleeping" is not known here, only "initializing", "normal""#,
        ),
        (
            r#"{"dbs":{"d":{"spec":{"role":"Master"}}}}"#,
            r#"dbs.d.spec.role: the word "Master" is not known here, only "undefined", "master", "standby""#,
        ),
        (
            r#"{"dbs":{"d":{"spec":{"followConfig":{"type":"inside"}}}}}"#,
            r#"dbs.d.spec.followConfig.type: the word "inside" is not known here, only "internal", "external""#,
        ),
        (
            r#"{"dbs":{"d":{"spec":{"initMode":1}}}}"#,
            "dbs.d.spec.initMode: must be a string, not 1",
        ),
        (r#"[]"#, "must be an object, not a list"),
        (r#"{} {}"#, "trailing characters at line 1 column 4"),
        (r#"{}]"#, "trailing characters at line 1 column 3"),
        ("", "EOF while parsing a value at line 1 column 0"),
        (r#"{"keepers":"#, "EOF while parsing a value at line 1 column 11"),
    ] {
        assert_eq!(refusal::<ClusterData>(text), error);
    }
}

#[test]
fn a_string_must_be_unicode() {
    for bytes in
        [&b"{\"port\":\"\xff\"}"[..], br#"{"port":"\ud800"}"#, br#"{"port":"\udc00\ud800"}"#]
    {
        assert!(decode::<PostgresState>(bytes).is_err(), "{}", bytes.escape_ascii());
    }
    assert_eq!(read::<PostgresState>(r#"{"port":"\ud83d\ude00\u00e9"}"#).port, "😀é");
}

#[test]
fn a_duration_is_a_string_or_the_number_zero() {
    for (text, nanos) in
        [(r#""5s""#, 5_000_000_000), (r#""0""#, 0), ("0", 0), ("\"1\u{b5}s\"", 1_000)]
    {
        assert_eq!(read::<GoDuration>(text), GoDuration { nanos });
    }
    for (text, error) in [
        ("5", r#"time: missing unit in duration "5""#),
        ("-5", r#"time: missing unit in duration "-5""#),
        ("1.5", r#"time: missing unit in duration "1.5""#),
        (r#""5d""#, r#"time: unknown unit "d" in duration "5d""#),
        (r#""""#, r#"time: invalid duration """#),
        ("true", r#"must be a duration such as "5s", not true or false"#),
        ("[]", r#"must be a duration such as "5s", not a list"#),
        ("null", r#"must be a duration such as "5s", not null"#),
    ] {
        assert_eq!(refusal::<GoDuration>(text), error);
    }
}

#[test]
fn depth_is_bounded() {
    for text in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        format!(r#"{{"unknown":{}"#, "[".repeat(100_000)),
    ] {
        let error = refusal::<ClusterData>(&text);
        assert!(error.starts_with("recursion limit exceeded"), "{error}");
    }
}

#[test]
fn strings_are_escaped_as_go_does() {
    let text = "<a href=\"x\\y\">&</a>\u{0}\u{1f}\u{7f}\u{8}\u{c}\n\r\t\u{2028}\u{2029}é/😀";
    let json = r#""\u003ca href=\"x\\y\"\u003e\u0026\u003c/a\u003e\u0000\u001f"#.to_owned()
        + "\u{7f}"
        + r#"\u0008\u000c\n\r\t\u2028\u2029é/😀""#;
    assert_eq!(String::from_utf8(encode(text)).unwrap(), json);
    assert_eq!(encode_pretty(text), json);
    assert_eq!(read::<String>(&json), text);
    let keys = BTreeMap::from([("<", 1), ("&", 2)]);
    assert_eq!(encode(&keys), br#"{"\u0026":2,"\u003c":1}"#);
}

#[test]
fn documents_for_people_are_indented_by_tabs() {
    #[derive(Serialize)]
    struct Document {
        list: Vec<u8>,
        empty_list: Vec<u8>,
        empty_map: BTreeMap<String, String>,
        null: Option<u8>,
    }
    let document = Document {
        list: vec![1, 2],
        empty_list: Vec::new(),
        empty_map: BTreeMap::new(),
        null: None,
    };
    let text = "{\n\t\"list\": [\n\t\t1,\n\t\t2\n\t],\n\t\"empty_list\": [],\n\t\"empty_map\": {},\n\t\"null\": null\n}";
    assert_eq!(encode_pretty(&document), text);
}

#[test]
fn unset_fields_are_left_out_where_go_leaves_them_out() {
    assert_eq!(
        encode(&DbSpec::default()),
        br#"{"requestTimeout":"0s","additionalWalSenders":0,"additionalReplicationSlots":null,"pgHBA":null,"followers":null,"synchronousStandbys":null,"externalSynchronousStandbys":null}"#
    );
    assert_eq!(
        encode(&KeeperStatus::default()),
        br#"{"lastHealthyTime":"0001-01-01T00:00:00Z","postgresBinaryVersion":{"Maj":0,"Min":0}}"#
    );
    assert_eq!(encode(&NewConfig::default()), b"{}");
}

#[test]
fn a_canonical_document_tells_null_from_missing() {
    let text = r#"{"PGHBA":null,"Pgparameters":{"X":null},"newconfig":{"LOCALE":null},"foo":{"Locale":1},"pghba":["a"]}"#;
    let node = canonical::<ClusterSpec>(text.as_bytes()).unwrap();
    let wanted = r#"{"pgParameters":{"X":null},"newConfig":{"locale":null},"foo":{"Locale":1},"pgHBA":["a"]}"#;
    assert_eq!(String::from_utf8(encode(&node)).unwrap(), wanted);
}

#[test]
fn a_structure_names_its_fields_in_order() {
    assert_eq!(field_names::<NewConfig>(), ["locale", "encoding", "dataChecksums"]);
    assert_eq!(field_names::<ClusterSpec>().len(), 30);
    assert!(field_names::<GoTime>().is_empty());
}

#[test]
fn words_are_read_and_written() {
    assert_eq!(read::<Phase>(r#""normal""#), Phase::Normal);
    assert_eq!(encode(&Phase::Initializing), br#""initializing""#);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        if decode::<ClusterData>(&bytes).is_ok() {
            let document = bytes.trim_ascii();
            let is_object = document.first() == Some(&b'{');
            prop_assert!(is_object || document == b"null");
        }
    }

    /// Documents that get past the parser: pieces of real ones in any order.
    #[test]
    fn no_pieces_of_documents_make_it_panic(pieces in proptest::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        if let Ok(data) = decode::<ClusterData>(text.as_bytes()) {
            prop_assert_eq!(decode::<ClusterData>(&encode(&data)), Ok(data));
        }
    }

    #[test]
    fn any_value_of_any_field_is_read_or_refused(
        field in proptest::sample::select(field_names::<ClusterSpec>()),
        value in piece(),
    ) {
        let text = format!(r#"{{"{field}":{value}}}"#);
        if let Ok(spec) = decode::<ClusterSpec>(text.as_bytes()) {
            prop_assert_eq!(decode::<ClusterSpec>(&encode(&spec)), Ok(spec));
        }
    }
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "null",
            "true",
            "0",
            "-1",
            "1.5",
            "1e999",
            "\"5s\"",
            "\"\"",
            "\"cluster\":{",
            "\"spec\":{",
            "\"status\":{",
            "\"dbs\":{",
            "\"keepers\":{\"k\":{",
            "\"\\ud800\"",
            "\"pgParameters\":{\"a\":\"b\"}",
            "\"pgHBA\":[\"a\"]",
            "\"formatVersion\":1,",
            "[[]]",
            "{\"a\":{}}",
        ])
        .prop_map(str::to_owned),
        ".*",
    ]
}
