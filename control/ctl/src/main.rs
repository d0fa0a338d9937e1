//! The command line of the cluster.
//!
//! In reading order: [`arguments`] is what can be typed, [`command`] does it, one file per subcommand, [`cluster`] reads and
//! replaces the cluster data, [`console`] is the terminal. Output and exit codes are those of Stolon's `stolonctl`, because
//! scripts read them.

mod arguments;
mod cluster;
mod command;
mod console;
mod failure;
mod ignored;
mod input;
mod prompt;
mod tabs;

use arguments::{Arguments, PROGRAM};
use console::{Closed, Console};
use std::io::{stderr, stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match stolon_flags::parse::<Arguments>(
        &PROGRAM,
        std::env::args_os(),
        std::env::vars_os(),
    ) {
        Ok(parsed) => {
            parsed.print_notices();
            parsed.args
        }
        Err(stop) => return stop.print_without_log(),
    };
    let mut console =
        Console { input: &mut stdin().lock(), output: &mut stdout(), errors: &mut stderr() };
    match command::run(arguments, &mut console) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader, such as `head`, has had enough.
        Err(error) if error.is::<Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            console.complain(&format!("{error}"));
            ExitCode::FAILURE
        }
    }
}
