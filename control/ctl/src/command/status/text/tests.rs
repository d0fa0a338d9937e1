//! The text, byte by byte.

use super::*;
use crate::command::status::{ClusterStatus, KeeperStatus, ProxyStatus, SentinelStatus};

fn sentinel(uid: &str, leader: bool) -> SentinelStatus {
    SentinelStatus { uid: uid.into(), leader }
}

fn keeper(uid: &str, listen_address: &str, healthy: bool, generation: i64) -> KeeperStatus {
    KeeperStatus {
        uid: uid.into(),
        listen_address: listen_address.into(),
        healthy,
        pg_healthy: healthy && generation > 0,
        pg_wanted_generation: generation,
        pg_current_generation: generation,
    }
}

#[test]
fn a_cluster_at_work() {
    let status = Status {
        sentinels: vec![sentinel("b7e2ab1f", true), sentinel("e1f7a5a9", false)],
        proxies: vec![ProxyStatus { uid: "9f8e7d6c".into(), generation: 2 }],
        keepers: vec![
            keeper("keeper0", "10.0.0.10:5432", true, 3),
            keeper("keeper1", "10.0.0.11:5432", true, 2),
            keeper("a_keeper_with_a_long_name", "(no db assigned)", false, 0),
        ],
        cluster: ClusterStatus {
            available: true,
            master_keeper_uid: "keeper0".into(),
            master_db_uid: "a1b2c3d4".into(),
        },
        tree: vec!["keeper0 (master)".into(), "├─keeper1".into(), "└─keeper2".into()],
    };
    assert_eq!(
        render(&status),
        "=== Active sentinels ===

ID\t\tLEADER
b7e2ab1f\ttrue
e1f7a5a9\tfalse

=== Active proxies ===

ID
9f8e7d6c

=== Keepers ===

UID\tHEALTHY\tPG LISTENADDRESS\tPG HEALTHY\tPG WANTEDGENERATION\tPG CURRENTGENERATION
keeper0\ttrue\t10.0.0.10:5432\t\ttrue\t\t3\t\t\t3\t
keeper1\ttrue\t10.0.0.11:5432\ttrue\t2\t2\t
a_keeper_with_a_long_name\tfalse\t(no db assigned)\tfalse\t0\t0\t

=== Cluster Info ===

Master Keeper: keeper0

===== Keepers/DB tree =====

keeper0 (master)
├─keeper1
└─keeper2

"
    );
}

#[test]
fn a_cluster_of_nothing() {
    assert_eq!(
        render(&Status::default()),
        "=== Active sentinels ===

No active sentinels

=== Active proxies ===

No active proxies

=== Keepers ===

No keepers available

No cluster available

"
    );
}

#[test]
fn the_first_row_widens_the_header() {
    let status = Status {
        keepers: vec![
            keeper("a_keeper_with_a_long_name", "(unknown)", true, 12),
            keeper("b", "[::1]:5432", true, 1),
        ],
        ..Status::default()
    };
    let text = render(&status);
    let keepers: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("UID")).collect();
    assert_eq!(
        keepers,
        [
            "UID\t\t\t\tHEALTHY\tPG LISTENADDRESS\tPG HEALTHY\tPG WANTEDGENERATION\tPG CURRENTGENERATION",
            "a_keeper_with_a_long_name\ttrue\t(unknown)\t\ttrue\t\t12\t\t\t12\t",
            "b\ttrue\t[::1]:5432\ttrue\t1\t1\t",
            "No cluster available",
            "",
        ]
    );
}
