//! From `tracing` events to lines.

use super::field::Fields;
use super::layout::{self, Layout, Line};
use super::level::Level;
use super::writer::Writer;
use jiff::Zoned;
use tracing::metadata::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// What every module path of ours begins with.
const OURS: &str = "stolon";

#[derive(Debug)]
pub(super) struct LogLayer {
    level: Level,
    layout: Layout,
    writer: &'static Writer,
}

impl LogLayer {
    pub(super) fn new(level: Level, layout: Layout, writer: &'static Writer) -> Self {
        Self { level, layout, writer }
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        let level = if metadata.target().starts_with(OURS) {
            self.level
        } else {
            self.level.max(Level::Warn)
        };
        *metadata.level() <= level.filter()
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.shows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.shows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.filter())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = Line {
            time: &Zoned::now(),
            level: Level::from(*metadata.level()),
            caller: &layout::caller(metadata.file(), metadata.line()),
            message: &fields.message,
            fields: &fields.fields,
        };
        self.writer.write(self.layout.render(&line));
    }
}

#[cfg(test)]
mod tests;
