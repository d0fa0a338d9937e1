//! The flags of every binary: which cluster, and where its store is.

use crate::stop::UsageError;
use std::path::PathBuf;
use stolon_model::quote::quote;
use stolon_model::time::GoDuration;
use stolon_store::config::DEFAULT_PREFIX;
use stolon_store::{Config, ConfigSource, TlsFiles};

/// Which cluster, and where its store is. Every binary flattens this into its own flags.
#[derive(Clone, Debug, clap::Args)]
pub struct CommonFlags {
    /// cluster name
    #[arg(long, global = true, default_value = "")]
    pub cluster_name: String,
    /// store backend type (etcdv3)
    #[arg(long, global = true, default_value = "")]
    pub store_backend: String,
    /// a comma-delimited list of store endpoints (use https scheme for tls communication) (default http://127.0.0.1:2379)
    #[arg(long, global = true, default_value = "")]
    pub store_endpoints: String,
    /// store request timeout
    #[arg(long, global = true, default_value = "5s")]
    pub store_timeout: GoDuration,
    /// the store base prefix
    #[arg(long, global = true, default_value = DEFAULT_PREFIX)]
    pub store_prefix: String,
    /// certificate file for client identification to the store
    #[arg(long, global = true, default_value = "")]
    pub store_cert_file: String,
    /// private key file for client identification to the store
    #[arg(long, global = true, default_value = "")]
    pub store_key: String,
    /// verify certificates of HTTPS-enabled store servers using this CA bundle
    #[arg(long, global = true, default_value = "")]
    pub store_ca_file: String,
    /// skip store certificate verification (insecure!!!)
    #[arg(long, global = true)]
    pub store_skip_tls_verify: bool,
    /// metrics listen address i.e "0.0.0.0:8080" (disabled by default)
    #[arg(long, global = true, default_value = "")]
    pub metrics_listen_address: String,
    /// the k8s resource kind to be used to store stolon clusterdata and do sentinel leader election (kubernetes store backend only)
    #[arg(long, global = true, default_value = "")]
    pub kube_resource_kind: String,
}

impl CommonFlags {
    /// Checks what every program needs before anything else, in Stolon's order and words.
    pub fn check(&self) -> Result<(), UsageError> {
        if self.cluster_name.is_empty() {
            return Err(UsageError::new("cluster name required"));
        }
        match self.store_backend.as_str() {
            "" => Err(UsageError::new("store backend type required")),
            "etcdv3" => Ok(()),
            "etcd" | "etcdv2" => Err(UsageError::new(format!(
                "store backend {:?} means the etcd v2 API, which this build does not speak, and the v3 API of the same servers \
                 is another store: use --store-backend=etcdv3 and bring an existing cluster over with stolonctl clusterdata \
                 read and write",
                self.store_backend
            ))),
            "kubernetes" => {
                match self.kube_resource_kind.as_str() {
                    "configmap" => {}
                    "" => return Err(UsageError::new("unspecified kubernetes resource kind")),
                    kind => {
                        let text = format!("wrong kubernetes resource kind: {}", quote(kind));
                        return Err(UsageError::new(text));
                    }
                }
                Err(self.left_out())
            }
            "consul" => Err(self.left_out()),
            other => Err(UsageError::new(format!("Unknown store backend: {}", quote(other)))),
        }
    }

    /// How to reach the store, after [`CommonFlags::check`]. Reads the TLS files. What is wrong is said in Stolon's words.
    pub fn store_config(&self) -> Result<Config, UsageError> {
        self.check()?;
        let source = ConfigSource {
            backend: self.store_backend.clone(),
            endpoints: self.store_endpoints.clone(),
            prefix: self.store_prefix.clone(),
            cluster_name: self.cluster_name.clone(),
            timeout: self.store_timeout.to_std(),
            tls: TlsFiles {
                ca_file: given(&self.store_ca_file),
                cert_file: given(&self.store_cert_file),
                key_file: given(&self.store_key),
                skip_verify: self.store_skip_tls_verify,
            },
        };
        Config::parse(&source)
            .map_err(|error| UsageError::new(format!("cannot create kv store: {error}")))
    }

    fn left_out(&self) -> UsageError {
        UsageError::new(format!(
            "store backend {:?} is left out of this build, which speaks etcd v3 only: use --store-backend=etcdv3 and bring an \
             existing cluster over with stolonctl clusterdata read and write",
            self.store_backend
        ))
    }
}

fn given(path: &str) -> Option<PathBuf> {
    Some(path).filter(|path| !path.is_empty()).map(PathBuf::from)
}
