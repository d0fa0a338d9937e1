use super::*;

fn spec(text: &str) -> ClusterSpec {
    json::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

const STANDBY: &str = r#"{"initMode":"pitr","role":"standby","pitrConfig":{"dataRestoreCommand":"a"},"standbyConfig":{}}"#;
const PROMOTED: &str = r#"{"initMode":"pitr","role":"master","pitrConfig":{"dataRestoreCommand":"a"},"standbyConfig":{}}"#;

#[test]
fn a_specification_takes_the_place_of_another() {
    for (old, new) in [
        (r#"{"initMode":"new"}"#, r#"{"initMode":"new","failInterval":"3s"}"#),
        (r#"{"initMode":"new","pgParameters":{"a":"b"}}"#, r#"{"initMode":"new"}"#),
        (r#"{"initMode":"new"}"#, r#"{"initMode":"new","role":"master"}"#),
        (STANDBY, PROMOTED),
        (STANDBY, STANDBY),
    ] {
        assert_eq!(update(&spec(old), spec(new)), Ok(spec(new)), "{old} {new}");
    }
}

#[test]
fn an_update_against_the_rules_is_refused() {
    for (old, new, error) in [
        (r#"{"initMode":"new"}"#, "{}", "invalid cluster spec: initMode undefined"),
        (
            r#"{"initMode":"new"}"#,
            r#"{"initMode":"new","maxStandbys":0}"#,
            "invalid cluster spec: maxStandbys must be at least 1",
        ),
        (
            r#"{"initMode":"new"}"#,
            r#"{"initMode":"existing","existingConfig":{"keeperUID":"a"}}"#,
            "cannot change cluster init mode",
        ),
        (PROMOTED, STANDBY, "cannot update a cluster from master role to standby role"),
        (
            r#"{"initMode":"existing","existingConfig":{"keeperUID":"a"}}"#,
            r#"{"initMode":"existing","existingConfig":{"keeperUID":"a"},"role":"standby","standbyConfig":{}}"#,
            "cannot update a cluster from master role to standby role",
        ),
    ] {
        assert_eq!(update(&spec(old), spec(new)).unwrap_err().to_string(), error);
    }
}

#[test]
fn a_patch_changes_what_it_names() {
    for (old, patched, result) in [
        (r#"{"initMode":"new"}"#, "{}", r#"{"initMode":"new"}"#),
        (r#"{"initMode":"new"}"#, "null", r#"{"initMode":"new"}"#),
        (
            r#"{"initMode":"new"}"#,
            r#"{"failInterval":"3s","synchronousReplication":true}"#,
            r#"{"initMode":"new","failInterval":"3s","synchronousReplication":true}"#,
        ),
        (
            r#"{"initMode":"new","maxStandbys":3}"#,
            r#"{"maxStandbys":null}"#,
            r#"{"initMode":"new"}"#,
        ),
        (r#"{"maxStandbys":3}"#, r#"{"MAXSTANDBYS":4}"#, r#"{"maxStandbys":4}"#),
        (r#"{"maxStandbys":3}"#, r#"{"maxStandbys":5,"MaxStandbys":4}"#, r#"{"maxStandbys":4}"#),
        (r#"{"maxStandbys":3}"#, r#"{"unknown":{"maxStandbys":5}}"#, r#"{"maxStandbys":3}"#),
        // Parameters.
        (
            r#"{"pgParameters":{"a":"1","b":"2"}}"#,
            r#"{"pgParameters":{"a":null,"c":"3"}}"#,
            r#"{"pgParameters":{"b":"2","c":"3"}}"#,
        ),
        (
            r#"{"pgParameters":{"a":"1"}}"#,
            r#"{"PgParameters":{"A":"2"}}"#,
            r#"{"pgParameters":{"a":"1","A":"2"}}"#,
        ),
        (
            r#"{"pgParameters":{"a":"1"}}"#,
            r#"{"pgParameters":{"A":null}}"#,
            r#"{"pgParameters":{"a":"1"}}"#,
        ),
        (r#"{"pgParameters":{"a":"1"}}"#, r#"{"pgParameters":null}"#, "{}"),
        (
            r#"{"pgParameters":{"a":"1"}}"#,
            r#"{"pgParameters":{}}"#,
            r#"{"pgParameters":{"a":"1"}}"#,
        ),
        // Lists are replaced.
        (r#"{"pgHBA":["a","b"]}"#, r#"{"pgHBA":["c"]}"#, r#"{"pgHBA":["c"]}"#),
        (r#"{"pgHBA":["a"]}"#, r#"{"pgHBA":null}"#, r#"{"pgHBA":null}"#),
        (r#"{"pgHBA":["a"]}"#, r#"{"pgHBA":[]}"#, r#"{"pgHBA":[]}"#),
        // Objects are merged.
        (
            r#"{"newConfig":{"locale":"C","encoding":"UTF8"}}"#,
            r#"{"newConfig":{"encoding":null,"dataChecksums":true}}"#,
            r#"{"newConfig":{"locale":"C","dataChecksums":true}}"#,
        ),
        (r#"{"newConfig":{"locale":"C"}}"#, r#"{"newConfig":null}"#, "{}"),
        (
            "{}",
            r#"{"existingConfig":{"keeperUID":"a"}}"#,
            r#"{"existingConfig":{"keeperUID":"a"}}"#,
        ),
    ] {
        assert_eq!(patch(&spec(old), patched.as_bytes()), Ok(spec(result)), "{old} {patched}");
    }
}

/// Merging tells case apart, reading does not: without one spelling for both, the old value would win silently.
#[test]
fn a_patch_of_primary_conn_info_in_the_spelling_of_the_documentation_takes_effect() {
    let old = spec(
        r#"{"standbyConfig":{"standbySettings":{"primaryConninfo":"host=old","primarySlotName":"s"}}}"#,
    );
    let new =
        patch(&old, br#"{"standbyConfig":{"standbySettings":{"primaryConnInfo":"host=new"}}}"#);
    let settings = new.unwrap().standby_config.unwrap().standby_settings.unwrap();
    assert_eq!(
        (settings.primary_conninfo.as_str(), settings.primary_slot_name.as_str()),
        ("host=new", "s")
    );
    let new = patch(&old, br#"{"standbyConfig":{"standbySettings":{"primaryConnInfo":null}}}"#);
    assert_eq!(new.unwrap().standby_config.unwrap().standby_settings.unwrap().primary_conninfo, "");
}

#[test]
fn what_is_no_patch_is_refused() {
    for (text, error) in [
        ("", "failed to merge patch cluster spec: EOF while parsing a value at line 1 column 0"),
        ("[]", "failed to merge patch cluster spec: must be an object, not a list"),
        ("{}}", "failed to merge patch cluster spec: trailing characters at line 1 column 3"),
        (
            r#"{"maxStandbys":3,"pgParameters":{"$patch":"replace","c":"d"}}"#,
            "failed to merge patch cluster spec: the patch directive \"$patch\" is not known here, name each option, \
             with null for what is to go",
        ),
        (
            r#"{"pgParameters":{"a":1}}"#,
            "failed to unmarshal patched cluster spec: pgParameters.a: must be a string, not 1",
        ),
        (
            r#"{"failInterval":"5"}"#,
            r#"failed to unmarshal patched cluster spec: failInterval: time: missing unit in duration "5""#,
        ),
    ] {
        let old = spec(r#"{"initMode":"new","pgParameters":{"a":"b"}}"#);
        assert_eq!(patch(&old, text.as_bytes()).unwrap_err().to_string(), error);
    }
}
