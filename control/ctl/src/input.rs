//! Documents that the user hands over: as an argument, in a file, on standard input.

use crate::console::Console;
use crate::failure::While as _;

/// The file `path`, or standard input if it is `-`.
pub fn read(path: &str, console: &mut Console<'_>) -> anyhow::Result<Vec<u8>> {
    if path == "-" {
        let mut bytes = Vec::new();
        console.input.read_to_end(&mut bytes).or_fail("cannot read from stdin")?;
        return Ok(bytes);
    }
    std::fs::read(path).or_fail(&format!("open {path}")).or_fail("cannot read file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str) -> Result<Vec<u8>, String> {
        let mut console = Console {
            input: &mut "from stdin".as_bytes(),
            output: &mut Vec::new(),
            errors: &mut Vec::new(),
        };
        read(path, &mut console).map_err(|error| format!("{error}"))
    }

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(document("-"), Ok(b"from stdin".to_vec()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = document("/nowhere/spec.json").unwrap_err();
        assert!(error.starts_with("cannot read file: open /nowhere/spec.json: "), "{error}");
    }
}
