//! The file given by `--initial-cluster-spec`.

use std::path::Path;
use stolon_model::json::{self, DecodeError};
use stolon_model::spec::{ClusterSpec, SpecError};

/// Why the file is no specification.
#[derive(Debug, thiserror::Error)]
pub enum InitialSpecError {
    /// It cannot be read.
    #[error(
        "cannot create sentinel: cannot read provided initial cluster config file: {file}: {error}"
    )]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is not JSON of a specification.
    #[error("cannot create sentinel: cannot parse provided initial cluster config: {0}")]
    Parse(DecodeError),
    /// It breaks a rule.
    #[error("cannot create sentinel: invalid initial cluster: {0}")]
    Invalid(SpecError),
}

/// Reads and checks the file; no name means that there is none.
pub fn read(file: &str) -> Result<Option<ClusterSpec>, InitialSpecError> {
    if file.is_empty() {
        return Ok(None);
    }
    let bytes = std::fs::read(Path::new(file))
        .map_err(|error| InitialSpecError::Read { file: file.to_owned(), error })?;
    let spec: ClusterSpec = json::decode(&bytes).map_err(InitialSpecError::Parse)?;
    spec.validate().map_err(InitialSpecError::Invalid)?;
    Ok(Some(spec))
}
