//! JSON as Go reads and writes it (reference, chapter 3.1). All values in the store, the keeper's files and specifications go
//! through here.
//!
//! Reading is as liberal as Go's package `encoding/json`: keys of structures match in any case, unknown ones are passed over,
//! missing ones are zero, `null` is zero too, and of several equal ones the last counts. It is as strict as Go where Go is: a
//! number for an integer must be whole and in range, a string must be a string, nothing may follow the document.
//!
//! In two things it is stricter, because the laxer way loses data silently. Go takes any word where a phase, a role or an init
//! mode belongs; here a word that the model does not know is an error that names it: to act on a state that is not understood is
//! not safe, and to write it back without the word is not either. (The words of a cluster *specification* are the user's; they
//! are kept as they are, and validation judges them.) And Go puts a replacement character for what is not Unicode in a string;
//! here that is an error.
//!
//! Writing is Go's byte for byte: declaration order, sorted maps, and its escapes, those for HTML among them.

mod encode;
mod fields;
mod node;
mod source;

pub use encode::{encode, encode_pretty};

pub(crate) use node::Node;

use fields::FieldNames;
use serde::de::DeserializeOwned;
use source::Source;
use std::fmt;

/// A document is not the JSON of what it should be. Says where and what, and repeats no value that could be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The way from the top of the document to the place, such as `cluster.spec.maxStandbys`; empty for the document itself.
    path: String,
    what: String,
}

impl DecodeError {
    fn new(what: impl Into<String>) -> Self {
        Self { path: String::new(), what: what.into() }
    }

    /// Something else stands where `wanted` belongs.
    pub(crate) fn mismatch(wanted: &str, found: &Node) -> Self {
        Self::new(format!("must be {wanted}, not {}", found.describe()))
    }

    /// The same mistake, seen from the object or list that holds it under `step`.
    fn under(mut self, step: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{separator}{}", self.path);
        self
    }

    /// Where in the document; empty for the document as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for DecodeError {}

/// Reads one document and nothing after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::deserialize(Source::new(&mut Node::parse(bytes)?))
}

/// The document with the keys of structures in the spelling that `T` writes, if it is one that `T` can be read from. Unlike `T` it
/// still tells what was `null` and what was missing.
pub(crate) fn canonical<T: DeserializeOwned>(bytes: &[u8]) -> Result<Node, DecodeError> {
    let mut node = Node::parse(bytes)?;
    T::deserialize(Source::new(&mut node))?;
    Ok(node)
}

/// The keys of the structure `T` in the order in which it writes them.
pub(crate) fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    match T::deserialize(FieldNames) {
        Err(names) => names.0,
        Ok(_) => &[],
    }
}

#[cfg(test)]
mod tests;
