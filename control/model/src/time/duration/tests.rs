use super::*;
use proptest::prelude::*;

#[test]
fn durations_are_written_as_go_writes_them() {
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (999, "999ns"),
        (1_000, "1µs"),
        (1_100, "1.1µs"),
        (1_500, "1.5µs"),
        (2_200_000, "2.2ms"),
        (100_000_000, "100ms"),
        (999_999_999, "999.999999ms"),
        (1_000_000_000, "1s"),
        (1_500_000_000, "1.5s"),
        (3_300_000_000, "3.3s"),
        (5_000_000_000, "5s"),
        (60_000_000_000, "1m0s"),
        (60_250_000_000, "1m0.25s"),
        (300_000_000_000, "5m0s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (3_600_000_000_000, "1h0m0s"),
        (5_400_000_000_000, "1h30m0s"),
        (172_800_000_000_000, "48h0m0s"),
        (8_760 * 3_600_000_000_000, "8760h0m0s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (-1, "-1ns"),
        (-1_500_000_000, "-1.5s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ] {
        let duration = GoDuration { nanos };
        assert_eq!(duration.to_string(), text);
        assert_eq!(text.parse(), Ok(duration), "{text}");
    }
}

#[test]
fn every_notation_of_go_is_read() {
    for (text, nanos) in [
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("0s", 0),
        ("5s", 5_000_000_000),
        ("+5s", 5_000_000_000),
        ("-5s", -5_000_000_000),
        ("1478s", 1_478_000_000_000),
        ("5.0s", 5_000_000_000),
        ("5.s", 5_000_000_000),
        (".5s", 500_000_000),
        ("-.5s", -500_000_000),
        ("5.6s", 5_600_000_000),
        ("1.0s", 1_000_000_000),
        ("1.004s", 1_004_000_000),
        ("100.00100s", 100_001_000_000),
        ("10ns", 10),
        ("11us", 11_000),
        ("12\u{b5}s", 12_000),
        ("12\u{3bc}s", 12_000),
        ("13ms", 13_000_000),
        ("15m", 900_000_000_000),
        ("16h", 57_600_000_000_000),
        ("3h30m", 12_600_000_000_000),
        ("10.5s4m", 250_500_000_000),
        ("-2m3.4s", -123_400_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ("1s1s1s", 3_000_000_000),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("0.9223372036854775807s", 922_337_203),
        ("0.100000000000000000000h", 360_000_000_000),
        ("9007199254740993ns", 9_007_199_254_740_993),
        ("9223372036854775807ns", i64::MAX),
        ("9223372036854775.807us", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
    ] {
        assert_eq!(text.parse(), Ok(GoDuration { nanos }), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused_in_the_words_of_go() {
    for (text, error) in [
        ("", r#"time: invalid duration """#),
        ("3", r#"time: missing unit in duration "3""#),
        ("5", r#"time: missing unit in duration "5""#),
        ("1.5", r#"time: missing unit in duration "1.5""#),
        ("1m5", r#"time: missing unit in duration "1m5""#),
        ("00", r#"time: missing unit in duration "00""#),
        ("-", r#"time: invalid duration "-""#),
        ("+", r#"time: invalid duration "+""#),
        ("s", r#"time: invalid duration "s""#),
        ("x", r#"time: invalid duration "x""#),
        (".", r#"time: invalid duration ".""#),
        ("-.", r#"time: invalid duration "-.""#),
        (".s", r#"time: invalid duration ".s""#),
        ("+.s", r#"time: invalid duration "+.s""#),
        ("--5s", r#"time: invalid duration "--5s""#),
        (" 5s", r#"time: invalid duration " 5s""#),
        ("1s-1s", r#"time: unknown unit "s-" in duration "1s-1s""#),
        ("5d", r#"time: unknown unit "d" in duration "5d""#),
        ("5 s", r#"time: unknown unit " s" in duration "5 s""#),
        ("5S", r#"time: unknown unit "S" in duration "5S""#),
        ("1e3s", r#"time: unknown unit "e" in duration "1e3s""#),
        ("1\u{e9}", r#"time: unknown unit "\xc3\xa9" in duration "1\xc3\xa9""#),
        ("\"\\\n", r#"time: invalid duration "\"\\\x0a""#),
        ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
        ("-9223372036854775809ns", r#"time: invalid duration "-9223372036854775809ns""#),
        ("99999999999999999999", r#"time: invalid duration "99999999999999999999""#),
        ("3000000h", r#"time: invalid duration "3000000h""#),
        ("9223372036854775.808us", r#"time: invalid duration "9223372036854775.808us""#),
        ("2562047h47m16.854775808s", r#"time: invalid duration "2562047h47m16.854775808s""#),
    ] {
        assert_eq!(text.parse::<GoDuration>().unwrap_err().to_string(), error);
    }
}

#[test]
fn timers_take_a_negative_duration_as_zero_and_never_overflow() {
    assert_eq!(GoDuration { nanos: -1 }.to_std(), Duration::ZERO);
    assert_eq!(GoDuration::from_secs(5).to_std(), Duration::from_secs(5));
    assert_eq!(GoDuration::from_secs(i64::MAX), GoDuration { nanos: i64::MAX });
    assert_eq!(GoDuration::from_std(Duration::MAX), GoDuration { nanos: i64::MAX });
    assert_eq!(GoDuration::from_std(Duration::from_millis(1_500)).to_string(), "1.5s");
}

proptest! {
    #[test]
    fn a_written_duration_reads_back(nanos: i64) {
        let duration = GoDuration { nanos };
        prop_assert_eq!(duration.to_string().parse(), Ok(duration));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-+]?([0-9]{0,22}(\\.[0-9]{0,22})?(ns|us|µs|ms|s|m|h|x|)){0,4}|.*") {
        if let Ok(duration) = text.parse::<GoDuration>() {
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
