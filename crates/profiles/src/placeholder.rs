//! `{hostname}` and `{env:NAME}` in names and descriptions.

use thiserror::Error;

use crate::surroundings::Surroundings;

/// Variables that hold secrets of ours: a name or description shows them to everyone on the gateway.
const SECRETS: [&str; 2] = ["REVERSE_PROXY_TOKEN", "JWT_SECRET_KEY"];

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadPlaceholder {
    /// The variable is unset or empty.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The variable holds a secret.
    #[error("{0} holds a secret, which a gateway would show to others")]
    Secret(String),
    /// The machine has no name.
    #[error("this machine has no host name")]
    NoHost,
}

/// `text` with its placeholders filled in. Braces that are no placeholder stay as they are.
///
/// # Errors
/// [`BadPlaceholder`].
pub(crate) fn filled(text: &str, surroundings: &Surroundings<'_>) -> Result<String, BadPlaceholder> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let inner = rest.find('}').map(|end| &rest[1..end]);
        let value = match inner {
            Some("hostname") => Some(match surroundings.short_host() {
                host if host.is_empty() => return Err(BadPlaceholder::NoHost),
                host => host,
            }),
            Some(inner) => inner.strip_prefix("env:").map(|name| variable(name.trim(), surroundings)).transpose()?,
            None => None,
        };
        match (inner, value) {
            (Some(inner), Some(value)) => {
                out.push_str(&value);
                rest = &rest[inner.len() + 2..];
            }
            _ => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn variable(name: &str, surroundings: &Surroundings<'_>) -> Result<String, BadPlaceholder> {
    if SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name)) {
        return Err(BadPlaceholder::Secret(name.to_ascii_uppercase()));
    }
    let unset = || BadPlaceholder::Unset(culvert_protocol::text::clean(name, 80));
    surroundings.variable(name).map(|value| value.trim().to_owned()).ok_or_else(unset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::Platform;

    fn fill(text: &str) -> Result<String, BadPlaceholder> {
        filled(
            text,
            &Surroundings {
                variable: &|name| (name == "TEAM").then(|| "blue {hostname}".to_owned()),
                secret_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
                host: "Box.example".to_owned(),
                folder: "/".into(),
                platform: Platform::Unix,
            },
        )
    }

    #[test]
    fn host_and_variables_are_filled_in_once() {
        assert_eq!(fill("git-{hostname}").unwrap(), "git-box");
        assert_eq!(fill("{env:TEAM} on {hostname}").unwrap(), "blue {hostname} on box");
        assert_eq!(fill("a {b} {").unwrap(), "a {b} {");
    }

    #[test]
    fn what_is_unset_or_secret_is_refused() {
        assert_eq!(fill("{env:NOPE}"), Err(BadPlaceholder::Unset("NOPE".to_owned())));
        assert_eq!(fill("{env:}"), Err(BadPlaceholder::Unset(String::new())));
        assert_eq!(fill("{env:reverse_proxy_token}"), Err(BadPlaceholder::Secret("REVERSE_PROXY_TOKEN".to_owned())));
    }

    proptest! {
        #[test]
        fn text_without_placeholders_stays(text in "[^{]{0,40}") {
            prop_assert_eq!(fill(&text).unwrap(), text);
        }

        #[test]
        fn no_text_is_too_odd(text in "[{}a-z:é]{0,60}") {
            let _ = fill(&text);
        }
    }
}
