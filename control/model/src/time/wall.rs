//! Points on the wall clock as Go's JSON writes them (reference, chapter 3.1).

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A point on the wall clock with the offset it was written with, in JSON RFC 3339 text. Only shown and stored, never compared
/// for decisions about freshness: for that there is [`Mono`](super::Mono).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoTime {
    /// Nanoseconds since the Unix epoch. Go's zero time is January 1 of the year 1, UTC.
    pub unix_nanos: i128,
    /// Offset from UTC in seconds.
    pub offset_seconds: i32,
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);
/// The first and the last moment that Go's JSON can say, in local time.
const FIRST: DateTime = civil::date(0, 1, 1).at(0, 0, 0, 0);
const LAST: DateTime = civil::date(9999, 12, 31).at(23, 59, 59, 999_999_999);
/// The offset of a zone is less than a day.
const LAST_OFFSET_MINUTE: i32 = 24 * 60 - 1;

impl GoTime {
    /// The moment `unix_nanos` after the Unix epoch, as it is told at an offset from UTC. Seconds of the offset are dropped: the
    /// text has no place for them.
    pub fn new(unix_nanos: i128, offset_seconds: i32) -> Self {
        Self { unix_nanos, offset_seconds: offset_seconds / 60 * 60 }
    }

    /// Whether it is Go's zero time, which stands for "never".
    pub fn is_zero(&self) -> bool {
        self.unix_nanos == Self::default().unix_nanos
    }

    /// The moment `span` later, at the same offset.
    pub fn plus(self, span: Duration) -> Self {
        let nanos = i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
        Self { unix_nanos: self.unix_nanos.saturating_add(nanos), ..self }
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: GoTime) -> Duration {
        let nanos = self.unix_nanos.saturating_sub(earlier.unix_nanos);
        let seconds = u64::try_from(nanos.div_euclid(NANOS_PER_SECOND).max(0)).unwrap_or(u64::MAX);
        match u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)) {
            Ok(rest) if nanos > 0 => Duration::new(seconds, rest),
            _ => Duration::ZERO,
        }
    }
}

impl Default for GoTime {
    /// Go's zero time.
    fn default() -> Self {
        Self { unix_nanos: -62_135_596_800_000_000_000, offset_seconds: 0 }
    }
}

impl fmt::Display for GoTime {
    /// RFC 3339 with as many digits as needed. A moment before the year 0 or after the year 9999 is written as the first or last
    /// one that the notation has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset_minutes =
            (self.offset_seconds / 60).clamp(-LAST_OFFSET_MINUTE, LAST_OFFSET_MINUTE);
        let local =
            self.unix_nanos.saturating_add(i128::from(offset_minutes) * 60 * NANOS_PER_SECOND);
        let local = civil_time(local);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            local.year(),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        )?;
        if local.subsec_nanosecond() != 0 {
            let fraction = format!("{:09}", local.subsec_nanosecond());
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        if offset_minutes == 0 {
            return f.write_str("Z");
        }
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let minutes = offset_minutes.abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Calendar and clock `nanos` after the epoch, held to what Go can write.
fn civil_time(nanos: i128) -> DateTime {
    let bound = if nanos < 0 { FIRST } else { LAST };
    let seconds = i64::try_from(nanos.div_euclid(NANOS_PER_SECOND));
    let rest = i32::try_from(nanos.rem_euclid(NANOS_PER_SECOND));
    match (seconds, rest) {
        (Ok(seconds), Ok(rest)) => EPOCH
            .checked_add(SignedDuration::new(seconds, rest))
            .map_or(bound, |time| time.clamp(FIRST, LAST)),
        _ => bound,
    }
}

/// The text is not an RFC 3339 time with a date of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time such as \"2024-05-14T09:30:00+02:00\": {0:?}")]
pub struct ParseTimeError(String);

impl FromStr for GoTime {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseTimeError(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<GoTime> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    literal(&mut rest, b'-')?;
    let month = digits(&mut rest, 2)?;
    literal(&mut rest, b'-')?;
    let day = digits(&mut rest, 2)?;
    literal(&mut rest, b'T')?;
    let hour = digits(&mut rest, 2)?;
    literal(&mut rest, b':')?;
    let minute = digits(&mut rest, 2)?;
    literal(&mut rest, b':')?;
    let second = digits(&mut rest, 2)?;
    let nanosecond = match literal(&mut rest, b'.') {
        Some(()) => fraction(&mut rest)?,
        None => 0,
    };
    let offset_seconds = offset(&mut rest)?;
    if !rest.is_empty() {
        return None;
    }
    let small = |n: i32| i8::try_from(n).ok();
    let local = DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        nanosecond,
    )
    .ok()?;
    let local_nanos = local.duration_since(EPOCH).as_nanos();
    let unix_nanos = local_nanos - i128::from(offset_seconds) * NANOS_PER_SECOND;
    Some(GoTime { unix_nanos, offset_seconds })
}

fn literal(rest: &mut &[u8], wanted: u8) -> Option<()> {
    let (first, after) = rest.split_first()?;
    (*first == wanted).then(|| *rest = after)
}

/// Exactly `count` decimal digits, at most nine of them.
fn digits(rest: &mut &[u8], count: usize) -> Option<i32> {
    let (number, after) = rest.split_at_checked(count)?;
    *rest = after;
    number.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i32::from(byte - b'0'))
    })
}

/// At least one digit; those after the ninth have no effect.
fn fraction(rest: &mut &[u8]) -> Option<i32> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = rest.split_at_checked(length)?;
    *rest = after;
    let padded = number.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    (length > 0).then(|| padded.fold(0, |value, byte| value * 10 + i32::from(byte - b'0')))
}

fn offset(rest: &mut &[u8]) -> Option<i32> {
    let sign = match literal(rest, b'Z') {
        Some(()) => return Some(0),
        None if literal(rest, b'+').is_some() => 1,
        None => {
            literal(rest, b'-')?;
            -1
        }
    };
    let hours = digits(rest, 2)?;
    literal(rest, b':')?;
    let minutes = digits(rest, 2)?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

impl Serialize for GoTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

/// Takes a string, or `null` for the zero time.
struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = GoTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<GoTime, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_unit<E: Error>(self) -> Result<GoTime, E> {
        Ok(GoTime::default())
    }
}

#[cfg(test)]
mod tests;
