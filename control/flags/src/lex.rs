//! The words of a command line: flags with their values, and the rest, in pflag's dialect.

use crate::flag::{Flag, FlagSet};
use clap::Command;

/// A command line taken apart.
#[derive(Debug, Default)]
pub struct Line<'a> {
    /// Flags in the order they were given.
    pub flags: Vec<(Flag<'a>, String)>,
    /// Everything that is not a flag.
    pub positionals: Vec<String>,
    /// `-h` or `--help` was among them.
    pub help: bool,
    /// `--version` was among them.
    pub version: bool,
}

impl<'a> Line<'a> {
    /// Takes the words after the command's name apart. An error is pflag's text for the first word that does not fit; what
    /// stands before it is taken.
    pub fn read(&mut self, flags: &FlagSet<'a>, words: &[String]) -> Result<(), String> {
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                self.positionals.extend(rest.cloned());
                break;
            } else if let Some(long) = word.strip_prefix("--") {
                self.long(flags, word, long, &mut rest)?;
            } else if let (Some(shorts), true) = (word.strip_prefix('-'), word.len() > 1) {
                self.shorts(flags, shorts, &mut rest)?;
            } else {
                self.positionals.push(word.clone());
            }
        }
        Ok(())
    }

    fn long<'w>(
        &mut self,
        flags: &FlagSet<'a>,
        word: &str,
        long: &str,
        rest: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), String> {
        let (name, given) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(format!("bad flag syntax: {word}"));
        }
        match flags.long(name) {
            Some(flag) => {
                let value = match given {
                    Some(value) => value.to_owned(),
                    None if flag.is_switch() => "true".to_owned(),
                    None => rest
                        .next()
                        .cloned()
                        .ok_or_else(|| format!("flag needs an argument: --{name}"))?,
                };
                self.add(flag, value)
            }
            None => {
                match name {
                    "help" => self.help = true,
                    "version" => self.version = true,
                    _ => return Err(format!("unknown flag: --{name}")),
                }
                Ok(())
            }
        }
    }

    fn shorts<'w>(
        &mut self,
        flags: &FlagSet<'a>,
        shorts: &str,
        rest: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), String> {
        let mut letters = shorts.chars();
        loop {
            // What pflag names in an error: this letter and those after it.
            let run = letters.as_str();
            let Some(letter) = letters.next() else { return Ok(()) };
            let after = letters.as_str();
            match flags.short(letter) {
                Some(flag) => {
                    // A lone equals sign is the value itself.
                    if let Some(value) = after.strip_prefix('=').filter(|value| !value.is_empty()) {
                        return self.add(flag, value.to_owned());
                    } else if flag.is_switch() {
                        self.add(flag, "true".to_owned())?;
                    } else if !after.is_empty() {
                        return self.add(flag, after.to_owned());
                    } else {
                        let value = rest.next().cloned().ok_or_else(|| {
                            format!("flag needs an argument: {letter:?} in -{run}")
                        })?;
                        return self.add(flag, value);
                    }
                }
                None if letter == 'h' => self.help = true,
                None => {
                    return Err(format!("unknown shorthand flag: {letter:?} in -{run}"));
                }
            }
        }
    }

    fn add(&mut self, flag: &Flag<'a>, value: String) -> Result<(), String> {
        flag.check(&value)?;
        self.flags.push((flag.clone(), value));
        Ok(())
    }
}

/// Finds the command that the words name and takes its name out of them: flags may stand before it. An unknown flag counts
/// as one with a value, as for cobra.
pub fn descend<'a>(
    command: &'a Command,
    flags: &FlagSet<'_>,
    words: &mut Vec<String>,
) -> Option<&'a Command> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return None;
        } else if let Some(long) = word.strip_prefix("--") {
            let takes_next = !long.contains('=')
                && !["help", "version"].contains(&long)
                && !flags.long(long).is_some_and(Flag::is_switch);
            at += if takes_next { 2 } else { 1 };
        } else if let (Some(short), true) = (word.strip_prefix('-'), word.len() > 1) {
            let takes_next = short.chars().count() == 1
                && short != "h"
                && !short.chars().all(|c| flags.short(c).is_some_and(Flag::is_switch));
            at += if takes_next { 2 } else { 1 };
        } else {
            let found = command.find_subcommand(word)?;
            words.remove(at);
            return Some(found);
        }
    }
    None
}
