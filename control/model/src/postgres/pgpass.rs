//! Lines of a pgpass file (PostgreSQL documentation, section "The Password File").

use crate::postgres::secret::Secret;

/// The line that gives `user` its password for every database of `host` and `port`, with its newline.
pub fn entry(host: &str, port: &str, user: &str, password: &Secret) -> Secret {
    Secret::new(format!(
        "{}:{}:*:{}:{}\n",
        escaped(host),
        escaped(port),
        escaped(user),
        escaped(password.expose())
    ))
}

fn escaped(field: &str) -> String {
    field.replace('\\', r"\\").replace(':', r"\:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_defect_pgpass_not_escaped() {
        let line = entry("fd00::1", "5432", "repl", &Secret::new(r"a:b\c"));
        assert_eq!(line.expose(), "fd00\\:\\:1:5432:*:repl:a\\:b\\\\c\n");
    }
}
