//! References to secrets, `env:NAME` and `file:PATH`, and what they refer to.

mod reference;

use std::io;
use std::path::Path;

use culvert_protocol::Secret;

use crate::surroundings::Surroundings;
use crate::value::BadValue;

pub use reference::{BadReference, SecretRef};

/// What a configured secret stands for.
pub(crate) enum Meant {
    /// What it refers to.
    Referred(Secret),
    /// Itself.
    Literal,
}

/// The variable that a text refers to, as `env:NAME`.
pub(crate) fn variable(text: &Secret) -> Option<&str> {
    text.expose().strip_prefix("env:").map(str::trim)
}

/// What `text` stands for. A path is one from the folder that Culvert was started in.
///
/// # Errors
/// [`BadValue`] for a reference that leads nowhere, to nothing, or of a kind that is not read here.
pub(crate) fn meant(text: &Secret, surroundings: &Surroundings<'_>) -> Result<Meant, BadValue> {
    let referred = match text.expose().split_once(':') {
        Some(("env", name)) => Secret::new(surroundings.variable(name.trim()).ok_or(BadValue::UnsetVariable)?),
        Some(("file", path)) => {
            let read = |path: &str| (surroundings.secret_file)(&surroundings.folder.join(Path::new(path)));
            let text = match path.trim() {
                "" => Err(io::ErrorKind::NotFound.into()),
                path => read(path),
            };
            Secret::new(text.map_err(|error| BadValue::UnreadableFile(error.kind()))?)
        }
        Some(("keychain" | "command", _)) => return Err(BadValue::Reference),
        _ if text.is_empty() => return Err(BadValue::Empty),
        _ => return Ok(Meant::Literal),
    };
    if referred.is_empty() { Err(BadValue::Empty) } else { Ok(Meant::Referred(referred)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Platform;

    fn referred(text: &str) -> Result<String, BadValue> {
        let surroundings = Surroundings {
            variable: &|name| (name == "KEY").then(|| " from variable ".to_owned()),
            secret_file: &|path| match path.to_str() {
                Some("/home/ann/key") => Ok("from file\n".to_owned()),
                Some("/empty") => Ok("\n".to_owned()),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
            host: String::new(),
            folder: "/home/ann".into(),
            platform: Platform::Unix,
        };
        Ok(match meant(&Secret::new(text), &surroundings)? {
            Meant::Referred(secret) => secret.expose().to_owned(),
            Meant::Literal => "literal".to_owned(),
        })
    }

    #[test]
    fn references_lead_to_their_secrets() {
        assert_eq!(referred("env:KEY").as_deref(), Ok("from variable"));
        assert_eq!(referred("file:key").as_deref(), Ok("from file"));
        assert_eq!(referred("file:/home/ann/key").as_deref(), Ok("from file"));
        assert_eq!(referred("hunter2").as_deref(), Ok("literal"));
        assert_eq!(referred("environment:x").as_deref(), Ok("literal"));
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        assert_eq!(referred("env:NOPE"), Err(BadValue::UnsetVariable));
        assert_eq!(referred("file:nope"), Err(BadValue::UnreadableFile(io::ErrorKind::NotFound)));
        assert_eq!(referred("file:"), Err(BadValue::UnreadableFile(io::ErrorKind::NotFound)));
        assert_eq!(referred("file:/empty"), Err(BadValue::Empty));
        assert_eq!(referred("keychain:k"), Err(BadValue::Reference));
        assert_eq!(referred("command:pass gw"), Err(BadValue::Reference));
        assert_eq!(referred(" "), Err(BadValue::Empty));
    }
}
