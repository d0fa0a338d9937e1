//! Values in Go's notation: booleans and integers. Durations are [`GoDuration`](stolon_model::time::GoDuration)'s own business.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction};
use std::any::TypeId;
use std::error::Error as _;
use stolon_model::quote::quote;
use stolon_model::time::GoDuration;

/// What kind of value a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A switch: a value only after `=`.
    Bool,
    /// A whole number, possibly negative.
    Int,
    /// A whole number.
    Uint,
    /// A span of time in Go's notation.
    Duration,
    /// Any text.
    Text,
}

impl Kind {
    /// The kind of a flag as it was declared.
    pub fn of(arg: &Arg) -> Self {
        let id = arg.get_value_parser().type_id();
        if id == TypeId::of::<bool>() || matches!(arg.get_action(), ArgAction::SetTrue) {
            Self::Bool
        } else if id == TypeId::of::<i64>() {
            Self::Int
        } else if id == TypeId::of::<u64>() {
            Self::Uint
        } else if id == TypeId::of::<GoDuration>() {
            Self::Duration
        } else {
            Self::Text
        }
    }

    /// The word for it in the help; a switch has none.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bool => "",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Duration => "duration",
            Self::Text => "string",
        }
    }

    /// Whether `value` is what Go leaves out of the help as a default.
    pub fn is_zero(self, value: &str) -> bool {
        match self {
            Self::Bool => value == "false",
            Self::Int | Self::Uint => value == "0",
            Self::Duration => value == "0s" || value == "0",
            Self::Text => value.is_empty(),
        }
    }
}

/// Gives a declared flag the dialect: Go's words for booleans and numbers.
pub fn in_dialect(arg: Arg) -> Arg {
    match Kind::of(&arg) {
        Kind::Bool => {
            let no_default = arg.get_default_values().is_empty();
            let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
            let arg = arg
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_parser(ValueParser::new(parse_bool));
            if no_default && is_switch { arg.default_value("false") } else { arg }
        }
        Kind::Int => arg.value_parser(ValueParser::new(parse_int)).allow_hyphen_values(true),
        Kind::Uint => arg.value_parser(ValueParser::new(parse_uint)),
        Kind::Duration | Kind::Text => arg.allow_hyphen_values(true),
    }
}

/// Why `value` does not fit the flag, if so.
pub fn check(arg: &Arg, value: &str) -> Result<(), String> {
    let name = arg.get_long().unwrap_or_default();
    // Each value is tried alone, so that the first bad one is the one that is reported, an overridden one too.
    let alone = arg.clone().short(None).long(name.to_owned());
    let command = clap::Command::new("check").disable_help_flag(true).arg(alone);
    match command.try_get_matches_from(["check".to_owned(), format!("--{name}={value}")]) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.source().map_or_else(|| error.to_string(), |why| why.to_string())),
    }
}

/// The value of a switch.
fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
    }
}

fn parse_int(text: &str) -> Result<i64, String> {
    let error = |why| format!("strconv.ParseInt: parsing {}: {why}", quote(text));
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = i128::from(magnitude(digits).map_err(error)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| error(OUT_OF_RANGE))
}

fn parse_uint(text: &str) -> Result<u64, String> {
    magnitude(text).map_err(|why| format!("strconv.ParseUint: parsing {}: {why}", quote(text)))
}

const INVALID: &str = "invalid syntax";
const OUT_OF_RANGE: &str = "value out of range";

/// Digits in the base that their prefix names: `0x`, `0o` or a plain `0`, `0b`, or ten.
fn magnitude(text: &str) -> Result<u64, &'static str> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(INVALID);
    }
    u64::from_str_radix(digits, base).map_err(|_| OUT_OF_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_go_words() {
        for word in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(parse_bool(word), Ok(true), "{word}");
        }
        for word in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(parse_bool(word), Ok(false), "{word}");
        }
        for word in ["", "yes", "tRUE", "no", "on"] {
            let why = format!("strconv.ParseBool: parsing \"{word}\": invalid syntax");
            assert_eq!(parse_bool(word), Err(why));
        }
    }

    #[test]
    fn numbers_have_a_base_and_a_range() {
        assert_eq!(parse_int("0"), Ok(0));
        assert_eq!(parse_int("-12"), Ok(-12));
        assert_eq!(parse_int("+12"), Ok(12));
        assert_eq!(parse_int("0x10"), Ok(16));
        assert_eq!(parse_int("017"), Ok(15));
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(
            parse_int("9223372036854775808"),
            Err("strconv.ParseInt: parsing \"9223372036854775808\": value out of range".into())
        );
        for text in ["", "-", "1s", "--1", "1 ", "0x", "9_"] {
            let why = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
            assert_eq!(parse_int(text), Err(why));
        }
        assert_eq!(parse_uint("18446744073709551615"), Ok(u64::MAX));
        assert!(parse_uint("-1").is_err());
    }
}
