//! The log: one line per event on stderr, written by `tracing`'s macros.
//!
//! The layout is the reference's (time, level, caller, message, fields, separated by TABs) or one JSON object a line.
//! The level applies to the product's own crates; what the libraries below say is shown from WARN on. A reader of
//! stderr that is slow, stuck or gone never holds up the process: lines it does not take are counted and dropped.

mod field;
mod layer;
mod layout;
mod level;
mod writer;

pub use field::{Chain, Json, chain, json};
pub use layout::Format;
pub use level::{InvalidLogLevel, Level};

use layout::{Layout, Line};
use std::io::IsTerminal as _;
use std::panic::{Location, PanicHookInfo};
use std::sync::OnceLock;
use std::time::Duration;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use writer::Writer;

/// How the log looks and how much it tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSettings {
    /// The least important level that is shown.
    pub level: Level,
    /// Whether levels are coloured; if not given, iff stderr is a terminal.
    pub color: Option<bool>,
    /// The layout.
    pub format: Format,
}

/// How long the end of the process may wait for a slow reader of stderr.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

static LAYOUT: OnceLock<Layout> = OnceLock::new();
static WRITER: OnceLock<Writer> = OnceLock::new();

/// Starts the log of this process. A second call changes nothing.
pub fn init(settings: LogSettings) {
    let layout = *LAYOUT.get_or_init(|| layout(settings));
    let subscriber =
        Registry::default().with(layer::LogLayer::new(settings.level, layout, writer()));
    // Only a second call finds a subscriber that is set already.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(report_panic));
    }
}

/// Writes a FATAL line, also before [`init`], and waits (briefly) until it is out. The caller then ends with exit code 1.
#[track_caller]
pub fn fatal(message: &str) {
    let location = Location::caller();
    emit(Level::Fatal, location, message);
    flush();
}

/// Waits until every line so far is written, though not for long if the reader is stuck.
pub fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush(FLUSH_TIMEOUT);
    }
}

fn layout(settings: LogSettings) -> Layout {
    let color = settings.color.unwrap_or_else(|| std::io::stderr().is_terminal());
    Layout { format: settings.format, color }
}

fn writer() -> &'static Writer {
    WRITER.get_or_init(|| Writer::start(std::io::stderr()))
}

fn emit(level: Level, location: &Location<'_>, message: &str) {
    let layout = LAYOUT.get().copied().unwrap_or_else(|| layout(LogSettings::default()));
    let caller = layout::caller(Some(location.file()), Some(location.line()));
    let time = jiff::Zoned::now();
    let line = Line { time: &time, level, caller: &caller, message, fields: &[] };
    writer().write(layout.render(&line));
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let payload = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let payload = payload.unwrap_or("no message");
    if let Some(location) = info.location() {
        emit(Level::Error, location, &format!("panic: {payload}"));
    }
}
