//! The values of an event's fields as JSON.

use super::layout::{Field as Rendered, quote};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Debug, Display, Write as _};
use tracing::field::{Field, Visit};

thread_local! {
    /// Set by [`Json`] while it is being formatted, so that the visitor that formats it can tell it from plain text.
    /// A mark inside the text could be forged by whoever wrote the text.
    static IS_JSON: Cell<bool> = const { Cell::new(false) };
}

/// A field's value that is a list, a map or a struct: `info!(followers = %json(&followers), "...")`.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Json<'_, T> {
    Json(value)
}

/// See [`json()`].
#[derive(Clone, Copy, Debug)]
pub struct Json<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Display for Json<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value =
            serde_json::to_value(self.0).unwrap_or_else(|error| Value::String(error.to_string()));
        IS_JSON.set(true);
        match &value {
            // The reference spaces lists of strings, and nothing else below the top level.
            Value::Array(items) if items.iter().all(Value::is_string) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            _ => write!(f, "{value}"),
        }
    }
}

/// An error with its causes, as one sentence: `warn!(error = %chain(&error), "...")`.
pub fn chain(error: &dyn Error) -> Chain<'_> {
    Chain(error)
}

/// See [`chain()`].
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(&'a dyn Error);

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors have their cause in their own text, before what to do about it.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}

/// Collects message and fields of one event.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) fields: Vec<Rendered>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: String) {
        let name = field.name();
        self.fields.push((name.strip_prefix("r#").unwrap_or(name), value));
    }

    fn push_text(&mut self, field: &Field, text: &str) {
        match field.name() {
            "message" => text.clone_into(&mut self.message),
            _ => self.push(field, quote(text)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        IS_JSON.set(false);
        let text = format!("{value:?}");
        if IS_JSON.take() && serde_json::from_str::<IgnoredAny>(&text).is_ok() {
            self.push(field, text);
        } else {
            self.push_text(field, &text);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.push_text(field, &chain(value).to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value.to_string());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push(field, value.to_string());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.push(field, value.to_string()),
            false => self.push_text(field, &value.to_string()),
        }
    }
}
