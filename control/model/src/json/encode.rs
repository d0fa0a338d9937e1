//! Writing: the bytes that Go's encoder would write.

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};
use std::io::{Result, Write};

/// Writes `value` without blanks, as it stands in the store.
///
/// # Panics
///
/// If the value is none that JSON has, such as a map whose keys are no text. No type of this crate is such a one.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    write(value, CompactFormatter)
}

/// Writes `value` for people, indented by tabs, without a newline at the end.
///
/// # Panics
///
/// As [`encode`].
pub fn encode_pretty<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8_lossy(&write(value, PrettyFormatter::with_indent(b"\t"))).into_owned()
}

fn write<T: Serialize + ?Sized>(value: &T, layout: impl Formatter) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, GoStrings { layout });
    match value.serialize(&mut serializer) {
        Ok(()) => bytes,
        // Half a document must not get into the store, and there is no other way to go on.
        Err(error) => unreachable!("a value without a JSON form: {error}"),
    }
}

/// A layout with Go's way to write strings: `<`, `>` and `&` and the line separators of Unicode are escaped, and of the control
/// characters only newline, carriage return and tab have a short form.
struct GoStrings<F> {
    layout: F,
}

impl<F: Formatter> Formatter for GoStrings<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, text: &str) -> Result<()> {
        let is_special = |c| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = text;
        while let Some(position) = rest.find(is_special) {
            let (plain, after) = rest.split_at(position);
            to.write_all(plain.as_bytes())?;
            let mut characters = after.chars();
            if let Some(special) = characters.next() {
                write!(to, "\\u{:04x}", u32::from(special))?;
            }
            rest = characters.as_str();
        }
        to.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        escape: CharEscape,
    ) -> Result<()> {
        match escape {
            CharEscape::Backspace => to.write_all(b"\\u0008"),
            CharEscape::FormFeed => to.write_all(b"\\u000c"),
            escape => self.layout.write_char_escape(to, escape),
        }
    }

    fn begin_array<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.layout.begin_array(to)
    }

    fn end_array<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.layout.end_array(to)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> Result<()> {
        self.layout.begin_array_value(to, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.layout.end_array_value(to)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.layout.begin_object(to)
    }

    fn end_object<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.layout.end_object(to)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> Result<()> {
        self.layout.begin_object_key(to, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.layout.end_object_key(to)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.layout.begin_object_value(to)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.layout.end_object_value(to)
    }
}
