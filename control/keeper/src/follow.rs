//! Reads the cluster data and says what they want of this keeper.

use crate::metrics::Metrics;
use std::time::Duration;
use stolon_model::cluster::ClusterData;
use stolon_model::plan::{Desired, KeeperOptions};
use stolon_model::spec::{ClusterSpec, Spec};
use stolon_store::{ClusterStore, ReadError, StoreError};
use tracing::{debug, error, info};

/// Reads the cluster data for one keeper.
#[derive(Debug)]
pub struct Follower {
    store: ClusterStore,
    options: KeeperOptions,
    metrics: Metrics,
    /// The options of the last cluster spec that could be used; the defaults before.
    pub spec: Spec,
    is_reachable: bool,
}

impl Follower {
    /// For the keeper that `options` describes.
    pub fn new(store: ClusterStore, options: KeeperOptions, metrics: Metrics) -> Self {
        let spec = ClusterSpec::default().with_defaults();
        metrics.sleep_interval(spec.sleep_interval);
        Self { store, options, metrics, spec, is_reachable: true }
    }

    /// Reads the cluster data. An error is logged when it is a change, and means that everything stays as it is.
    pub async fn read(&mut self) -> Option<Desired> {
        let desired = match self.store.cluster_data().await {
            Ok(read) => Ok(self.understand(read.value.as_ref())),
            Err(ReadError::Decode { key, error }) => Ok(Desired::Unusable {
                reason: format!("the value of the key {key} cannot be understood: {error}"),
            }),
            Err(ReadError::Store(error)) => Err(error),
        };
        self.note(desired.as_ref().err());
        desired.ok()
    }

    /// `sleepInterval`.
    pub fn interval(&self) -> Duration {
        self.spec.sleep_interval
    }

    fn understand(&mut self, data: Option<&ClusterData>) -> Desired {
        let desired = Desired::read(data, &self.options);
        if matches!(desired, Desired::NothingKnown | Desired::Unusable { .. }) {
            return desired;
        }
        let spec = data.and_then(|data| data.cluster.as_ref()?.spec.as_ref());
        match spec.map(ClusterSpec::validate) {
            Some(Ok(spec)) => {
                self.metrics.cluster_data_read();
                self.metrics.sleep_interval(spec.sleep_interval);
                self.spec = spec;
                desired
            }
            Some(Err(error)) => {
                Desired::Unusable { reason: format!("clusterdata validation failed: {error}") }
            }
            None => desired,
        }
    }

    fn note(&mut self, failure: Option<&StoreError>) {
        match failure {
            Some(failure) => {
                self.metrics.store_errors.increment(1);
                if self.is_reachable {
                    error!(error = %failure, "error retrieving cluster data");
                } else {
                    debug!(error = %failure, "error retrieving cluster data");
                }
            }
            None if !self.is_reachable => info!("cluster data can be read again"),
            None => {}
        }
        self.is_reachable = failure.is_none();
    }
}
