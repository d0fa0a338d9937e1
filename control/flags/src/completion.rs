//! Completion scripts for shells.

use crate::parse::command;
use crate::program::Program;
use clap::Args;
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
    let mut command = command::<A>(program).disable_help_flag(false).bin_name(program.command);
    command.build();
    let mut script = Vec::new();
    generator.try_generate(&command, &mut script).map_err(|_| unknown())?;
    Ok(script)
}
