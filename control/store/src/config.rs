//! From the flags about the store to a connection (reference, chapters 2.1, 2.3 and 2.8).

mod endpoints;
mod tls;

use crate::cluster::ClusterStore;
use crate::etcd::EtcdStore;
use crate::path::ClusterPath;
use std::sync::Arc;
use std::time::Duration;

pub use tls::{Tls, TlsFiles};

/// The flags as given.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    /// `--store-backend`.
    pub backend: String,
    /// `--store-endpoints`; empty stands for the default.
    pub endpoints: String,
    /// `--store-prefix`.
    pub prefix: String,
    /// `--cluster-name`.
    pub cluster_name: String,
    /// `--store-timeout`.
    pub timeout: Duration,
    /// The four flags about TLS.
    pub tls: TlsFiles,
}

/// `--store-prefix` if not given.
pub const DEFAULT_PREFIX: &str = "stolon/cluster";

/// `--store-timeout` if not given.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

impl Default for ConfigSource {
    fn default() -> Self {
        Self {
            backend: String::new(),
            endpoints: String::new(),
            prefix: DEFAULT_PREFIX.to_owned(),
            cluster_name: String::new(),
            timeout: DEFAULT_TIMEOUT,
            tls: TlsFiles::default(),
        }
    }
}

/// Where the store is and how to speak with it: checked, with the TLS files read.
#[derive(Clone, Debug)]
pub struct Config {
    /// URLs with one scheme and nothing behind the authority.
    pub endpoints: Vec<String>,
    /// Where the cluster's keys are.
    pub path: ClusterPath,
    /// The bound of every request.
    pub timeout: Duration,
    /// Present if and only if the scheme is https.
    pub tls: Option<Tls>,
}

/// Why the flags make no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `--cluster-name` is missing.
    #[error("cluster name required")]
    NoClusterName,
    /// `--store-backend` is missing.
    #[error("store backend type required")]
    NoBackend,
    /// `--store-backend` names no store.
    #[error("Unknown store backend: {0:?}")]
    UnknownBackend(String),
    /// `--store-backend` names a store of Stolon that is not implemented here.
    #[error("the store backend {0:?} is not supported; use etcdv3")]
    UnsupportedBackend(String),
    /// `--store-timeout` is zero.
    #[error("the store timeout must be greater than zero")]
    NoTimeout,
    /// An endpoint is no URL.
    #[error("cannot parse endpoint {endpoint:?}: {reason}")]
    Endpoint {
        /// The endpoint, without the user it may name.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// http and https side by side.
    #[error("all the endpoints must have the same scheme")]
    MixedSchemes,
    /// Neither http nor https.
    #[error("endpoints scheme must be http or https")]
    Scheme,
    /// A file about TLS is missing or not what it should be.
    #[error("cannot create store tls config: {0}")]
    Tls(String),
    /// The client could not be made.
    #[error("cannot create the etcd client: {0}")]
    Client(String),
}

impl Config {
    /// Checks the flags and reads the TLS files.
    ///
    /// ```
    /// let source = stolon_store::ConfigSource {
    ///     backend: "etcdv3".into(),
    ///     endpoints: "10.0.0.1:2379,10.0.0.2:2379".into(),
    ///     cluster_name: "mycluster".into(),
    ///     ..Default::default()
    /// };
    /// let config = stolon_store::Config::parse(&source)?;
    /// assert_eq!(config.endpoints, ["http://10.0.0.1:2379", "http://10.0.0.2:2379"]);
    /// assert_eq!(config.path.cluster_data(), "stolon/cluster/mycluster/clusterdata");
    /// # Ok::<(), stolon_store::ConfigError>(())
    /// ```
    pub fn parse(source: &ConfigSource) -> Result<Self, ConfigError> {
        if source.cluster_name.is_empty() {
            return Err(ConfigError::NoClusterName);
        }
        match source.backend.as_str() {
            "" => return Err(ConfigError::NoBackend),
            "etcdv3" => {}
            "etcd" | "etcdv2" | "consul" | "kubernetes" => {
                return Err(ConfigError::UnsupportedBackend(source.backend.clone()));
            }
            other => return Err(ConfigError::UnknownBackend(other.to_owned())),
        }
        if source.timeout.is_zero() {
            return Err(ConfigError::NoTimeout);
        }
        let endpoints = endpoints::parse(&source.endpoints)?;
        let is_encrypted = endpoints.iter().all(|url| url.starts_with("https:"));
        Ok(Self {
            path: ClusterPath::new(&source.prefix, &source.cluster_name),
            timeout: source.timeout,
            tls: is_encrypted.then(|| Tls::load(&source.tls)).transpose()?,
            endpoints,
        })
    }
}

/// Makes the client of the store. It connects at the first request: that etcd is down is no error here.
pub async fn connect(config: Config) -> Result<ClusterStore, ConfigError> {
    let path = config.path.clone();
    let store = EtcdStore::new(config).await?;
    Ok(ClusterStore::new(Arc::new(store), path))
}
