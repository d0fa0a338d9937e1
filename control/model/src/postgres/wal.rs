//! Names of WAL segment files.
//!
//! A name is 24 uppercase hexadecimal digits: 8 of the timeline, 16 of the segment. Segments of 16 MiB are assumed, since a
//! keeper with others reports no oldest file.

use crate::lsn::{Lsn, TimelineId};

/// The only segment size with which names are compared.
pub const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Whether a file's name is that of a segment.
pub fn is_segment_name(name: &str) -> bool {
    name.len() == 24 && name.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
}

/// The oldest of the segments among the names of a WAL directory.
pub fn oldest_segment<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names.into_iter().filter(|name| is_segment_name(name)).min()
}

/// The timeline whose history the file of this name holds: 8 digits and `.history`.
pub fn history_of(name: &str) -> Option<TimelineId> {
    let digits = name.strip_suffix(".history")?;
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok().map(|timeline| TimelineId(timeline.into()))
}

/// The 16 digits, without a timeline, of the segment that holds `position`.
pub fn segment_of(position: Lsn) -> String {
    let segments_per_log = (1 << 32) / SEGMENT_BYTES;
    let segment = position.0 / SEGMENT_BYTES;
    format!("{:08X}{:08X}", segment / segments_per_log, segment % segments_per_log)
}

/// Whether a WAL directory whose oldest segment is `oldest` still holds the segment of `position`. A name that is none
/// answers yes: it proves nothing to be missing.
pub fn still_holds(oldest: &str, position: Lsn) -> bool {
    if !is_segment_name(oldest) {
        return true;
    }
    oldest.get(8..24).is_none_or(|oldest| segment_of(position).as_str() >= oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_are_told_by_their_name() {
        assert_eq!(history_of("0000000A.history"), Some(TimelineId(10)));
        for other in ["A.history", "0000000G.history", "0000000A.history.tmp", "+000000A.history"] {
            assert_eq!(history_of(other), None, "{other}");
        }
    }

    #[test]
    fn names() {
        assert!(is_segment_name("0000000100000000000000FE"));
        assert!(!is_segment_name("0000000100000000000000fe"));
        assert!(!is_segment_name("00000002.history"));
        assert!(!is_segment_name("000000010000000000000001.partial"));
        let names = [
            "archive_status",
            "000000020000000000000005",
            "000000020000000000000004",
            "00000002.history",
        ];
        assert_eq!(oldest_segment(names), Some("000000020000000000000004"));
        assert_eq!(oldest_segment(["archive_status"]), None);
    }

    #[test]
    fn segments() {
        assert_eq!(segment_of(Lsn(0)), "0000000000000000");
        assert_eq!(segment_of(Lsn(0x0300_0060)), "0000000000000003");
        assert_eq!(segment_of(Lsn(0xFFFF_FFFF)), "00000000000000FF");
        assert_eq!(segment_of(Lsn(0x1_0000_0000)), "0000000100000000");
    }

    #[test]
    fn holding_a_position() {
        let oldest = "000000020000000000000004";
        assert!(still_holds(oldest, Lsn(0x0400_0000)));
        assert!(still_holds(oldest, Lsn(0x1_0000_0000)));
        assert!(!still_holds(oldest, Lsn(0x03FF_FFFF)));
        assert!(still_holds("", Lsn(0)));
        assert!(still_holds("00000002000000000000000é", Lsn(0)));
    }
}
