//! The subcommands, one file each.

mod clusterdata;
mod completion;
mod failkeeper;
mod init;
mod promote;
mod removekeeper;
mod spec;
mod status;
mod update;

use crate::arguments::{Arguments, ClusterdataCommand, Command, PROGRAM};
use crate::console::Console;
use crate::failure::While as _;
use anyhow::bail;
use std::ffi::OsString;

/// Does what was typed. An error is the whole message for the user.
pub fn run(arguments: Arguments, console: &mut Console<'_>) -> anyhow::Result<()> {
    let Arguments { common, command, .. } = arguments;
    match &command {
        None => return help(&[], console),
        Some(Command::Version) => {
            return console.say(&format!("{} version {}", PROGRAM.command, PROGRAM.version));
        }
        Some(Command::Completion(arguments)) => return completion::run(arguments, console),
        Some(Command::Clusterdata(arguments)) if arguments.command.is_none() => {
            return help(&["clusterdata"], console);
        }
        Some(Command::Register(flags)) if flags.version => {
            return console.say(&format!("register version {}", PROGRAM.version));
        }
        Some(Command::Register(_)) => bail!(
            "stolonctl register is left out of this build, which does not publish to Consul: point clients at stolon-proxy, \
             or run the register command of Stolon, which understands the same cluster data"
        ),
        Some(_) => common.check()?,
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_fail("cannot start the event loop")?;
    let done = runtime.block_on(async {
        match command {
            Some(Command::Clusterdata(arguments)) => match arguments.command {
                Some(ClusterdataCommand::Read { pretty }) => {
                    clusterdata::read(&common, pretty, console).await
                }
                Some(ClusterdataCommand::Write(arguments)) => {
                    clusterdata::write(&common, &arguments, console).await
                }
                None => Ok(()),
            },
            Some(Command::Failkeeper(arguments)) => failkeeper::run(&common, &arguments).await,
            Some(Command::Init(arguments)) => init::run(&common, &arguments, console).await,
            Some(Command::Promote(arguments)) => promote::run(&common, &arguments, console).await,
            Some(Command::Removekeeper(arguments)) => removekeeper::run(&common, &arguments).await,
            Some(Command::Spec(arguments)) => spec::run(&common, &arguments, console).await,
            Some(Command::Status(arguments)) => status::run(&common, &arguments, console).await,
            Some(Command::Update(arguments)) => update::run(&common, &arguments, console).await,
            None | Some(Command::Completion(_) | Command::Register(_) | Command::Version) => Ok(()),
        }
    });
    // A name that is still being resolved must not hold the end up.
    runtime.shutdown_background();
    done
}

/// Prints the help of a command.
fn help(path: &[&str], console: &mut Console<'_>) -> anyhow::Result<()> {
    let words = [&[PROGRAM.command], path, &["--help"]].concat();
    match stolon_flags::parse::<Arguments>(&PROGRAM, words.into_iter().map(OsString::from), []) {
        Err(stop) => console.write(stop.stdout.as_bytes()),
        Ok(_) => Ok(()),
    }
}
