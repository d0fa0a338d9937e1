//! Flags from environment variables: `STKEEPER_DATA_DIR` is `--data-dir` of the keeper.

use crate::flag::{Flag, FlagSet};
use crate::program::Program;
use std::collections::BTreeMap;
use std::ffi::OsString;
use stolon_model::quote::quote;

/// The flags that variables set, in alphabetical order, which decides which of two flags that write the same value wins. An
/// empty variable is an unset one. An error names the variable.
pub fn read<'a>(
    program: &Program,
    flags: &FlagSet<'a>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(Flag<'a>, String)>, String> {
    let variables: BTreeMap<OsString, OsString> = variables.into_iter().collect();
    let mut set = Vec::new();
    for flag in flags.iter() {
        let variable = program.variable(flag.name);
        let Some(value) = variables.get(&OsString::from(&variable)).filter(|v| !v.is_empty())
        else {
            continue;
        };
        let Some(value) = value.to_str() else {
            return Err(format!("invalid value {value:?} for {variable}: it is not UTF-8 text"));
        };
        flag.check(value)
            .map_err(|why| format!("invalid value {} for {variable}: {why}", quote(value)))?;
        set.push((flag.clone(), value.to_owned()));
    }
    Ok(set)
}
