//! What can go wrong with the store. No text here ever holds a value, a certificate or a key of one.

use crate::store::LeaseId;
use std::time::Duration;
use stolon_model::json::DecodeError;

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No endpoint could serve the request.
    #[error(
        "the store cannot {request}: {reason} (endpoints {endpoints}); check that etcd runs there and has a leader"
    )]
    Unavailable {
        /// What was asked, as a verb: `read "key"`.
        request: String,
        /// All configured endpoints.
        endpoints: String,
        /// What the last of them said.
        reason: String,
    },
    /// No endpoint answered in time.
    #[error(
        "the store did not {request} within {timeout:?} (endpoints {endpoints}); check the network to etcd and its load"
    )]
    Timeout {
        /// What was asked, as a verb: `read "key"`.
        request: String,
        /// All configured endpoints.
        endpoints: String,
        /// The bound that passed.
        timeout: Duration,
    },
    /// The store refused, and would refuse again.
    #[error("the store refused to {request}: {reason}")]
    Refused {
        /// What was asked, as a verb: `read "key"`.
        request: String,
        /// What the store said.
        reason: String,
    },
    /// The lease expired or was revoked, and its keys are gone.
    #[error("the lease {0} is gone; it expired or was revoked")]
    LeaseGone(LeaseId),
    /// The watch is over because the history it needed was compacted away.
    #[error("the watch of {target} fell behind a compaction of the store")]
    Compacted {
        /// What was watched.
        target: String,
    },
    /// The watch is over.
    #[error("the watch of {target} ended: {reason}")]
    WatchEnded {
        /// What was watched.
        target: String,
        /// Why.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same request may succeed later without anybody changing it.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

/// Why the cluster data could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The value is not what it should be; it is left as it is.
    #[error("the value of the key {key} cannot be understood: {error}")]
    Decode {
        /// The key.
        key: String,
        /// What is wrong with it.
        error: DecodeError,
    },
}

impl ReadError {
    /// Whether reading again may help without anybody changing the value.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Decode { .. } => false,
        }
    }
}
