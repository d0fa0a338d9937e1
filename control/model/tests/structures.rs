//! Every structure of the reference's chapter 3, alone: its fields in their order, which of them are left out when they are
//! unset, and how `null`, an empty list and an absent field differ.

#![expect(clippy::unwrap_used, reason = "what a test unwraps, it asserts")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use stolon_model::cluster::*;
use stolon_model::info::*;
use stolon_model::json::{self, DecodeError};
use stolon_model::local::*;
use stolon_model::spec::*;

/// One structure.
struct Structure {
    name: &'static str,
    again: fn(&str) -> Result<String, DecodeError>,
    /// A document in which every field is set; `@name` stands for that of another structure.
    full: &'static str,
    /// What an empty document becomes; `@name` likewise.
    zero: &'static str,
    /// Fields that are left out when absent, and written when they hold a zero value: pointers in Go.
    pointers: &'static [&'static str],
}

/// Reads a document and writes it again.
fn again<T: Serialize + DeserializeOwned>(document: &str) -> Result<String, DecodeError> {
    let value: T = json::decode(document.as_bytes())?;
    Ok(String::from_utf8_lossy(&json::encode(&value)).into_owned())
}

const STRUCTURES: &[Structure] = &[
    Structure {
        name: "ClusterData",
        again: again::<ClusterData>,
        full: r#"{"formatVersion":1,"changeTime":"2024-05-14T09:41:07.55123+02:00","cluster":@Cluster,"keepers":{"keeper0":@Keeper},"dbs":{"a1b2c3d4":@DB},"proxy":@Proxy}"#,
        zero: r#"{"formatVersion":0,"changeTime":"0001-01-01T00:00:00Z","cluster":null,"keepers":{},"dbs":{},"proxy":null}"#,
        pointers: &[],
    },
    Structure {
        name: "Cluster",
        again: again::<Cluster>,
        full: r#"{"uid":"6e7d1a2b","generation":1,"changeTime":"2024-05-14T07:31:12.001Z","spec":@ClusterSpec,"status":@ClusterStatus}"#,
        zero: r#"{"changeTime":"0001-01-01T00:00:00Z","status":{}}"#,
        pointers: &["spec"],
    },
    Structure {
        name: "ClusterStatus",
        again: again::<ClusterStatus>,
        full: r#"{"currentGeneration":1,"phase":"initializing","master":"a1b2c3d4"}"#,
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "ClusterSpec",
        again: again::<ClusterSpec>,
        full: r#"{"sleepInterval":"5s","requestTimeout":"10s","convergenceTimeout":"30s","initTimeout":"5m0s","syncTimeout":"1.5s","dbWaitReadyTimeout":"1m0s","failInterval":"20s","deadKeeperRemovalInterval":"48h0m0s","proxyCheckInterval":"100ms","proxyTimeout":"15s","maxStandbys":20,"maxStandbysPerSender":3,"maxStandbyLag":1232896,"synchronousReplication":true,"minSynchronousStandbys":1,"maxSynchronousStandbys":2,"additionalWalSenders":5,"additionalMasterReplicationSlots":["slot1","slot2"],"usePgrewind":true,"initMode":"pitr","mergePgParameters":true,"role":"standby","newConfig":@NewConfig,"pitrConfig":@PITRConfig,"existingConfig":@ExistingConfig,"standbyConfig":@StandbyConfig,"defaultSUReplAccessMode":"strict","pgParameters":{"max_connections":"100","work_mem":"4MB"},"pgHBA":["local all all peer"],"automaticPgRestart":true}"#,
        zero: r#"{"additionalWalSenders":null,"additionalMasterReplicationSlots":null,"pgHBA":null,"automaticPgRestart":null}"#,
        pointers: &[
            "maxStandbys",
            "maxStandbysPerSender",
            "maxStandbyLag",
            "synchronousReplication",
            "minSynchronousStandbys",
            "maxSynchronousStandbys",
            "usePgrewind",
            "initMode",
            "mergePgParameters",
            "role",
            "newConfig",
            "pitrConfig",
            "existingConfig",
            "standbyConfig",
            "defaultSUReplAccessMode",
        ],
    },
    Structure {
        name: "NewConfig",
        again: again::<NewConfig>,
        full: r#"{"locale":"C","encoding":"UTF8","dataChecksums":true}"#,
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "PITRConfig",
        again: again::<PitrConfig>,
        full: r#"{"dataRestoreCommand":"tar -xf b.tar -C %d \u0026\u0026 true","archiveRecoverySettings":@ArchiveRecoverySettings,"recoveryTargetSettings":@RecoveryTargetSettings}"#,
        zero: "{}",
        pointers: &["archiveRecoverySettings", "recoveryTargetSettings"],
    },
    Structure {
        name: "ExistingConfig",
        again: again::<ExistingConfig>,
        full: r#"{"keeperUID":"keeper0"}"#,
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "StandbyConfig",
        again: again::<StandbyConfig>,
        full: r#"{"standbySettings":@StandbySettings,"archiveRecoverySettings":@ArchiveRecoverySettings}"#,
        zero: "{}",
        pointers: &["standbySettings", "archiveRecoverySettings"],
    },
    Structure {
        name: "ArchiveRecoverySettings",
        again: again::<ArchiveRecoverySettings>,
        full: r#"{"restoreCommand":"cp \"/archive/%f\" \"%p\""}"#,
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "RecoveryTargetSettings",
        again: again::<RecoveryTargetSettings>,
        full: r#"{"recoveryTarget":"immediate","recoveryTargetLsn":"0/3000060","recoveryTargetName":"n","recoveryTargetTime":"2024-05-14 09:30:00+02","recoveryTargetXid":"1234","recoveryTargetTimeline":"latest"}"#,
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "StandbySettings",
        again: again::<StandbySettings>,
        full: r#"{"primaryConninfo":"host=far user=repl","primarySlotName":"stolon","recoveryMinApplyDelay":"5min"}"#,
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "Keeper",
        again: again::<Keeper>,
        full: r#"{"uid":"keeper0","generation":1,"changeTime":"2024-05-14T09:41:07.551+02:00","spec":@KeeperSpec,"status":@KeeperStatus}"#,
        zero: r#"{"changeTime":"0001-01-01T00:00:00Z","status":{"lastHealthyTime":"0001-01-01T00:00:00Z","postgresBinaryVersion":{"Maj":0,"Min":0}}}"#,
        pointers: &["spec"],
    },
    Structure {
        name: "KeeperSpec",
        again: again::<KeeperSpec>,
        full: "{}",
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "KeeperStatus",
        again: again::<KeeperStatus>,
        full: r#"{"healthy":true,"lastHealthyTime":"2024-05-14T09:41:07.5+02:00","bootUUID":"5c1f6c1e-7a54-4f0b-9f6e-2f1b7a6f8d10","postgresBinaryVersion":@PostgresBinaryVersion,"forceFail":true,"canBeMaster":true,"canBeSynchronousReplica":true}"#,
        zero: r#"{"lastHealthyTime":"0001-01-01T00:00:00Z","postgresBinaryVersion":{"Maj":0,"Min":0}}"#,
        pointers: &["canBeMaster", "canBeSynchronousReplica"],
    },
    Structure {
        name: "PostgresBinaryVersion",
        again: again::<PostgresBinaryVersion>,
        full: r#"{"Maj":13,"Min":14}"#,
        zero: r#"{"Maj":0,"Min":0}"#,
        pointers: &[],
    },
    Structure {
        name: "DB",
        again: again::<Db>,
        full: r#"{"uid":"a1b2c3d4","generation":3,"changeTime":"2024-05-14T09:41:07.551+02:00","spec":@DBSpec,"status":@DBStatus}"#,
        zero: r#"{"changeTime":"0001-01-01T00:00:00Z","status":{"synchronousStandbys":null}}"#,
        pointers: &["spec"],
    },
    Structure {
        name: "DBSpec",
        again: again::<DbSpec>,
        full: r#"{"keeperUID":"keeper0","requestTimeout":"10s","maxStandbys":20,"synchronousReplication":true,"usePgrewind":true,"additionalWalSenders":5,"additionalReplicationSlots":["slot1"],"initMode":"resync","newConfig":@NewConfig,"pitrConfig":@PITRConfig,"pgParameters":{"wal_level":"replica"},"pgHBA":["local all all peer"],"role":"standby","followConfig":@FollowConfig,"followers":["b2c3d4e5"],"includePreviousConfig":true,"synchronousStandbys":["b2c3d4e5"],"externalSynchronousStandbys":["stolonfakestandby"]}"#,
        zero: r#"{"requestTimeout":"0s","additionalWalSenders":0,"additionalReplicationSlots":null,"pgHBA":null,"followers":null,"synchronousStandbys":null,"externalSynchronousStandbys":null}"#,
        pointers: &["newConfig", "pitrConfig", "followConfig"],
    },
    Structure {
        name: "FollowConfig",
        again: again::<FollowConfig>,
        full: r#"{"type":"external","dbuid":"a1b2c3d4","standbySettings":@StandbySettings,"archiveRecoverySettings":@ArchiveRecoverySettings}"#,
        zero: "{}",
        pointers: &["standbySettings", "archiveRecoverySettings"],
    },
    Structure {
        name: "DBStatus",
        again: again::<DbStatus>,
        full: r#"{"healthy":true,"currentGeneration":3,"listenAddress":"10.0.0.10","port":"5432","systemdID":"7368845123498712345","timelineID":1,"xLogPos":18446744073709551615,"timelinesHistory":[@TimelineHistory],"pgParameters":{"wal_level":"replica"},"synchronousStandbys":["b2c3d4e5"],"olderWalFile":"000000010000000000000001"}"#,
        zero: r#"{"synchronousStandbys":null}"#,
        pointers: &[],
    },
    Structure {
        name: "TimelineHistory",
        again: again::<TimelineHistory>,
        full: r#"{"timelineID":1,"switchPoint":67109024,"reason":"no recovery target specified"}"#,
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "Proxy",
        again: again::<Proxy>,
        full: r#"{"uid":"p","generation":2,"changeTime":"2024-05-14T09:31:22.3+02:00","spec":@ProxySpec,"status":@ProxyStatus}"#,
        zero: r#"{"changeTime":"0001-01-01T00:00:00Z","spec":{},"status":{}}"#,
        pointers: &[],
    },
    Structure {
        name: "ProxySpec",
        again: again::<ProxySpec>,
        full: r#"{"masterDbUid":"a1b2c3d4","enabledProxies":["9f8e7d6c"]}"#,
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "ProxyStatus",
        again: again::<ProxyStatus>,
        full: "{}",
        zero: "{}",
        pointers: &[],
    },
    Structure {
        name: "KeeperInfo",
        again: again::<KeeperInfo>,
        full: r#"{"infoUID":"4be1c0aa","uid":"keeper0","clusterUID":"6e7d1a2b","bootUUID":"5c1f6c1e-7a54-4f0b-9f6e-2f1b7a6f8d10","postgresBinaryVersion":@PostgresBinaryVersion,"postgresState":@PostgresState,"canBeMaster":true,"canBeSynchronousReplica":true}"#,
        zero: r#"{"postgresBinaryVersion":{"Maj":0,"Min":0}}"#,
        pointers: &["postgresState", "canBeMaster", "canBeSynchronousReplica"],
    },
    Structure {
        name: "PostgresState",
        again: again::<PostgresState>,
        full: r#"{"uid":"a1b2c3d4","generation":3,"listenAddress":"10.0.0.10","port":"5432","healthy":true,"systemID":"7368845123498712345","timelineID":3,"xLogPos":134217920,"timelinesHistory":[@TimelineHistory],"pgParameters":{"wal_level":"replica"},"synchronousStandbys":["b2c3d4e5"],"olderWalFile":"000000020000000000000004"}"#,
        zero: r#"{"synchronousStandbys":null}"#,
        pointers: &[],
    },
    Structure {
        // The last field is ours; a proxy writes it once, when it ends.
        name: "ProxyInfo",
        again: again::<ProxyInfo>,
        full: r#"{"infoUID":"77aa01bc","UID":"9f8e7d6c","Generation":2,"ProxyTimeout":15000000000,"Closed":true}"#,
        zero: r#"{"UID":"","Generation":0,"ProxyTimeout":0}"#,
        pointers: &[],
    },
    Structure {
        name: "SentinelInfo",
        again: again::<SentinelInfo>,
        full: r#"{"UID":"d00dfeed"}"#,
        zero: r#"{"UID":""}"#,
        pointers: &[],
    },
    Structure {
        name: "KeeperLocalState",
        again: again::<KeeperLocalState>,
        full: r#"{"UID":"keeper0","ClusterUID":"6e7d1a2b"}"#,
        zero: r#"{"UID":"","ClusterUID":""}"#,
        pointers: &[],
    },
    Structure {
        name: "DBLocalState",
        again: again::<DbLocalState>,
        full: r#"{"UID":"a1b2c3d4","Generation":3,"Initializing":true,"InitPGParameters":{"wal_level":"replica"}}"#,
        zero: r#"{"UID":"","Generation":0,"Initializing":false,"InitPGParameters":null}"#,
        pointers: &[],
    },
];

