//! System calls.

use crate::{LONG, SHORT, carrier, per_exchange};
use std::collections::BTreeMap;

#[test]
fn an_exchange_takes_six_system_calls() {
    let (short, long) = (count(SHORT), count(LONG));
    let mut sum = 0.0;
    for (call, number) in &long {
        let each = per_exchange(short.get(call).copied().unwrap_or(0), *number);
        if each >= 0.01 {
            println!("{each:8.2} {call}");
        }
        sum += each;
    }
    println!("{sum:8.2} system calls for a request and its answer");
    // A look at the peers of the sessions falls in between now and then.
    assert!((5.95..6.05).contains(&sum), "{sum} system calls: {short:?}, {long:?}");
}

/// The system calls of a process that carries so many exchanges, by name.
fn count(exchanges: u32) -> BTreeMap<String, u64> {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = folder.path().join("summary");
    let path = summary.to_str().expect("a path in ASCII");
    carrier::carry(&["strace", "-f", "-c", "-o", path], exchanges);
    let summary = std::fs::read_to_string(&summary).expect("the summary of strace");
    let calls = calls(&summary);
    assert!(calls.len() > 5, "no summary of strace: {summary}");
    calls
}

/// Reads lines such as ` 33.37    0.000296           7        37         2 recvfrom`; the number of errors may be missing.
fn calls(summary: &str) -> BTreeMap<String, u64> {
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, number) = match words[..] {
            [_, _, _, number, name] | [_, _, _, number, _, name] => (name, number),
            _ => return None,
        };
        let number = number.parse().ok()?;
        (name != "total").then(|| (name.to_owned(), number))
    };
    summary.lines().filter_map(of_line).collect()
}
