//! The question before something irrevocable.

use crate::console::Console;
use crate::failure::While as _;

const QUESTION: &str = "Are you sure you want to continue? [yes/no] ";

/// The answer of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Leave everything as it is.
    No,
}

/// Asks until the answer is `yes` or `no`, in exactly these words.
pub fn ask(console: &mut Console<'_>) -> anyhow::Result<Answer> {
    loop {
        console.write(QUESTION.as_bytes())?;
        let mut line = Vec::new();
        let read = console.input.read_until(b'\n', &mut line);
        match (read, line.as_slice()) {
            (Err(error), _) => return Err(error).or_fail("error reading input"),
            (Ok(_), b"yes\n") => return Ok(Answer::Yes),
            (Ok(_), b"no\n") => return Ok(Answer::No),
            (Ok(_), [.., b'\n']) => console.say("Please enter 'yes' or 'no'")?,
            (Ok(_), _) => anyhow::bail!("error reading input: EOF"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(input: &str) -> (Result<Answer, String>, String) {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut console =
            Console { input: &mut input.as_bytes(), output: &mut output, errors: &mut errors };
        let answer = ask(&mut console).map_err(|error| format!("{error}"));
        (answer, String::from_utf8(output).unwrap())
    }

    #[test]
    fn yes_and_no_are_answers() {
        assert_eq!(asked("yes\nrest"), (Ok(Answer::Yes), QUESTION.into()));
        assert_eq!(asked("no\n"), (Ok(Answer::No), QUESTION.into()));
    }

    #[test]
    fn anything_else_is_asked_again() {
        let (answer, output) = asked("y\nYES\nyes \nyes\r\n\nno\n");
        assert_eq!(answer, Ok(Answer::No));
        let again = format!("{QUESTION}Please enter 'yes' or 'no'\n").repeat(5);
        assert_eq!(output, again + QUESTION);
    }

    #[test]
    fn the_end_of_input_is_no_answer() {
        for input in ["", "yes", "maybe\nno"] {
            assert_eq!(asked(input).0, Err("error reading input: EOF".into()), "{input:?}");
        }
    }
}
