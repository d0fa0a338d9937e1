//! The table of rules beside the scripts is whole: each rule has a script, and each script a rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn each_rule_has_a_script_and_each_script_a_rule() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let there: BTreeSet<String> = fs::read_dir(&scripts)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".txt"))
        .collect();
    let table = fs::read_to_string(scripts.join("README.md")).unwrap();
    let mut named = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| 8.")) {
        let (rule, scripts) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        let scripts: Vec<&str> = scripts.split('`').filter(|name| name.ends_with(".txt")).collect();
        assert!(!scripts.is_empty(), "no script for {rule}");
        named.extend(scripts.into_iter().map(str::to_owned));
    }
    let gone: Vec<&String> = named.difference(&there).collect();
    assert!(gone.is_empty(), "the table names scripts that are not there: {gone:?}");
    let idle: Vec<&String> = there.difference(&named).collect();
    assert!(idle.is_empty(), "the table leaves scripts out: {idle:?}");
}
