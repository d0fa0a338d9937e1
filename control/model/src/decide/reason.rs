//! Why a decision is as it is.

use crate::uid::{DbUid, KeeperUid};
use serde_json::Value;

/// One sentence of the log with its fields, and a label for a metric. Messages and field names are the reference's.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// How grave.
    pub level: Level,
    /// Short and stable, for a metric.
    pub label: &'static str,
    /// The sentence.
    pub message: String,
    /// What it is about, in order.
    pub fields: Vec<(&'static str, Value)>,
}

/// How grave a reason is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For those who look for a fault.
    Debug,
    /// Something happens.
    Info,
    /// Something is wrong, and the cluster goes on.
    Warn,
    /// Something is wrong, and somebody should look.
    Error,
}

impl Reason {
    /// For those who look for a fault.
    pub fn debug(label: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Debug, label, message)
    }

    fn new(level: Level, label: &'static str, message: impl Into<String>) -> Self {
        Self { level, label, message: message.into(), fields: Vec::new() }
    }

    /// Something happens.
    pub fn info(label: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Info, label, message)
    }

    /// Something is wrong, and the cluster goes on.
    pub fn warn(label: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Warn, label, message)
    }

    /// Something is wrong, and somebody should look.
    pub fn error(label: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Error, label, message)
    }

    /// The same with one more field.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The same with the field `db`.
    pub fn db(self, uid: &DbUid) -> Self {
        self.with("db", uid.as_str())
    }

    /// The same with the field `keeper`.
    pub fn keeper(self, uid: &KeeperUid) -> Self {
        self.with("keeper", uid.as_str())
    }

    /// Whether `other` says the same of the same things. Numbers are left out, for WAL positions move with each report
    /// and a condition that lasts is not worth a line each time.
    pub fn repeats(&self, other: &Reason) -> bool {
        let named = |reason: &Reason| -> Vec<(&'static str, Value)> {
            reason.fields.iter().filter(|(_, value)| !value.is_number()).cloned().collect()
        };
        self.label == other.label
            && self.level == other.level
            && self.message == other.message
            && named(self) == named(other)
    }
}
