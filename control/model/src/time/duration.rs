//! Spans of time in Go's notation (reference, chapter 3.2).

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A signed span of nanoseconds, in JSON a string in Go's notation (`5s`, `1m0s`, `48h0m0s`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    /// Nanoseconds; a spec may hold a negative number, which validation refuses.
    pub nanos: i64,
}

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The magnitude of the most negative span; one more than the largest positive one has.
const LIMIT: u64 = 1 << 63;

impl GoDuration {
    /// A duration of whole seconds, at most what 64 bits of nanoseconds hold.
    pub const fn from_secs(seconds: i64) -> Self {
        Self { nanos: seconds.saturating_mul(1_000_000_000) }
    }

    /// The duration of a timer, at most what 64 bits of nanoseconds hold.
    pub fn from_std(span: Duration) -> Self {
        Self { nanos: i64::try_from(span.as_nanos()).unwrap_or(i64::MAX) }
    }

    /// The duration for a timer; a negative one counts as zero.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos).unwrap_or(0))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.nanos.unsigned_abs();
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        match magnitude {
            0 => f.write_str("0s"),
            n if n < MICROSECOND => write!(f, "{n}ns"),
            n if n < MILLISECOND => write_decimal(f, n, 3, "µs"),
            n if n < SECOND => write_decimal(f, n, 6, "ms"),
            n => {
                if n >= HOUR {
                    write!(f, "{}h", n / HOUR)?;
                }
                if n >= MINUTE {
                    write!(f, "{}m", n % HOUR / MINUTE)?;
                }
                write_decimal(f, n % MINUTE, 9, "s")
            }
        }
    }
}

/// Writes `n / 10^digits` without trailing zeros.
fn write_decimal(f: &mut fmt::Formatter<'_>, n: u64, digits: u32, unit: &str) -> fmt::Result {
    let scale = 10_u64.pow(digits);
    write!(f, "{}", n / scale)?;
    if !n.is_multiple_of(scale) {
        let fraction = format!("{:0width$}", n % scale, width = digits as usize);
        write!(f, ".{}", fraction.trim_end_matches('0'))?;
    }
    f.write_str(unit)
}

/// The text is not a duration. The texts are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// It has another form, or is more than 64 bits of nanoseconds hold.
    #[error("time: invalid duration {}", Quoted(.0))]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {}", Quoted(.0))]
    MissingUnit(String),
    /// A unit that is none of Go's.
    #[error("time: unknown unit {} in duration {}", Quoted(.unit), Quoted(.duration))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        duration: String,
    },
}

/// Quotes as Go's package `time` does: every byte outside of printable ASCII in hexadecimal.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for byte in self.0.bytes() {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' '..=0x7f => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_str("\"")
    }
}

impl FromStr for GoDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ParseDurationError::Invalid(text.to_owned());
        let (is_negative, body) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if body == "0" {
            return Ok(Self::default());
        }
        if body.is_empty() {
            return Err(invalid());
        }
        let mut total = 0_u64;
        let mut rest = body;
        while !rest.is_empty() {
            let (component, after) = Component::take(rest, text)?;
            total = component
                .nanos()
                .and_then(|nanos| total.checked_add(nanos))
                .filter(|total| *total <= LIMIT)
                .ok_or_else(invalid)?;
            rest = after;
        }
        let nanos =
            if is_negative { 0_i64.checked_sub_unsigned(total) } else { total.try_into().ok() };
        Ok(Self { nanos: nanos.ok_or_else(invalid)? })
    }
}

/// One number with its unit.
struct Component {
    whole: Option<u64>,
    /// The digits after the point and the power of ten to divide them by.
    fraction: (u64, f64),
    unit: u64,
}

impl Component {
    /// Takes the first component off `rest`, which is not empty; `text` is the whole duration, for errors.
    fn take<'a>(rest: &'a str, text: &str) -> Result<(Self, &'a str), ParseDurationError> {
        let (digits, after) = split_while(rest, |c| c.is_ascii_digit());
        let (decimals, after) = match after.strip_prefix('.') {
            Some(after) => split_while(after, |c| c.is_ascii_digit()),
            None => ("", after),
        };
        if digits.is_empty() && decimals.is_empty() {
            return Err(ParseDurationError::Invalid(text.to_owned()));
        }
        let whole = if digits.is_empty() { Some(0) } else { digits.parse().ok() };
        // Go looks at the size of the number before it looks at the unit.
        if whole.is_none_or(|n: u64| n > LIMIT) {
            return Err(ParseDurationError::Invalid(text.to_owned()));
        }
        let (unit, after) = split_while(after, |c| c != '.' && !c.is_ascii_digit());
        let unit = match unit {
            "" => return Err(ParseDurationError::MissingUnit(text.to_owned())),
            "ns" => 1,
            // The micro sign and the Greek letter mu.
            "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
            "ms" => MILLISECOND,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            unit => {
                return Err(ParseDurationError::UnknownUnit {
                    unit: unit.to_owned(),
                    duration: text.to_owned(),
                });
            }
        };
        Ok((Self { whole, fraction: fraction(decimals), unit }, after))
    }

    /// The span, unless it is too long.
    fn nanos(&self) -> Option<u64> {
        let (decimals, scale) = self.fraction;
        // Go's own arithmetic: in floating point, truncated.
        let part = (decimals as f64 * (self.unit as f64 / scale)) as u64;
        self.whole?.checked_mul(self.unit)?.checked_add(part).filter(|nanos| *nanos <= LIMIT)
    }
}

/// The digits after the point as a number and its scale; digits beyond 63 bits have no effect, as in Go.
fn fraction(decimals: &str) -> (u64, f64) {
    let mut value = 0_u64;
    let mut scale = 1.0;
    for digit in decimals.bytes() {
        let next = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
        match next.filter(|next| *next <= LIMIT) {
            Some(next) => value = next,
            None => break,
        }
        scale *= 10.0;
    }
    (value, scale)
}

fn split_while(text: &str, matches: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !matches(c)).unwrap_or(text.len()))
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

/// Takes a string, or a bare number as if it were one: Go accepts the number 0 so, and refuses `null` for a duration that is
/// no pointer.
struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = GoDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"5s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<GoDuration, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<GoDuration, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<GoDuration, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<GoDuration, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests;
