//! `--store-endpoints`.

use super::ConfigError;
use tonic::transport::Uri;

const DEFAULT: &str = "http://127.0.0.1:2379";

/// The endpoints as URLs of scheme, host and port.
pub fn parse(text: &str) -> Result<Vec<String>, ConfigError> {
    let text = if text.is_empty() { DEFAULT } else { text };
    let mut endpoints = Vec::new();
    let mut common: Option<String> = None;
    for element in text.split(',') {
        let (scheme, url) = endpoint(element)?;
        if *common.get_or_insert(scheme.clone()) != scheme {
            return Err(ConfigError::MixedSchemes);
        }
        endpoints.push(url);
    }
    match common.as_deref() {
        Some("http" | "https") => Ok(endpoints),
        _ => Err(ConfigError::Scheme),
    }
}

fn endpoint(element: &str) -> Result<(String, String), ConfigError> {
    let failed = |reason: String| ConfigError::Endpoint { endpoint: without_user(element), reason };
    let url = match scheme(element) {
        Some(_) => element.to_owned(),
        None => format!("http://{element}"),
    };
    let uri: Uri =
        url.parse().map_err(|e: <Uri as std::str::FromStr>::Err| failed(e.to_string()))?;
    let authority = uri.authority().ok_or_else(|| failed("it names no host".to_owned()))?;
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    if authority.host().is_empty() {
        return Err(failed("it names no host".to_owned()));
    }
    let scheme = uri.scheme_str().unwrap_or("http").to_ascii_lowercase();
    Ok((scheme.clone(), format!("{scheme}://{host}")))
}

/// What stands before `://`, if it can be a scheme.
fn scheme(element: &str) -> Option<&str> {
    let (scheme, _) = element.split_once("://")?;
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some(scheme)
}

/// An error must not tell a password.
fn without_user(element: &str) -> String {
    match element.rsplit_once('@') {
        Some((before, host)) => match scheme(before) {
            Some(scheme) => format!("{scheme}://{host}"),
            None => host.to_owned(),
        },
        None => element.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_become_urls() {
        for (text, urls) in [
            ("", vec!["http://127.0.0.1:2379"]),
            ("a:1,b:2", vec!["http://a:1", "http://b:2"]),
            ("http://a:1/path?q=1,b:2", vec!["http://a:1", "http://b:2"]),
            ("HTTPS://a:1", vec!["https://a:1"]),
            ("https://user:secret@a:1", vec!["https://a:1"]),
            ("[::1]:2379", vec!["http://[::1]:2379"]),
        ] {
            assert_eq!(parse(text).unwrap(), urls, "{text}");
        }
    }

    #[test]
    fn errors_have_the_texts_of_the_reference() {
        for (text, error) in [
            ("http://a:1,https://b:2", "all the endpoints must have the same scheme"),
            ("a:1,https://b:2", "all the endpoints must have the same scheme"),
            ("ftp://a:1", "endpoints scheme must be http or https"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error, "{text}");
        }
        let error = parse("http://a b").unwrap_err().to_string();
        assert!(error.starts_with("cannot parse endpoint \"http://a b\": "), "{error}");
        let error = parse("http://u:secret@a b").unwrap_err().to_string();
        assert!(error.starts_with("cannot parse endpoint \"http://a b\": "), "{error}");
    }
}
