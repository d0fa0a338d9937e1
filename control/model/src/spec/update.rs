//! Changing a specification (reference, chapters 4.3 and 4.4).

use super::{ClusterRole, ClusterSpec, SpecError};
use crate::json::{self, DecodeError, Node};
use serde_json::Value;

/// A specification may not take the place of another. The texts are Stolon's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// It breaks a rule.
    #[error("invalid cluster spec: {0}")]
    Invalid(#[source] SpecError),
    /// The cluster has been made already.
    #[error("cannot change cluster init mode")]
    InitMode,
    /// A cluster that took writes cannot follow another.
    #[error("cannot update a cluster from master role to standby role")]
    Role,
}

/// The specification to store in place of `old`: `new`, as it is.
pub fn update(old: &ClusterSpec, new: ClusterSpec) -> Result<ClusterSpec, UpdateError> {
    let to = new.validate().map_err(UpdateError::Invalid)?;
    if old.init_mode != new.init_mode {
        return Err(UpdateError::InitMode);
    }
    if old.with_defaults().role == ClusterRole::Master && to.role == ClusterRole::Standby {
        return Err(UpdateError::Role);
    }
    Ok(new)
}

/// A patch cannot be applied. The texts before the cause are Stolon's; `stolonctl` puts `failed to patch cluster spec: ` before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is no JSON object.
    #[error("failed to merge patch cluster spec: {0}")]
    Merge(#[source] DecodeError),
    /// It holds a directive of Kubernetes' strategic merge patches. To take it for an option would do something else than it
    /// says.
    #[error(
        "failed to merge patch cluster spec: the patch directive {0:?} is not known here, name each option, \
         with null for what is to go"
    )]
    Directive(String),
    /// What the patch makes is no specification.
    #[error("failed to unmarshal patched cluster spec: {0}")]
    Result(#[source] DecodeError),
}

/// Applies a JSON merge patch (RFC 7386) to the specification as it is stored, without defaults. The keys of both are in one
/// spelling before they are merged, so that a patch of `primaryConnInfo` changes what is stored as `primaryConninfo`.
pub fn patch(old: &ClusterSpec, patch: &[u8]) -> Result<ClusterSpec, PatchError> {
    match Node::parse(patch).map_err(PatchError::Merge)? {
        // For Stolon an empty patch.
        Node::Null => return Ok(old.clone()),
        Node::Object(fields) => {
            if let Some(name) = directive(&fields) {
                return Err(PatchError::Directive(name.to_owned()));
            }
        }
        other => return Err(PatchError::Merge(DecodeError::mismatch("an object", &other))),
    }
    let patch: Value = json::canonical::<ClusterSpec>(patch).map_err(PatchError::Result)?.into();
    let mut document: Value =
        json::canonical::<ClusterSpec>(&json::encode(old)).map_err(PatchError::Result)?.into();
    json_patch::merge(&mut document, &patch);
    json::decode(&json::encode(&document)).map_err(PatchError::Result)
}

/// What the keys of directives begin with.
const DIRECTIVES: [&str; 4] =
    ["$patch", "$retainKeys", "$setElementOrder", "$deleteFromPrimitiveList"];

/// The first key that is a directive.
fn directive(fields: &[(String, Node)]) -> Option<&str> {
    fields.iter().find_map(|(key, value)| match value {
        _ if DIRECTIVES.iter().any(|word| key.starts_with(word)) => Some(key.as_str()),
        Node::Object(fields) => directive(fields),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
