//! Quoting for messages as Go's verb `%q` does.

use std::fmt::Write;

/// The text between double quotes, on one line: control characters and what cannot be shown are escaped.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        let short = match c {
            '"' | '\\' => Some(c),
            '\x07' => Some('a'),
            '\x08' => Some('b'),
            '\x0c' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\x0b' => Some('v'),
            _ => None,
        };
        // Writing into a string cannot fail.
        let _ = match (short, u32::from(c)) {
            (Some(short), _) => write!(quoted, "\\{short}"),
            (None, 0x20..=0x7e) => write!(quoted, "{c}"),
            (None, code) if code < 0x80 => write!(quoted, "\\x{code:02x}"),
            (None, _) if is_shown(c) => write!(quoted, "{c}"),
            (None, code) if code < 0x1_0000 => write!(quoted, "\\u{code:04x}"),
            (None, code) => write!(quoted, "\\U{code:08x}"),
        };
    }
    quoted.push('"');
    quoted
}

/// Whether a character outside of ASCII has a picture of its own; the standard library's debug form knows it.
fn is_shown(c: char) -> bool {
    c.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn texts_are_quoted_as_go_does() {
        for (text, quoted) in [
            ("", r#""""#),
            ("plain é 😀", r#""plain é 😀""#),
            ("bad\n", r#""bad\n""#),
            (r#"a"b\c'd"#, r#""a\"b\\c'd""#),
            ("\u{7}\u{8}\u{c}\r\t\u{b}", r#""\a\b\f\r\t\v""#),
            ("\u{0}\u{1b}\u{7f}", r#""\x00\x1b\x7f""#),
            ("\u{85}\u{200b}\u{a0}\u{feff}", r#""\u0085\u200b\u00a0\ufeff""#),
            ("\u{e0001}", r#""\U000e0001""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }
}
