//! From words and variables to a filled struct of flags.

use crate::flag::FlagSet;
use crate::lex::{Line, descend};
use crate::program::{Deprecated, Program};
use crate::stop::Stop;
use crate::{environment, usage, value};
use clap::{Args, Command};
use std::collections::BTreeMap;
use std::ffi::OsString;
use stolon_model::quote::quote;

/// A filled struct of flags and what is known of how it was filled.
#[derive(Clone, Debug)]
pub struct Parsed<A> {
    /// The flags.
    pub args: A,
    /// Notices about deprecated flags, for standard error.
    pub notices: Vec<String>,
    given: BTreeMap<String, String>,
}

impl<A> Parsed<A> {
    /// Whether the command line or a variable gave the flag, with whatever value. `flag` is its name without dashes.
    pub fn was_set(&self, flag: &str) -> bool {
        self.given.contains_key(flag)
    }

    /// Prints the notices to standard error.
    pub fn print_notices(&self) {
        use std::io::Write as _;
        for notice in &self.notices {
            // Nobody is left to be told when standard error is gone.
            let _ = writeln!(std::io::stderr(), "{notice}");
        }
    }
}

/// Reads the variables of the program, then its command line, of which the first word is the name it was called by. Only flags
/// of the program itself have variables, those of subcommands have none.
pub fn parse<A: Args>(
    program: &Program,
    argv: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Parsed<A>, Stop> {
    let root = command::<A>(program);
    let root_flags = FlagSet::of(program, &[&root]);
    let set = environment::read(program, &root_flags, variables).map_err(Stop::environment)?;

    let mut path = vec![&root];
    let mut words = Vec::new();
    for word in argv.into_iter().skip(1) {
        words.push(word.into_string().map_err(|word| {
            usage_error(program, &path, &format!("argument {word:?} is not UTF-8 text"))
        })?);
    }
    let asks_help = take_help_command(&root, &root_flags, &mut words);
    while let Some(below) =
        path.last().and_then(|command| descend(command, &FlagSet::of(program, &path), &mut words))
    {
        path.push(below);
    }

    let flags = FlagSet::of(program, &path);
    let mut line = Line::default();
    let read = line.read(&flags, &words);
    let given = || set.iter().chain(&line.flags);
    let notices: Vec<String> =
        given().filter_map(|(flag, _)| flag.deprecated).map(Deprecated::notice).collect();
    let values: BTreeMap<String, String> =
        given().map(|(flag, value)| (flag.written().to_owned(), value.clone())).collect();
    let filled = match read {
        _ if asks_help => Err(help_command(program, &path, &line)),
        Err(error) => Err(usage_error(program, &path, &error)),
        Ok(()) => match early_stop(program, &path, &line) {
            Some(stop) => Err(stop),
            None => fill(&root, &path, &values, line.positionals)
                .map_err(|error| usage_error(program, &path, error.to_string().trim_end())),
        },
    };
    match filled {
        Ok(args) => Ok(Parsed { args, notices, given: values }),
        Err(stop) => Err(stop.after(&notices)),
    }
}

/// What ends the program although every flag was understood: an unknown command, a question for help or the version.
fn early_stop(program: &Program, path: &[&Command], line: &Line<'_>) -> Option<Stop> {
    if let ([root], Some(word)) = (path, line.positionals.first())
        && root.has_subcommands()
    {
        return Some(unknown_command(program, root, word));
    }
    if line.help {
        return Some(Stop::asked(usage::help(program, path)));
    }
    if line.version && path.len() == 1 {
        return Some(Stop::asked(format!("{} version {}\n", program.command, program.version)));
    }
    if line.version {
        return Some(usage_error(program, path, "unknown flag: --version"));
    }
    None
}

/// The answer to `help` and the words after it, of which `path` is what is known.
fn help_command(program: &Program, path: &[&Command], line: &Line<'_>) -> Stop {
    if path.len() == 1 && !line.positionals.is_empty() {
        let topic: Vec<String> = line.positionals.iter().map(|word| format!("`{word}`")).collect();
        return Stop {
            stderr: format!(
                "Unknown help topic [{}]\n{}",
                topic.join(" "),
                usage::usage(program, path)
            ),
            ..Stop::default()
        };
    }
    Stop::asked(usage::help(program, path))
}

/// The declared flags and subcommands of a program, in the dialect.
pub fn command<A: Args>(program: &Program) -> Command {
    fn in_dialect(command: Command) -> Command {
        command
            .disable_help_flag(true)
            .disable_help_subcommand(true)
            .disable_version_flag(true)
            .args_override_self(true)
            .mut_args(value::in_dialect)
            .mut_subcommands(in_dialect)
    }
    // Flattened structs leave their own documentation as the command's, so the program's comes last.
    in_dialect(A::augment_args(Command::new(program.command)).about(program.about))
}

/// `help` before the name of a command asks for that command's help.
fn take_help_command(root: &Command, flags: &FlagSet<'_>, words: &mut Vec<String>) -> bool {
    if !root.has_subcommands() {
        return false;
    }
    let with_help = Command::new("help").subcommand(Command::new("help"));
    descend(&with_help, flags, words).is_some()
}

/// Lets clap fill the struct: everything is checked already, each flag stands once, positionals come last.
fn fill<A: Args>(
    root: &Command,
    path: &[&Command],
    given: &BTreeMap<String, String>,
    positionals: Vec<String>,
) -> Result<A, clap::Error> {
    let takes_positionals =
        path.last().is_some_and(|command| command.get_positionals().next().is_some());
    let mut words: Vec<String> = path.iter().map(|command| command.get_name().to_owned()).collect();
    words.extend(given.iter().map(|(name, value)| format!("--{name}={value}")));
    if takes_positionals {
        words.push("--".to_owned());
        words.extend(positionals);
    }
    let matches = root.clone().try_get_matches_from(words)?;
    A::from_arg_matches(&matches)
}

fn usage_error(program: &Program, path: &[&Command], error: &str) -> Stop {
    Stop::usage(error, &usage::usage(program, path))
}

fn unknown_command(program: &Program, root: &Command, word: &str) -> Stop {
    let mut error = format!("unknown command {} for {:?}", quote(word), program.command);
    let similar: Vec<&str> = root
        .get_subcommands()
        .map(Command::get_name)
        .filter(|name| name.starts_with(word) || distance(name, word) <= 2)
        .collect();
    if !similar.is_empty() {
        error.push_str("\n\nDid you mean this?\n");
        for name in similar {
            error.push_str(&format!("\t{name}\n"));
        }
    }
    let mut stop = Stop::usage(&error, "");
    stop.stderr = format!("Error: {error}\nRun '{} --help' for usage.\n", program.command);
    stop
}

/// How many letters have to be changed, added or removed to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
