//! A string that must not be seen: tokens, signing secrets, passwords.

use std::fmt;

use zeroize::Zeroize;

/// The environment variables that hold Culvert's own secrets: no process that Culvert starts inherits them.
pub const VARIABLES: [&str; 4] =
    ["REVERSE_PROXY_TOKEN", "REVERSE_PROXY_CLIENT_KEY_PASSPHRASE", "JWT_SECRET_KEY", "JWT_SECRET_KEY_PREVIOUS"];

/// A secret text. Its `Debug` shows nothing of it, it has no `Display`, and its memory is wiped when it is dropped.
///
/// Reading it takes a visible [`expose`](Secret::expose), so that every place where a secret leaves is easy to find.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over; white space around it (a trailing newline of a secret file, say) is not part of it.
    pub fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        let trimmed = text.trim();
        if trimmed.len() == text.len() {
            return Self(text);
        }
        let secret = Self(trimmed.to_owned());
        text.zeroize();
        secret
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this secret. How long that takes tells nothing but the length.
    pub fn is(&self, given: &str) -> bool {
        let (own, given) = (self.0.as_bytes(), given.as_bytes());
        let differences = own.iter().zip(given).fold(0, |all, (own, given)| std::hint::black_box(all | (own ^ given)));
        own.len() == given.len() && differences == 0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_is_it() {
        let secret = Secret::new("hunter2");
        assert!(secret.is("hunter2"));
        for other in ["hunter3", "hunter", "hunter22", ""] {
            assert!(!secret.is(other), "{other}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let secret = Secret::new("hunter2\n");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
