//! `stolonctl completion`: a script that teaches a shell the subcommands and flags.

use crate::arguments::{Arguments, CompletionArguments, PROGRAM};
use crate::console::Console;
use anyhow::bail;

/// Prints the script for one shell.
pub fn run(arguments: &CompletionArguments, console: &mut Console<'_>) -> anyhow::Result<()> {
    let [shell] = arguments.shells.as_slice() else {
        bail!("name one shell: stolonctl completion bash, zsh or fish");
    };
    console.write(&stolon_flags::completion::<Arguments>(&PROGRAM, shell)?)
}
