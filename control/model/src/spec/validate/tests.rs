use super::*;
use crate::json;

fn spec(text: &str) -> ClusterSpec {
    json::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_rule_has_its_text() {
    for (text, error) in [
        (r#"{"sleepInterval":"-1ns"}"#, "sleepInterval must be positive"),
        (r#"{"requestTimeout":"-5s"}"#, "requestTimeout must be positive"),
        (r#"{"convergenceTimeout":"-5s"}"#, "convergenceTimeout must be positive"),
        (r#"{"initTimeout":"-5s"}"#, "initTimeout must be positive"),
        (r#"{"syncTimeout":"-5s"}"#, "syncTimeout must be positive"),
        (r#"{"dbWaitReadyTimeout":"-5s"}"#, "dbWaitReadyTimeout must be positive"),
        (r#"{"failInterval":"-5s"}"#, "failInterval must be positive"),
        (r#"{"deadKeeperRemovalInterval":"-5s"}"#, "deadKeeperRemovalInterval must be positive"),
        (r#"{"proxyCheckInterval":"-5s"}"#, "proxyCheckInterval must be positive"),
        (r#"{"proxyTimeout":"-5s"}"#, "proxyTimeout must be positive"),
        (r#"{"proxyCheckInterval":"15s"}"#, "proxyCheckInterval should be less than proxyTimeout"),
        (r#"{"proxyTimeout":"5s"}"#, "proxyCheckInterval should be less than proxyTimeout"),
        (r#"{"maxStandbys":0}"#, "maxStandbys must be at least 1"),
        (r#"{"maxStandbysPerSender":0}"#, "maxStandbysPerSender must be at least 1"),
        (r#"{"maxSynchronousStandbys":0}"#, "maxSynchronousStandbys must be at least 1"),
        (
            r#"{"minSynchronousStandbys":2}"#,
            "maxSynchronousStandbys must be greater or equal to minSynchronousStandbys",
        ),
        ("{}", "initMode undefined"),
        (
            r#"{"initMode":"new","additionalMasterReplicationSlots":["a","bad\n"]}"#,
            r#"wrong replication slot name: "bad\n""#,
        ),
        (
            r#"{"initMode":"new","additionalMasterReplicationSlots":[""]}"#,
            r#"wrong replication slot name: """#,
        ),
        (
            r#"{"initMode":"new","additionalMasterReplicationSlots":["Upper"]}"#,
            r#"wrong replication slot name: "Upper""#,
        ),
        (
            r#"{"initMode":"new","additionalMasterReplicationSlots":["stolon_a"]}"#,
            r#"replication slot name is reserved: "stolon_a""#,
        ),
        (
            r#"{"initMode":"new","pgHBA":["fine","host all\nall"]}"#,
            "pgHBA entries cannot contain newline characters",
        ),
        (
            r#"{"initMode":"new","role":"standby"}"#,
            r#"invalid cluster role standby when initMode is "new""#,
        ),
        (
            r#"{"initMode":"existing"}"#,
            r#"existingConfig undefined. Required when initMode is "existing""#,
        ),
        (r#"{"initMode":"existing","existingConfig":{}}"#, "existingConfig.keeperUID undefined"),
        (r#"{"initMode":"pitr"}"#, r#"pitrConfig undefined. Required when initMode is "pitr""#),
        (r#"{"initMode":"pitr","pitrConfig":{}}"#, "pitrConfig.DataRestoreCommand undefined"),
        (
            r#"{"initMode":"pitr","role":"standby","pitrConfig":{"dataRestoreCommand":"a","recoveryTargetSettings":{}}}"#,
            "cannot define pitrConfig.RecoveryTargetSettings when required cluster role is standby",
        ),
        (r#"{"initMode":"a\"b"}"#, r#"unknown initMode: "a\"b""#),
        (r#"{"initMode":"New"}"#, r#"unknown initMode: "New""#),
        (r#"{"initMode":""}"#, r#"unknown initMode: """#),
        (
            r#"{"initMode":"new","defaultSUReplAccessMode":"some"}"#,
            r#"unknown defaultSUReplAccessMode: "some""#,
        ),
        (
            r#"{"initMode":"pitr","role":"standby","pitrConfig":{"dataRestoreCommand":"a"}}"#,
            r#"standbyConfig undefined. Required when cluster role is "standby""#,
        ),
        (r#"{"initMode":"new","role":"slave"}"#, r#"unknown role: "new""#),
    ] {
        let refused = spec(text).validate().expect_err(text);
        assert_eq!(refused.to_string(), error, "{text}");
    }
}

/// Each document breaks a rule more than the one after it.
#[test]
fn of_several_broken_rules_the_first_counts() {
    let mut fields = vec![
        (r#""sleepInterval":"-1s""#, "sleepInterval must be positive"),
        (r#""proxyTimeout":"-1s""#, "proxyTimeout must be positive"),
        (r#""proxyCheckInterval":"1h""#, "proxyCheckInterval should be less than proxyTimeout"),
        (r#""maxStandbys":0"#, "maxStandbys must be at least 1"),
        (r#""maxStandbysPerSender":0"#, "maxStandbysPerSender must be at least 1"),
        (
            r#""minSynchronousStandbys":9"#,
            "maxSynchronousStandbys must be greater or equal to minSynchronousStandbys",
        ),
        (
            r#""additionalMasterReplicationSlots":["-","stolon_a"]"#,
            r#"wrong replication slot name: "-""#,
        ),
        (r#""pgHBA":["\n"]"#, "pgHBA entries cannot contain newline characters"),
        (r#""initMode":"a""#, r#"unknown initMode: "a""#),
        (
            r#""initMode":"new","defaultSUReplAccessMode":"""#,
            r#"unknown defaultSUReplAccessMode: """#,
        ),
        (r#""initMode":"new","role":"a""#, r#"unknown role: "new""#),
    ];
    while !fields.is_empty() {
        let (texts, errors): (Vec<_>, Vec<_>) = fields.iter().copied().unzip();
        // The last key counts: the later entries give way to the earlier ones.
        let text = format!("{{{}}}", texts.iter().rev().copied().collect::<Vec<_>>().join(","));
        assert_eq!(spec(&text).validate().unwrap_err().to_string(), errors[0], "{text}");
        fields.remove(0);
    }
}

#[test]
fn what_obeys_the_rules_is_accepted() {
    for text in [
        r#"{"initMode":"new"}"#,
        r#"{"initMode":"new","role":"master","defaultSUReplAccessMode":"strict","pgHBA":[]}"#,
        r#"{"initMode":"new","sleepInterval":"0s","failInterval":0,"proxyCheckInterval":"0s"}"#,
        r#"{"initMode":"new","minSynchronousStandbys":0,"maxSynchronousStandbys":1}"#,
        r#"{"initMode":"new","additionalMasterReplicationSlots":["a_1","stolon"]}"#,
        r#"{"initMode":"existing","existingConfig":{"keeperUID":"keeper0"}}"#,
        r#"{"initMode":"existing","existingConfig":{"keeperUID":"a"},"role":"standby","standbyConfig":{}}"#,
        r#"{"initMode":"pitr","pitrConfig":{"dataRestoreCommand":"a","recoveryTargetSettings":{}}}"#,
        r#"{"initMode":"pitr","pitrConfig":{"dataRestoreCommand":"a"},"role":"standby","standbyConfig":{}}"#,
    ] {
        let spec = spec(text);
        assert_eq!(spec.validate(), Ok(spec.with_defaults()), "{text}");
    }
}

#[test]
fn defaults_fill_what_is_not_set() {
    let spec = spec(r#"{"initMode":"new"}"#).validate().unwrap();
    assert_eq!(spec, Spec { init_mode: InitMode::New, ..crate::spec::DEFAULTS });
    assert_eq!(spec.max_standby_lag, 1_232_896);
}

#[test]
fn what_validation_refuses_has_harmless_options() {
    let spec =
        spec(r#"{"sleepInterval":"-1s","initMode":"a","role":"b","defaultSUReplAccessMode":"c"}"#);
    let options = spec.with_defaults();
    assert!(options.sleep_interval.is_zero());
    assert_eq!((options.init_mode, options.existing_config), (InitMode::Existing, None));
    assert_eq!(options.role, ClusterRole::Master);
    assert_eq!(options.default_su_repl_access_mode, SuReplAccess::All);
}
