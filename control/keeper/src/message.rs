//! The model's lines for the log, given to the log.

use stolon_daemon::log::json;
use stolon_model::plan::Message;
use stolon_model::plan::message::{Level, Value};
use stolon_model::spec::PgParameters;
use tracing::field::{DisplayValue, display};
use tracing::{error, info};

/// Fields of an event have to be named at compile time, so each name the model may use stands here once; absent ones are left
/// out of the line.
macro_rules! emit {
    ($level:ident, $message:expr, [$($text:ident)*], [$($parameters:ident)*]) => {
        $level!(
            $($text = text($message, stringify!($text)),)*
            $($parameters = parameters($message, stringify!($parameters)).map(|p| shown(p)),)*
            "{}",
            $message.text
        )
    };
}

/// Writes one line.
pub fn log(message: &Message) {
    macro_rules! emit_all {
        ($level:ident) => {
            emit!(
                $level,
                message,
                [uid db cdDB bootUUID clusterBootUUID masterDB keeper followedDB role slot
                 prevSyncStandbyNames syncStandbyNames reason error],
                [curRecoveryParameters newRecoveryParameters]
            )
        };
    }
    match message.level {
        Level::Info => emit_all!(info),
        Level::Error => emit_all!(error),
    }
}

fn text<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.fields.iter().find_map(|(field, value)| match value {
        Value::Text(text) if *field == name => Some(text.as_str()),
        _ => None,
    })
}

fn parameters<'a>(message: &'a Message, name: &str) -> Option<&'a PgParameters> {
    message.fields.iter().find_map(|(field, value)| match value {
        Value::Parameters(parameters) if *field == name => Some(parameters),
        _ => None,
    })
}

fn shown(parameters: &PgParameters) -> DisplayValue<impl std::fmt::Display> {
    display(json(parameters))
}

/// Writes those lines of a plan that the plan before it did not have: one line per change, not one per pass.
#[derive(Debug, Default)]
pub struct Journal {
    said: Vec<Message>,
}

impl Journal {
    /// Takes the lines of the next plan.
    pub fn log(&mut self, messages: Vec<Message>) {
        for message in messages.iter().filter(|message| !self.said.contains(message)) {
            log(message);
        }
        self.said = messages;
    }
}
