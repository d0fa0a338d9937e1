use super::*;
use proptest::prelude::*;

const SECOND: i128 = 1_000_000_000;

#[test]
fn times_are_written_as_go_writes_them() {
    for (unix_nanos, offset_seconds, text) in [
        (0, 0, "1970-01-01T00:00:00Z"),
        (-62_135_596_800 * SECOND, 0, "0001-01-01T00:00:00Z"),
        (1_715_671_800 * SECOND + 123_456_789, 7_200, "2024-05-14T09:30:00.123456789+02:00"),
        (1_715_671_800 * SECOND + 120_000_000, 7_200, "2024-05-14T09:30:00.12+02:00"),
        (1_715_671_800 * SECOND, -12_600, "2024-05-14T04:00:00-03:30"),
        (1_715_671_800 * SECOND, 20_700, "2024-05-14T13:15:00+05:45"),
        (-1, 0, "1969-12-31T23:59:59.999999999Z"),
        (1_709_164_800 * SECOND, 0, "2024-02-29T00:00:00Z"),
        (253_402_300_799 * SECOND, 0, "9999-12-31T23:59:59Z"),
        (-62_167_219_200 * SECOND, 0, "0000-01-01T00:00:00Z"),
    ] {
        let time = GoTime::new(unix_nanos, offset_seconds);
        assert_eq!(time.to_string(), text);
        assert_eq!(text.parse(), Ok(time), "{text}");
    }
}

#[test]
fn other_notations_of_rfc_3339_are_read() {
    for (text, written) in [
        ("2024-05-14T09:30:00+00:00", "2024-05-14T09:30:00Z"),
        ("2024-05-14T09:30:00-00:00", "2024-05-14T09:30:00Z"),
        ("2024-05-14T09:30:00.000Z", "2024-05-14T09:30:00Z"),
        ("2024-05-14T09:30:00.1234567899Z", "2024-05-14T09:30:00.123456789Z"),
        ("9999-12-31T23:59:59.999999999-23:59", "9999-12-31T23:59:59.999999999-23:59"),
        ("0000-01-01T00:00:00+23:59", "0000-01-01T00:00:00+23:59"),
    ] {
        assert_eq!(text.parse::<GoTime>().unwrap().to_string(), written);
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        "yesterday",
        "2024-05-14",
        "2024-05-14T09:30:00",
        "2024-05-14 09:30:00Z",
        "2024-05-14t09:30:00z",
        "2024-05-14T09:30Z",
        "2024-05-14T09:30:00.Z",
        "2024-05-14T09:30:00,5Z",
        "2024-05-14T9:30:00Z",
        "2024-05-14T24:00:00Z",
        "2024-05-14T09:60:00Z",
        "2024-05-14T09:30:60Z",
        "2023-02-29T00:00:00Z",
        "2024-00-14T09:30:00Z",
        "2024-13-14T09:30:00Z",
        "2024-04-31T09:30:00Z",
        "2024-05-14T09:30:00+0200",
        "2024-05-14T09:30:00+24:00",
        "2024-05-14T09:30:00+02:60",
        "2024-05-14T09:30:00Zx",
        "+024-05-14T09:30:00Z",
        "12024-05-14T09:30:00Z",
        "2024-05-14T09:30:0\u{e9}Z",
    ] {
        let error = text.parse::<GoTime>().unwrap_err().to_string();
        assert!(error.ends_with(&format!(": {text:?}")), "{error}");
    }
}

#[test]
fn a_moment_that_go_cannot_write_becomes_the_nearest_one_that_it_can() {
    assert_eq!(GoTime::new(i128::MAX, 0).to_string(), "9999-12-31T23:59:59.999999999Z");
    assert_eq!(GoTime::new(i128::MIN, 0).to_string(), "0000-01-01T00:00:00Z");
    assert_eq!(
        GoTime::new(253_402_300_800 * SECOND, 0).to_string(),
        "9999-12-31T23:59:59.999999999Z"
    );
    let far = GoTime { unix_nanos: 0, offset_seconds: i32::MIN };
    assert_eq!(far.to_string(), "1969-12-31T00:01:00-23:59");
}

#[test]
fn spans_between_moments_saturate() {
    let time = GoTime::new(5 * SECOND + 1, 3_600);
    assert_eq!(time.since(GoTime::new(0, 0)), Duration::new(5, 1));
    assert_eq!(GoTime::new(0, 0).since(time), Duration::ZERO);
    assert_eq!(time.since(time), Duration::ZERO);
    assert_eq!(time.plus(Duration::from_secs(2)), GoTime::new(7 * SECOND + 1, 3_600));
    assert_eq!(GoTime::new(i128::MAX, 0).since(GoTime::new(i128::MIN, 0)).as_secs(), u64::MAX);
    assert_eq!(GoTime::new(i128::MAX, 0).plus(Duration::MAX).unix_nanos, i128::MAX);
}

#[test]
fn the_default_is_the_zero_time_of_go() {
    assert!(GoTime::default().is_zero());
    assert!(!GoTime::new(0, 0).is_zero());
    assert_eq!(GoTime::default().to_string(), "0001-01-01T00:00:00Z");
}

proptest! {
    #[test]
    fn a_written_time_reads_back(
        seconds in -62_135_510_400_i128..253_402_214_400,
        nanos in 0..SECOND,
        minutes in -1_439..=1_439,
    ) {
        let time = GoTime::new(seconds * SECOND + nanos, minutes * 60);
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }

    #[test]
    fn no_moment_and_no_text_make_it_panic(unix_nanos: i128, offset_seconds: i32, text in ".*") {
        let written = GoTime { unix_nanos, offset_seconds }.to_string();
        prop_assert!(written.parse::<GoTime>().is_ok(), "{}", written);
        if let Ok(time) = text.parse::<GoTime>() {
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
