//! Key names (reference, chapter 2.2).

use std::fmt;
use stolon_model::uid::{KeeperUid, ProxyUid, SentinelUid};

/// The path `P` under which one cluster keeps all its keys: store prefix and cluster name, joined and cleaned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClusterPath(String);

impl ClusterPath {
    /// Joins as Go does: empty elements, `.` and doubled slashes vanish, `..` takes back an element, a leading slash is kept
    /// if given and not added if missing. `/stolon/cluster/x` and `stolon/cluster/x` are two clusters.
    pub fn new(prefix: &str, cluster: &str) -> Self {
        let given: Vec<&str> = [prefix, cluster].into_iter().filter(|s| !s.is_empty()).collect();
        let joined = given.join("/");
        let rooted = joined.starts_with('/');
        let mut elements: Vec<&str> = Vec::new();
        for element in joined.split('/') {
            match element {
                "" | "." => {}
                ".." => match elements.last() {
                    Some(last) if *last != ".." => {
                        elements.pop();
                    }
                    // Above the root is the root; above a relative path stays written down.
                    _ if rooted => {}
                    _ => elements.push(".."),
                },
                _ => elements.push(element),
            }
        }
        let cleaned = elements.join("/");
        Self(match (rooted, cleaned.is_empty(), joined.is_empty()) {
            (true, _, _) => format!("/{cleaned}"),
            (false, true, false) => ".".to_owned(),
            (false, _, _) => cleaned,
        })
    }

    /// The path as text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the cluster data.
    pub fn cluster_data(&self) -> String {
        self.below("clusterdata")
    }

    /// The key of an info.
    pub fn info(&self, key: &InfoKey) -> String {
        self.below(&match key {
            InfoKey::Keeper(uid) => format!("keepers/info/{uid}"),
            InfoKey::Proxy(uid) => format!("proxies/info/{uid}"),
            InfoKey::Sentinel(uid) => format!("sentinels/info/{uid}"),
        })
    }

    /// The prefix of the keepers' infos. Like the other two it has no trailing slash, as in Go.
    pub fn keeper_infos(&self) -> String {
        self.below("keepers/info")
    }

    /// The prefix of the proxies' infos.
    pub fn proxy_infos(&self) -> String {
        self.below("proxies/info")
    }

    /// The prefix of the sentinels' infos.
    pub fn sentinel_infos(&self) -> String {
        self.below("sentinels/info")
    }

    /// The prefix of the candidates' keys; it ends with a slash.
    pub fn candidates(&self) -> String {
        self.below("sentinel-leader/")
    }

    /// The prefix of every key of the cluster; it ends with a slash, so that `x` does not see `x2`.
    pub fn everything(&self) -> String {
        self.below("")
    }

    fn below(&self, name: &str) -> String {
        match self.0.as_str() {
            "" | "." => name.to_owned(),
            "/" => format!("/{name}"),
            path => format!("{path}/{name}"),
        }
    }
}

impl fmt::Display for ClusterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose info it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InfoKey {
    /// A keeper's.
    Keeper(KeeperUid),
    /// A proxy's.
    Proxy(ProxyUid),
    /// A sentinel's.
    Sentinel(SentinelUid),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_cleans_as_go_does() {
        for (prefix, cluster, path) in [
            ("stolon/cluster", "mycluster", "stolon/cluster/mycluster"),
            ("/stolon/cluster", "mycluster", "/stolon/cluster/mycluster"),
            ("/stolon//cluster/", "mycluster/", "/stolon/cluster/mycluster"),
            ("stolon/./x/../cluster", "c", "stolon/cluster/c"),
            ("../a", "c", "../a/c"),
            ("a/../..", "c", "../c"),
            ("/../..", "c", "/c"),
            ("", "c", "c"),
            ("", "/c", "/c"),
            ("a", "..", "."),
            ("/", "", "/"),
            ("", "", ""),
        ] {
            assert_eq!(ClusterPath::new(prefix, cluster).as_str(), path, "{prefix:?} {cluster:?}");
        }
    }

    #[test]
    fn keys_have_the_names_of_the_reference() {
        let path = ClusterPath::new("stolon/cluster", "mycluster");
        assert_eq!(path.cluster_data(), "stolon/cluster/mycluster/clusterdata");
        assert_eq!(
            path.info(&InfoKey::Keeper("keeper0".into())),
            "stolon/cluster/mycluster/keepers/info/keeper0"
        );
        assert_eq!(
            path.info(&InfoKey::Sentinel("aa".into())),
            "stolon/cluster/mycluster/sentinels/info/aa"
        );
        assert_eq!(
            path.info(&InfoKey::Proxy("bb".into())),
            "stolon/cluster/mycluster/proxies/info/bb"
        );
        assert_eq!(path.candidates(), "stolon/cluster/mycluster/sentinel-leader/");
        assert_eq!(path.everything(), "stolon/cluster/mycluster/");
        assert_eq!(path.keeper_infos(), "stolon/cluster/mycluster/keepers/info");
    }
}
