//! The first cluster data of a cluster.

use super::{Cluster, ClusterData, ClusterStatus, FORMAT_VERSION, Phase, Proxy};
use crate::generation::Generation;
use crate::spec::ClusterSpec;
use crate::time::GoTime;
use crate::uid::ClusterUid;

impl ClusterData {
    /// A cluster that has no keepers yet, with a specification that the caller has validated.
    pub fn initial(uid: ClusterUid, spec: ClusterSpec, now: GoTime) -> Self {
        let cluster = Cluster {
            uid,
            generation: Generation::INITIAL,
            change_time: now,
            spec: Some(spec),
            status: ClusterStatus { phase: Some(Phase::Initializing), ..ClusterStatus::default() },
        };
        Self {
            format_version: FORMAT_VERSION,
            cluster: Some(cluster),
            proxy: Some(Proxy::default()),
            ..Self::default()
        }
    }
}
