//! Whether cluster data may be acted on.

use super::{Cluster, ClusterData, FORMAT_VERSION};
use crate::spec::{Spec, SpecError};

/// Nobody may act on this cluster data. The texts are Stolon's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterDataError {
    /// Another release wrote it, in a form that this one does not know.
    #[error("unsupported cluster data format version {0}")]
    FormatVersion(u64),
    /// It has no cluster, or the cluster no specification.
    #[error("no cluster spec available")]
    NoSpec,
    /// The specification breaks a rule.
    #[error("clusterdata validation failed: {0}")]
    Spec(#[source] SpecError),
}

impl ClusterData {
    /// The cluster and all options of its specification, if one may act on them.
    pub fn validate(&self) -> Result<(&Cluster, Spec), ClusterDataError> {
        if self.format_version != FORMAT_VERSION {
            return Err(ClusterDataError::FormatVersion(self.format_version));
        }
        let cluster = self.cluster.as_ref().ok_or(ClusterDataError::NoSpec)?;
        let spec = cluster.spec.as_ref().ok_or(ClusterDataError::NoSpec)?;
        Ok((cluster, spec.validate().map_err(ClusterDataError::Spec)?))
    }
}

#[cfg(test)]
mod tests;
