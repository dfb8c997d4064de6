//! References to secrets, and what they refer to.

mod command;
mod expiry;
mod file;
mod group;
mod keychain;
mod problem;
mod reference;
mod sources;
mod watched;

use std::io;
use std::path::Path;

use culvert_protocol::Secret;

use crate::surroundings::Surroundings;
use crate::value::BadValue;

pub use expiry::Expiry;
pub(crate) use file::unreadable;
pub use keychain::{Keychain, Prompt, SERVICE};
pub use problem::{KeychainError, SecretError, SecretNotice, Volume};
pub use reference::{BadReference, SecretRef};
pub use sources::SecretSources;
pub use watched::{Again, Reread, SecretCondition, Watched};

/// The secret behind a reference, as far as it can be read at once: a keychain and a command take time.
///
/// # Errors
/// [`BadValue`] for a reference that leads nowhere, to nothing, or of a kind that is not read here.
pub(crate) fn follow(reference: &SecretRef, surroundings: &Surroundings<'_>) -> Result<Secret, BadValue> {
    let read = |path: &Path| {
        let text = (surroundings.secret_file)(&surroundings.folder.join(path));
        text.map(Secret::new).map_err(|error| BadValue::UnreadableFile(error.kind()))
    };
    let secret = match reference {
        SecretRef::Literal(secret) => secret.clone(),
        SecretRef::Env(name) => Secret::new(surroundings.variable(name).ok_or(BadValue::UnsetVariable)?),
        SecretRef::File(path) => read(path)?,
        SecretRef::Credential(name) => {
            let folder = surroundings.variable("CREDENTIALS_DIRECTORY");
            read(&Path::new(&folder.ok_or(BadValue::UnreadableFile(io::ErrorKind::NotFound))?).join(name))?
        }
        SecretRef::Keychain(_) | SecretRef::Command(_) => return Err(BadValue::Reference),
    };
    if secret.is_empty() { Err(BadValue::Empty) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Platform;

    fn referred(text: &str) -> Result<String, BadValue> {
        let surroundings = Surroundings {
            variable: &|name| match name {
                "KEY" => Some(" from variable ".to_owned()),
                "CREDENTIALS_DIRECTORY" => Some("/run/credentials/culvert".to_owned()),
                _ => None,
            },
            secret_file: &|path| match path.to_str() {
                Some("/home/ann/key") => Ok("from file\n".to_owned()),
                Some("/run/credentials/culvert/gw") => Ok("from systemd\n".to_owned()),
                Some("/empty") => Ok("\n".to_owned()),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
            host: String::new(),
            folder: "/home/ann".into(),
            platform: Platform::Unix,
        };
        Ok(follow(&SecretRef::parse(text, Platform::Unix)?, &surroundings)?.expose().to_owned())
    }

    #[test]
    fn references_lead_to_their_secrets() {
        assert_eq!(referred("env:KEY").as_deref(), Ok("from variable"));
        assert_eq!(referred("file:key").as_deref(), Ok("from file"));
        assert_eq!(referred("file:/home/ann/key").as_deref(), Ok("from file"));
        assert_eq!(referred("credential:gw").as_deref(), Ok("from systemd"));
        assert_eq!(referred("hunter2").as_deref(), Ok("hunter2"));
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        assert_eq!(referred("env:NOPE"), Err(BadValue::UnsetVariable));
        assert_eq!(referred("file:nope"), Err(BadValue::UnreadableFile(io::ErrorKind::NotFound)));
        assert_eq!(referred("file:"), Err(BadReference::Nameless("file").into()));
        assert_eq!(referred("credential:nope"), Err(BadValue::UnreadableFile(io::ErrorKind::NotFound)));
        assert_eq!(referred("file:/empty"), Err(BadValue::Empty));
        assert_eq!(referred("keychain:k"), Err(BadValue::Reference));
        assert_eq!(referred("command:pass gw"), Err(BadValue::Reference));
    }
}
