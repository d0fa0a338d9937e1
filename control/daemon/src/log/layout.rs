//! What a line looks like.

use super::level::Level;
use jiff::Zoned;
use std::fmt::Write as _;
use std::path::Path;

/// The shape of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The reference's: columns separated by TABs.
    #[default]
    Go,
    /// One JSON object.
    Json,
}

/// The shape and its colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) color: bool,
}

/// A field: its name and its value as JSON.
pub(super) type Field = (&'static str, String);

/// One event, ready to be written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) time: &'a Zoned,
    pub(super) level: Level,
    pub(super) caller: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: &'a [Field],
}

/// The keys of the JSON form that are not fields.
const OWN_KEYS: [&str; 4] = ["time", "level", "caller", "message"];

impl Layout {
    /// The line with its newline.
    pub(super) fn render(self, line: &Line<'_>) -> String {
        match self.format {
            Format::Go => self.columns(line),
            Format::Json => object(line),
        }
    }

    fn columns(self, line: &Line<'_>) -> String {
        let word = line.level.word();
        let level = match self.color {
            true => format!("\x1b[{}m{word}\x1b[0m", line.level.color()),
            false => word.to_owned(),
        };
        let mut text = format!("{}\t{level}\t{}\t", time(line.time), line.caller);
        push_on_one_line(&mut text, line.message);
        for (index, (name, value)) in line.fields.iter().enumerate() {
            let before = if index == 0 { "\t{" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{before}{}: {value}", quote(name));
        }
        text.push_str(if line.fields.is_empty() { "\n" } else { "}\n" });
        text
    }
}

fn object(line: &Line<'_>) -> String {
    let level = line.level.word().to_ascii_lowercase();
    let mut text = format!(
        r#"{{"time":{},"level":"{level}","caller":{},"message":{}"#,
        quote(&line.time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()),
        quote(line.caller),
        quote(line.message)
    );
    for (name, value) in line.fields {
        let own = if OWN_KEYS.contains(name) { "field_" } else { "" };
        let _ = write!(text, ",{}:{value}", quote(&format!("{own}{name}")));
    }
    text.push_str("}\n");
    text
}

fn time(time: &Zoned) -> String {
    let offset = if time.offset().is_zero() { "Z" } else { "%z" };
    time.strftime(&format!("%Y-%m-%dT%H:%M:%S%.3f{offset}")).to_string()
}

/// The message stays as it is but for what would start a new line or steer a terminal.
fn push_on_one_line(text: &mut String, message: &str) {
    for character in message.chars() {
        match character {
            '\t' => text.push(character),
            _ if character.is_control() => text.extend(character.escape_default()),
            _ => text.push(character),
        }
    }
}

/// The last directory and the file, with the line. `src` says nothing, so the crate's directory stands for it.
pub(super) fn caller(file: Option<&str>, line: Option<u32>) -> String {
    let Some(path) = file.map(Path::new) else { return "unknown:0".to_owned() };
    let name = |part: Option<&std::ffi::OsStr>| {
        part.and_then(|part| part.to_str()).unwrap_or("unknown").to_owned()
    };
    let directory = path
        .ancestors()
        .skip(1)
        .filter_map(|directory| directory.file_name())
        .find(|directory| *directory != "src");
    format!("{}/{}:{}", name(directory), name(path.file_name()), line.unwrap_or(0))
}

/// The text as a JSON string.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
