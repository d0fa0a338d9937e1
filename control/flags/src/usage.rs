//! Help and usage texts, in cobra's layout, with the environment variable of each flag that has one.

use crate::flag::{Flag, FlagSet};
use crate::program::Program;
use crate::value::Kind;
use clap::Command;

/// What `--help` prints: what the command is, then its usage.
pub fn help(program: &Program, path: &[&Command]) -> String {
    let about = path.last().and_then(|command| command.get_long_about().or(command.get_about()));
    format!("{}\n\n{}", about.map(ToString::to_string).unwrap_or_default(), usage(program, path))
}

/// What follows an error: how the command is called, its subcommands and flags.
pub fn usage(program: &Program, path: &[&Command]) -> String {
    let Some(command) = path.last() else { return String::new() };
    let name = path.iter().map(|command| command.get_name()).collect::<Vec<_>>().join(" ");
    let positionals: String = (command.get_positionals().filter(|arg| !arg.is_hide_set()))
        .map(|arg| format!(" [{}]", positional(arg)))
        .collect();
    let mut text = format!("Usage:\n  {name}{positionals} [flags]\n");
    if command.has_subcommands() {
        text.push_str(&format!("  {name} [command]\n\nAvailable Commands:\n"));
        let mut below: Vec<_> = command.get_subcommands().filter(|c| !c.is_hide_set()).collect();
        below.sort_by_key(|command| command.get_name());
        let width = below.iter().map(|c| c.get_name().len()).max().unwrap_or(0).max(11);
        for command in below {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {:width$} {about}\n", command.get_name()));
        }
    }
    let flags = FlagSet::of(program, path);
    let (global, own): (Vec<_>, Vec<_>) = flags
        .iter()
        .filter(|flag| !flag.arg.is_hide_set() && flag.deprecated.is_none())
        .partition(|flag| path.len() > 1 && flag.arg.is_global_set());
    let mut lines = lines(program, path.len() == 1, &own);
    lines.push(Line {
        left: "  -h, --help".into(),
        right: format!("help for {}", command.get_name()),
    });
    if path.len() == 1 {
        let right = format!("version for {}", command.get_name());
        lines.push(Line { left: "      --version".into(), right });
    }
    lines.sort_by(|a, b| a.left[6..].cmp(&b.left[6..]));
    text.push_str(&format!("\nFlags:\n{}", aligned(&lines)));
    if !global.is_empty() {
        let lines = self::lines(program, true, &global);
        text.push_str(&format!("\nGlobal Flags:\n{}", aligned(&lines)));
    }
    if command.has_subcommands() {
        text.push_str(&format!(
            "\nUse \"{name} [command] --help\" for more information about a command.\n"
        ));
    }
    text
}

fn positional(arg: &clap::Arg) -> String {
    arg.get_value_names()
        .and_then(|names| names.first())
        .map_or_else(|| arg.get_id().to_string(), ToString::to_string)
        .to_ascii_lowercase()
        .replace('_', " ")
}

/// One flag: what is typed, and what it means.
struct Line {
    left: String,
    right: String,
}

fn lines(program: &Program, have_variables: bool, flags: &[&Flag<'_>]) -> Vec<Line> {
    flags.iter().map(|flag| line(program, have_variables, flag)).collect()
}

fn line(program: &Program, has_variable: bool, flag: &Flag<'_>) -> Line {
    let kind = Kind::of(flag.arg);
    let mut left = match flag.arg.get_short() {
        Some(short) => format!("  -{short}, --{}", flag.name),
        None => format!("      --{}", flag.name),
    };
    if kind != Kind::Bool {
        left.push_str(&format!(" {}", kind.word()));
    }
    let mut right = flag.arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let Some(default) = flag.arg.get_default_values().first().and_then(|value| value.to_str())
        && !kind.is_zero(default)
    {
        let shown = if kind == Kind::Text { format!("{default:?}") } else { default.to_owned() };
        right.push_str(&format!(" (default {shown})"));
    }
    if has_variable {
        right.push_str(&format!(" [${}]", program.variable(flag.name)));
    }
    Line { left, right }
}

fn aligned(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.left.len()).max().unwrap_or(0);
    lines.iter().map(|line| format!("{:width$}   {}\n", line.left, line.right)).collect()
}