/// Puts the full documents of other structures in the place of their names.
fn filled(document: &str) -> String {
    let Some((before, after)) = document.split_once('@') else { return document.to_owned() };
    let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
    let named = STRUCTURES.iter().find(|structure| structure.name == &after[..end]).unwrap();
    format!("{before}{}{}", filled(named.full), filled(&after[end..]))
}

/// The fields of a compact object, in their order, with their values as text.
fn fields(document: &str) -> Vec<(String, String)> {
    let inner = document.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap();
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    let parts = inner.split(|c: char| {
        match c {
            '"' if !is_escaped => is_text = !is_text,
            '{' | '[' if !is_text => depth += 1,
            '}' | ']' if !is_text => depth -= 1,
            _ => {}
        }
        is_escaped = is_text && c == '\\' && !is_escaped;
        c == ',' && depth == 0 && !is_text
    });
    parts
        .filter_map(|part| part.split_once(':'))
        .map(|(name, value)| (name.trim_matches('"').to_owned(), value.to_owned()))
        .collect()
}

fn object(fields: impl IntoIterator<Item = (String, String)>) -> String {
    let fields: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// What is written of a document with this one field.
fn alone(structure: &Structure, name: &str, value: &str) -> Result<String, DecodeError> {
    (structure.again)(&object([(name.to_owned(), value.to_owned())]))
}

#[test]
fn a_document_with_every_field_is_written_again_as_it_was() {
    for structure in STRUCTURES {
        let full = filled(structure.full);
        assert_eq!((structure.again)(&full).as_ref(), Ok(&full), "{}", structure.name);
    }
}

#[test]
fn the_order_of_fields_is_that_of_the_reference_however_they_are_read() {
    for structure in STRUCTURES {
        let full = filled(structure.full);
        let reversed = object(fields(&full).into_iter().rev());
        assert_eq!((structure.again)(&reversed), Ok(full), "{}", structure.name);
    }
}

#[test]
fn names_of_fields_are_understood_in_any_case() {
    for structure in STRUCTURES {
        let full = filled(structure.full);
        let shouted = fields(&full).into_iter().map(|(name, value)| (name.to_uppercase(), value));
        assert_eq!((structure.again)(&object(shouted)), Ok(full), "{}", structure.name);
    }
}

#[test]
fn an_empty_document_shows_the_fields_that_are_always_written() {
    for structure in STRUCTURES {
        let zero = filled(structure.zero);
        assert_eq!((structure.again)("{}").as_ref(), Ok(&zero), "{}", structure.name);
        assert_eq!((structure.again)(&zero), Ok(zero), "{}", structure.name);
        let unknown = alone(structure, "aFieldOfAnotherTime", r#"{"x":[1]}"#);
        assert_eq!(unknown, Ok(filled(structure.zero)), "{}", structure.name);
    }
}

#[test]
fn null_is_an_absent_field() {
    for structure in STRUCTURES {
        for (name, _) in fields(&filled(structure.full)) {
            let written = alone(structure, &name, "null");
            match (structure.name, name.as_str()) {
                // Stolon's own duration type takes everything for text.
                ("DBSpec", "requestTimeout") => assert!(written.is_err(), "{written:?}"),
                _ => assert_eq!(written, Ok(filled(structure.zero)), "{}.{name}", structure.name),
            }
        }
    }
}

#[test]
fn zero_values_are_left_out_unless_the_field_is_always_written_or_a_pointer() {
    for structure in STRUCTURES {
        let always: BTreeMap<String, String> =
            fields(&filled(structure.zero)).into_iter().collect();
        for (name, value) in fields(&filled(structure.full)) {
            let zero = match value.as_bytes().first() {
                Some(b'[') => "[]",
                Some(b't') => "false",
                Some(b'0'..=b'9') => "0",
                Some(b'{') => "{}",
                _ => r#""""#,
            };
            let place = format!("{}.{name}", structure.name);
            let written = match alone(structure, &name, zero) {
                Ok(written) => written,
                // Times and spans of time are no texts and must not be empty.
                Err(error) => {
                    assert!(
                        value.starts_with(r#""20"#) || value.ends_with("s\""),
                        "{place}: {error}"
                    );
                    continue;
                }
            };
            let found = fields(&written).into_iter().find(|field| field.0 == name);
            if !always.contains_key(&name) && !structure.pointers.contains(&name.as_str()) {
                assert_eq!(written, filled(structure.zero), "{place}");
            } else if zero == "{}" {
                // A structure inside shows its own fields, which are looked at alone.
                assert!(found.is_some_and(|field| field.1.starts_with('{')), "{place}: {written}");
            } else {
                // An empty list is not null.
                assert_eq!(found.map(|field| field.1).as_deref(), Some(zero), "{place}");
            }
        }
    }
}
