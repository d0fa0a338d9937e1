//! One flag of a command, found by what the user typed.

use crate::program::{Deprecated, Program};
use crate::value::{self, Kind};
use clap::{Arg, Command};
use stolon_model::quote::quote;

/// A flag under the name the user gave it.
#[derive(Clone, Debug)]
pub struct Flag<'a> {
    /// The name without dashes: a deprecated alias keeps its own.
    pub name: &'a str,
    /// Its declaration; an alias has that of the flag it writes.
    pub arg: &'a Arg,
    /// Its deprecation.
    pub deprecated: Option<&'static Deprecated>,
}

impl<'a> Flag<'a> {
    fn new(program: &Program, arg: &'a Arg) -> Option<Self> {
        let name = arg.get_long()?;
        Some(Self { name, arg, deprecated: program.deprecation(name) })
    }

    /// Whether it takes its value only after `=`.
    pub fn is_switch(&self) -> bool {
        Kind::of(self.arg) == Kind::Bool
    }

    /// Its name in messages: `--name`, or `-n, --name`.
    pub fn label(&self) -> String {
        match self.arg.get_short() {
            Some(short) => format!("-{short}, --{}", self.name),
            None => format!("--{}", self.name),
        }
    }

    /// The flag under which the value is kept.
    pub fn written(&self) -> &str {
        self.arg.get_long().unwrap_or(self.name)
    }

    /// Why `value` does not fit, if so, in pflag's words.
    pub fn check(&self, value: &str) -> Result<(), String> {
        value::check(self.arg, value).map_err(|why| {
            format!("invalid argument {} for {:?} flag: {why}", quote(value), self.label())
        })
    }
}

/// The flags that may stand on a command line: those of the command and the global ones of its parents.
#[derive(Clone, Debug)]
pub struct FlagSet<'a> {
    flags: Vec<Flag<'a>>,
}

impl<'a> FlagSet<'a> {
    /// The flags of the last command of `path`, which begins with the program itself.
    pub fn of(program: &Program, path: &[&'a Command]) -> Self {
        let mut flags: Vec<Flag<'a>> = Vec::new();
        for (depth, command) in path.iter().enumerate() {
            let own = depth + 1 == path.len();
            flags.extend(
                command
                    .get_arguments()
                    .filter(|arg| own || arg.is_global_set())
                    .filter_map(|arg| Flag::new(program, arg)),
            );
        }
        for alias in program.deprecated.iter().filter(|d| d.flag != d.writes) {
            if let Some(arg) = flags.iter().find(|f| f.name == alias.writes).map(|f| f.arg) {
                flags.push(Flag { name: alias.flag, arg, deprecated: Some(alias) });
            }
        }
        flags.sort_by_key(|flag| flag.name);
        Self { flags }
    }

    /// By its name without dashes.
    pub fn long(&self, name: &str) -> Option<&Flag<'a>> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    /// By its letter.
    pub fn short(&self, letter: char) -> Option<&Flag<'a>> {
        self.flags.iter().find(|flag| flag.arg.get_short() == Some(letter))
    }

    /// In alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Flag<'a>> {
        self.flags.iter()
    }
}
