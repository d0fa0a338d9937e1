//! One document of every structure, as Go writes it: read and written again it is the same, byte for byte.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::{fs, path::Path};
use stolon_model::cluster::ClusterData;
use stolon_model::info::{KeeperInfo, ProxyInfo, SentinelInfo};
use stolon_model::json::{self, DecodeError};
use stolon_model::local::{DbLocalState, KeeperLocalState};
use stolon_model::spec::ClusterSpec;

#[test]
fn documents_are_written_again_as_they_were() {
    let mut names = Vec::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let check = match () {
            () if name.starts_with("cluster_data") => written_again::<ClusterData>,
            () if name.starts_with("cluster_spec") => written_again::<ClusterSpec>,
            () if name.starts_with("keeper_info") => written_again::<KeeperInfo>,
            () if name.starts_with("proxy_info") => written_again::<ProxyInfo>,
            () if name.starts_with("sentinel_info") => written_again::<SentinelInfo>,
            () if name.starts_with("keeper_state") => written_again::<KeeperLocalState>,
            () if name.starts_with("db_state") => written_again::<DbLocalState>,
            () => panic!("no structure is known for {name}"),
        };
        let document = fs::read_to_string(&path).unwrap();
        check(&name, document.trim_end()).unwrap_or_else(|error| panic!("{name}: {error}"));
        names.push(name);
    }
    assert!(names.len() >= 18, "documents are missing: {names:?}");
}

/// Both forms of one document, given in the form for people.
fn written_again<T: Serialize + DeserializeOwned>(
    name: &str,
    pretty: &str,
) -> Result<(), DecodeError> {
    let compact = without_blanks(pretty);
    let value: T = json::decode(compact.as_bytes())?;
    assert_eq!(String::from_utf8_lossy(&json::encode(&value)), compact, "{name}");
    let value: T = json::decode(pretty.as_bytes())?;
    assert_eq!(json::encode_pretty(&value), pretty, "{name}");
    Ok(())
}

/// Drops the blanks outside of strings.
fn without_blanks(text: &str) -> String {
    let (mut is_inside, mut is_escaped) = (false, false);
    let mut compact = String::new();
    for c in text.chars() {
        if is_inside || !c.is_whitespace() {
            compact.push(c);
        }
        if c == '"' && !is_escaped {
            is_inside = !is_inside;
        }
        is_escaped = is_inside && c == '\\' && !is_escaped;
    }
    compact
}
