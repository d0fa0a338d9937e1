//! The keepers as a tree: who follows whom.

use std::collections::BTreeSet;
use stolon_model::cluster::ClusterData;
use stolon_model::uid::DbUid;

/// The lines of the tree below `root`. Followers whose db is gone are left out, and so is a db that was shown already: damaged
/// cluster data may have a circle in it.
pub fn lines(data: &ClusterData, root: &DbUid) -> Vec<String> {
    let mut lines = Vec::new();
    grow(data, root, Branch::Root, "", &mut BTreeSet::new(), &mut lines);
    lines
}

/// How a db hangs in the tree.
#[derive(Clone, Copy)]
enum Branch {
    Root,
    Middle,
    Last,
}

fn grow<'a>(
    data: &'a ClusterData,
    uid: &'a DbUid,
    branch: Branch,
    prefix: &str,
    shown: &mut BTreeSet<&'a DbUid>,
    lines: &mut Vec<String>,
) {
    let Some(spec) = data.dbs.get(uid).and_then(|db| db.spec.as_ref()) else { return };
    if !shown.insert(uid) {
        return;
    }
    let is_master = data.cluster.as_ref().is_some_and(|cluster| cluster.status.master == *uid);
    let (arm, indent) = match branch {
        Branch::Root => ("", ""),
        Branch::Middle => ("├─", "│ "),
        Branch::Last => ("└─", "  "),
    };
    let role = if is_master { " (master)" } else { "" };
    lines.push(format!("{prefix}{arm}{}{role}", spec.keeper_uid));
    let below = format!("{prefix}{indent}");
    let followers = spec.followers.as_deref().unwrap_or_default();
    for (at, follower) in followers.iter().enumerate() {
        let branch = if at + 1 < followers.len() { Branch::Middle } else { Branch::Last };
        grow(data, follower, branch, &below, shown, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stolon_model::cluster::{Cluster, Db, DbSpec};

    /// Cluster data with a db for each (keeper, followers); the db of keeper `x` is `dbx`, the first is the master.
    fn data(keepers: &[(&str, &[&str])]) -> ClusterData {
        let mut data = ClusterData { cluster: Some(Cluster::default()), ..ClusterData::default() };
        for (keeper, followers) in keepers {
            let followers =
                followers.iter().map(|keeper| DbUid::new(format!("db{keeper}"))).collect();
            let spec = DbSpec {
                keeper_uid: (*keeper).into(),
                followers: Some(followers),
                ..DbSpec::default()
            };
            let db = Db { spec: Some(spec), ..Db::default() };
            data.dbs.insert(DbUid::new(format!("db{keeper}")), db);
        }
        if let Some(cluster) = &mut data.cluster {
            cluster.status.master = DbUid::new(format!("db{}", keepers[0].0));
        }
        data
    }

    fn tree(keepers: &[(&str, &[&str])]) -> String {
        let data = data(keepers);
        let root = DbUid::new(format!("db{}", keepers[0].0));
        lines(&data, &root).join("\n")
    }

    #[test]
    fn followers_hang_below_the_master() {
        assert_eq!(tree(&[("k0", &[])]), "k0 (master)");
        assert_eq!(
            tree(&[("k0", &["k2", "k1"]), ("k1", &[]), ("k2", &[])]),
            "k0 (master)\n├─k2\n└─k1"
        );
    }

    #[test]
    fn a_cascade_is_indented() {
        let keepers: [(&str, &[&str]); 7] = [
            ("k0", &["k1", "k2"]),
            ("k1", &["k3", "k4"]),
            ("k2", &["k5"]),
            ("k3", &["k6"]),
            ("k4", &[]),
            ("k5", &[]),
            ("k6", &[]),
        ];
        assert_eq!(tree(&keepers), "k0 (master)\n├─k1\n│ ├─k3\n│ │ └─k6\n│ └─k4\n└─k2\n  └─k5");
    }

    #[test]
    fn followers_that_are_gone_are_left_out() {
        assert_eq!(tree(&[("k0", &["k1", "gone"]), ("k1", &[])]), "k0 (master)\n├─k1");
    }

    #[test]
    fn a_circle_ends() {
        assert_eq!(tree(&[("k0", &["k1"]), ("k1", &["k0", "k1"])]), "k0 (master)\n└─k1");
    }
}
