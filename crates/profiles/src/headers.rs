//! Headers for a local server by address, as configured: names, and references to values.

use std::fmt;

use culvert_protocol::Secret;

use crate::value::BadValue;

/// Headers in the order given, each with a reference to its value or the value itself. `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LocalHeaders(pub(crate) Vec<(String, Secret)>);

impl fmt::Debug for LocalHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl LocalHeaders {
    /// Reads what flags say, each `NAME=env:VARIABLE` or `NAME=file:PATH`. What stands on a command line is seen by
    /// others, so that no value is taken from it.
    ///
    /// # Errors
    /// [`BadValue`], which repeats nothing of the texts.
    pub fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Self, BadValue> {
        let header = |flag: &str| {
            let (name, value) = flag.split_once('=').ok_or(BadValue::NotHeader)?;
            match value.trim() {
                "" => Err(BadValue::NotHeader),
                value if value.starts_with("env:") || value.starts_with("file:") => {
                    Ok((name.to_owned(), Secret::new(value)))
                }
                _ => Err(BadValue::LiteralHeader),
            }
        };
        flags.into_iter().map(header).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_refer_to_values_and_hold_none() {
        let headers = LocalHeaders::from_flags(["X-Key=env:KEY", "Authorization= file:/run/a=b"]).unwrap();
        let shown: Vec<_> = headers.0.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(shown, [("X-Key", "env:KEY"), ("Authorization", "file:/run/a=b")]);
        for (flag, problem) in [
            ("X-Key", BadValue::NotHeader),
            ("X-Key=", BadValue::NotHeader),
            ("X-Key: env:KEY", BadValue::NotHeader),
            ("X-Key=hunter2", BadValue::LiteralHeader),
            ("X-Key=keychain:k", BadValue::LiteralHeader),
        ] {
            assert_eq!(LocalHeaders::from_flags([flag]), Err(problem), "{flag}");
        }
    }

    #[test]
    fn debug_shows_names_only() {
        let headers = LocalHeaders(vec![("X-Key".to_owned(), Secret::new("hunter2"))]);
        assert_eq!(format!("{headers:?}"), "[\"X-Key\"]");
    }
}
