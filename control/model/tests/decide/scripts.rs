//! Runs every script in `tests/scripts`: events in, reasons and changes of the cluster data out.
//!
//! A script is a list of steps. A step is some lines of commands (see [`command`]), a line `----`, and the lines that they
//! must bring about; an empty line ends it. Lines that begin with `#` are for the reader. `UPDATE_SCRIPTS=1` writes what
//! came about into the scripts; read the difference before you keep it.

#![expect(clippy::panic, reason = "a script that does not hold ends its test")]

mod command;
mod component;
mod show;
mod world;

use command::Player;
use std::path::Path;

const SEPARATOR: &str = "----";

/// One step: lines for the reader, commands, and what they must bring about.
struct Step<'a> {
    head: Vec<&'a str>,
    expected: Vec<&'a str>,
}

fn steps(text: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut lines = text.lines().peekable();
    while lines.peek().is_some() {
        let head: Vec<_> = lines.by_ref().take_while(|line| *line != SEPARATOR).collect();
        let expected: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        if head.iter().any(|line| !line.is_empty()) {
            steps.push(Step { head, expected });
        }
    }
    steps
}

fn run(path: &Path) -> datatest_stable::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let is_update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    let mut player = Player::default();
    let mut updated = String::new();
    for (number, step) in steps(&text).into_iter().enumerate() {
        let commands = step.head.iter().filter(|line| !line.starts_with('#') && !line.is_empty());
        for command in commands {
            player.play(command);
        }
        let actual = player.take_news();
        if !is_update && actual != step.expected {
            panic!(
                "step {} of {}:\n{}\n-- expected\n{}\n-- came about\n{}\n",
                number + 1,
                path.display(),
                step.head.join("\n"),
                step.expected.join("\n"),
                actual.join("\n")
            );
        }
        for line in step.head.iter().copied().chain([SEPARATOR]).chain(actual.iter().map(|l| &**l))
        {
            updated.push_str(line);
            updated.push('\n');
        }
        updated.push('\n');
    }
    if is_update {
        std::fs::write(path, updated.trim_end().to_owned() + "\n")?;
    }
    Ok(())
}

datatest_stable::harness! {
    { test = run, root = "tests/scripts", pattern = r"\.txt$" },
}
