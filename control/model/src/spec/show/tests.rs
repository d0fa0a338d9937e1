use super::*;

fn spec(text: &str) -> ClusterSpec {
    json::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

const DEFAULTS_OF_NEW: &str = r#"{
	"sleepInterval": "5s",
	"requestTimeout": "10s",
	"convergenceTimeout": "30s",
	"initTimeout": "5m0s",
	"syncTimeout": "0s",
	"dbWaitReadyTimeout": "1m0s",
	"failInterval": "20s",
	"deadKeeperRemovalInterval": "48h0m0s",
	"proxyCheckInterval": "5s",
	"proxyTimeout": "15s",
	"maxStandbys": 20,
	"maxStandbysPerSender": 3,
	"maxStandbyLag": 1232896,
	"synchronousReplication": false,
	"minSynchronousStandbys": 1,
	"maxSynchronousStandbys": 1,
	"additionalWalSenders": 5,
	"additionalMasterReplicationSlots": null,
	"usePgrewind": false,
	"initMode": "new",
	"mergePgParameters": true,
	"role": "master",
	"newConfig": null,
	"pitrConfig": null,
	"existingConfig": null,
	"standbyConfig": null,
	"defaultSUReplAccessMode": "all",
	"pgParameters": null,
	"pgHBA": null,
	"automaticPgRestart": false
}"#;

#[test]
fn with_defaults_every_option_is_shown() {
    assert_eq!(show_with_defaults(&spec(r#"{"initMode":"new"}"#)), DEFAULTS_OF_NEW);
    let text = show_with_defaults(&ClusterSpec::default());
    assert_eq!(text, DEFAULTS_OF_NEW.replace(r#""initMode": "new""#, r#""initMode": null"#));
}

#[test]
fn with_defaults_what_is_set_stays() {
    let given = spec(
        r#"{"sleepInterval":"-1s","maxStandbys":0,"role":"other","usePgrewind":true,"pgHBA":[],
            "newConfig":{"locale":"C","dataChecksums":false},"pgParameters":{"b":"<","a":"1"}}"#,
    );
    let text = show_with_defaults(&given);
    for part in [
        "\t\"sleepInterval\": \"-1s\",\n",
        "\t\"maxStandbys\": 0,\n",
        "\t\"role\": \"other\",\n",
        "\t\"usePgrewind\": true,\n",
        "\t\"pgHBA\": [],\n",
        "\t\"newConfig\": {\n\t\t\"locale\": \"C\"\n\t},\n",
        "\t\"pgParameters\": {\n\t\t\"a\": \"1\",\n\t\t\"b\": \"\\u003c\"\n\t},\n",
        "\t\"initMode\": null,\n",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn without_defaults_only_what_is_set_is_shown() {
    assert_eq!(show(&spec(r#"{"initMode":"new"}"#)), "{\n\t\"initMode\": \"new\"\n}");
    assert_eq!(show(&ClusterSpec::default()), "{}");
    let empty_lists = r#"{"pgHBA":[],"additionalMasterReplicationSlots":[],"pgParameters":{}}"#;
    assert_eq!(show(&spec(empty_lists)), "{}");
    let zeros = r#"{"additionalWalSenders":0,"usePgrewind":false,"newConfig":{},"pgHBA":["a"],"automaticPgRestart":false}"#;
    assert_eq!(
        show(&spec(zeros)),
        "{\n\t\"additionalWalSenders\": 0,\n\t\"usePgrewind\": false,\n\t\"newConfig\": {},\n\t\"pgHBA\": [\n\t\t\"a\"\n\t],\n\t\"automaticPgRestart\": false\n}"
    );
}
