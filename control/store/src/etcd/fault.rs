//! What an error of etcd means for the request it befell.

use crate::error::StoreError;
use crate::store::LeaseId;
use etcd_client::Error;
use std::error::Error as _;
use tonic::{Code, Status};

/// What to do about an error.
pub enum Fault {
    /// Another member, or the same one later, may do better.
    Member(String),
    /// Every member would say the same.
    Final(StoreError),
}

impl Fault {
    pub fn of(error: Error, request: &str) -> Self {
        match error {
            Error::GRpcStatus(status) => Self::of_status(&status, request),
            Error::TransportError(error) => Self::Member(deepest(&error)),
            other => Self::Member(other.to_string()),
        }
    }

    fn of_status(status: &Status, request: &str) -> Self {
        // With a source it is an error of the connection, not an answer.
        if status.source().is_some() {
            return Self::Member(deepest(status));
        }
        let refused = || {
            Self::Final(StoreError::Refused {
                request: request.to_owned(),
                reason: status.message().to_owned(),
            })
        };
        match status.code() {
            Code::NotFound if status.message().contains("lease not found") => {
                Self::Final(StoreError::LeaseGone(LeaseId(0)))
            }
            Code::OutOfRange if status.message().contains("compacted") => {
                Self::Final(StoreError::Compacted { target: request.to_owned() })
            }
            // Too many requests pass; a full database does not.
            Code::ResourceExhausted if status.message().contains("too many requests") => {
                Self::Member(status.message().to_owned())
            }
            Code::ResourceExhausted
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => refused(),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable => Self::Member(status.message().to_owned()),
        }
    }
}

/// The innermost error, which names the cause: the layers around it all say "transport error".
fn deepest(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
