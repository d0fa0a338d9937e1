//! Connection strings in libpq's keyword form.

use crate::postgres::secret::Secret;
use std::collections::BTreeMap;
use std::fmt;

/// The keywords of a connection. Empty values are left out of the text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnInfo(BTreeMap<&'static str, Secret>);

impl ConnInfo {
    /// No keyword yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a keyword.
    #[must_use]
    pub fn with(mut self, keyword: &'static str, value: impl Into<String>) -> Self {
        self.0.insert(keyword, Secret::new(value));
        self
    }

    /// Sets the password, if there is one.
    #[must_use]
    pub fn with_password(mut self, password: Option<&Secret>) -> Self {
        if let Some(password) = password {
            self.0.insert("password", password.clone());
        }
        self
    }

    /// The value of a keyword; empty if unset.
    pub fn get(&self, keyword: &str) -> &str {
        self.0.get(keyword).map_or("", Secret::expose)
    }

    /// The same connection without its password, for a command line: the password goes into a pgpass file.
    #[must_use]
    pub fn without_password(&self) -> Self {
        let mut public = self.clone();
        public.0.remove("password");
        public
    }

    /// The text: keywords sorted, values escaped.
    pub fn text(&self) -> Secret {
        let pairs: Vec<String> = self
            .0
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(keyword, value)| format!("{keyword}={}", escaped(value.expose())))
            .collect();
        Secret::new(pairs.join(" "))
    }
}

impl fmt::Debug for ConnInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnInfo({})", masked(self.text().expose()))
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ' ' | '\'' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// A connection string as a log may show it: the value of `password` replaced by stars. A URI is hidden whole.
pub fn masked(conninfo: &str) -> String {
    if conninfo.contains("://") {
        return "***".to_owned();
    }
    let mut shown = Vec::new();
    let mut rest = conninfo.trim_start();
    while !rest.is_empty() {
        let end = pair_end(rest);
        let (pair, after) = rest.split_at(end);
        let keyword = pair.split('=').next().unwrap_or_default().trim();
        if keyword.eq_ignore_ascii_case("password") {
            shown.push("password=***".to_owned());
        } else {
            shown.push(pair.to_owned());
        }
        rest = after.trim_start();
    }
    shown.join(" ")
}

/// Where the first `keyword = value` of `text` ends. Blanks may stand around the equals sign, a backslash takes the
/// character after it along, and quotes hold blanks together.
fn pair_end(text: &str) -> usize {
    let Some(equals) = text.find('=') else {
        return text.len();
    };
    let value = equals + 1 + (text.len() - equals - 1 - text[equals + 1..].trim_start().len());
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text[value..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => return value + at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_sorted_and_escaped() {
        let info = ConnInfo::new()
            .with("user", "repluser")
            .with("host", "10.0.0.10")
            .with("port", "5432")
            .with("dbname", "")
            .with("application_name", "stolon_b2c3d4e5")
            .with("sslmode", "prefer")
            .with_password(Some(&Secret::new("replpw")));
        assert_eq!(
            info.text().expose(),
            "application_name=stolon_b2c3d4e5 host=10.0.0.10 password=replpw port=5432 sslmode=prefer user=repluser"
        );
        let odd = ConnInfo::new().with_password(Some(&Secret::new(r"a b'c\d")));
        assert_eq!(odd.text().expose(), r"password=a\ b\'c\\d");
        assert_eq!(odd.without_password().text().expose(), "");
    }

    #[test]
    fn no_password_is_shown() {
        let info = ConnInfo::new()
            .with("host", "h")
            .with("user", "u")
            .with_password(Some(&Secret::new(r"p w'x\")));
        assert_eq!(format!("{info:?}"), "ConnInfo(host=h password=*** user=u)");
        for (text, shown) in [
            ("host=a password='x y' user=b", "host=a password=*** user=b"),
            ("password = x host=a", "password=*** host=a"),
            (r"password=x\ y", "password=***"),
            ("PASSWORD=x", "password=***"),
            ("postgres://u:p@h/db", "***"),
            ("password", "password=***"),
            ("", ""),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
