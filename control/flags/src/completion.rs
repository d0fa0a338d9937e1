//! Completion scripts for shells.

use crate::program::Program;
use clap::{Args, Command};
use clap_complete::{Generator, Shell};

/// A shell for which there is no completion script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no completion script for shell \"{0}\"; there is one for bash, zsh and fish")]
pub struct UnknownShell(pub String);

/// The completion script of a program for `bash`, `zsh` or `fish`.
pub fn completion<A: Args>(program: &Program, shell: &str) -> Result<Vec<u8>, UnknownShell> {
    let unknown = || UnknownShell(shell.to_owned());
    let generator = match shell {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => return Err(unknown()),
    };
    // As declared, not in the dialect: to a shell a switch is a word of its own.
    let declared = A::augment_args(Command::new(program.command)).bin_name(program.command);
    let mut command = declared.about(program.about).disable_help_subcommand(true);
    command.build();
    let mut script = Vec::new();
    generator.try_generate(&command, &mut script).map_err(|_| unknown())?;
    Ok(script)
}
