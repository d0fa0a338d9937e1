//! The status for programs.

use super::Status;
use serde::Serialize;
use stolon_model::json::encode_pretty;

/// What is printed when the status could not be collected. Stolon prints `{}` and exits with 0, which scripts rely on; this
/// says why as well.
#[derive(Serialize)]
struct Failure {
    error: String,
}

/// An object in any case.
pub fn render(collected: &anyhow::Result<Status>) -> String {
    match collected {
        Ok(status) => encode_pretty(status),
        Err(error) => encode_pretty(&Failure { error: format!("{error}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::status::{ClusterStatus, KeeperStatus, ProxyStatus, SentinelStatus};

    #[test]
    fn a_cluster_at_work() {
        let status = Status {
            sentinels: vec![SentinelStatus { uid: "b7e2ab1f".into(), leader: true }],
            proxies: vec![ProxyStatus { uid: "9f8e7d6c".into(), generation: 2 }],
            keepers: vec![KeeperStatus {
                uid: "keeper0".into(),
                listen_address: "10.0.0.10:5432".into(),
                healthy: true,
                pg_healthy: true,
                pg_wanted_generation: 3,
                pg_current_generation: 3,
            }],
            cluster: ClusterStatus {
                available: true,
                master_keeper_uid: "keeper0".into(),
                master_db_uid: "a1b2c3d4".into(),
            },
            tree: vec!["keeper0 (master)".into()],
        };
        assert_eq!(
            render(&Ok(status)),
            r#"{
	"sentinels": [
		{
			"uid": "b7e2ab1f",
			"leader": true
		}
	],
	"proxies": [
		{
			"uid": "9f8e7d6c",
			"generation": 2
		}
	],
	"keepers": [
		{
			"uid": "keeper0",
			"listen_address": "10.0.0.10:5432",
			"healthy": true,
			"pg_healthy": true,
			"pg_wanted_generation": 3,
			"pg_current_generation": 3
		}
	],
	"cluster": {
		"available": true,
		"master_keeper_uid": "keeper0",
		"master_db_uid": "a1b2c3d4"
	}
}"#
        );
    }

    #[test]
    fn a_cluster_of_nothing() {
        assert_eq!(
            render(&Ok(Status::default())),
            r#"{
	"sentinels": [],
	"proxies": [],
	"keepers": [],
	"cluster": {
		"available": false,
		"master_keeper_uid": "",
		"master_db_uid": ""
	}
}"#
        );
    }

    #[test]
    fn go_defect_json_status_hides_the_error() {
        let error = anyhow::anyhow!("cannot get proxies info: no route");
        assert_eq!(render(&Err(error)), "{\n\t\"error\": \"cannot get proxies info: no route\"\n}");
    }
}
