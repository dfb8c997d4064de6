//! The bearer token for ContextForge's admin API: the first line of a file, read again when the file changes.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_protocol::Secret;
use serde::Deserialize;

use crate::error::GatewayError;
use crate::state_dir::Stamp;

/// The largest file that is read, in bytes: as much as any token has, and room for a comment below it.
const MAX_FILE: u64 = 64 * 1024;

/// The file and what was last read of it.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    stamp: Option<Stamp>,
    token: Secret,
    names: Vec<String>,
}

/// What looking again brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The token is as before.
    None,
    /// It is another.
    Changed,
}

impl TokenFile {
    /// Reads it.
    ///
    /// # Errors
    /// [`GatewayError::PublishToken`] when there is no token in it.
    pub(super) fn open(path: &Path) -> Result<Self, GatewayError> {
        let stamp = Stamp::of(path);
        let token = read(path).map_err(|detail| GatewayError::PublishToken { path: path.to_owned(), detail })?;
        #[cfg(unix)]
        if others_can_read(path) {
            tracing::warn!(file = %path.display(), "others on this machine can read the publishing token; chmod 600 it");
        }
        let names = names(&token);
        Ok(Self { path: path.to_owned(), stamp, token, names })
    }

    /// Looks at the file again. One that cannot be read is told in the log, and the token before goes on.
    pub(super) fn look(&mut self) -> News {
        let stamp = Stamp::of(&self.path);
        if stamp == self.stamp {
            return News::None;
        }
        self.stamp = stamp;
        match read(&self.path) {
            Ok(token) if token == self.token => News::None,
            Ok(token) => {
                self.names = names(&token);
                self.token = token;
                News::Changed
            }
            Err(why) => {
                tracing::warn!(file = %self.path.display(), why, "the publishing token's file changed and has no token; the old one goes on");
                News::None
            }
        }
    }

    /// The token.
    pub(super) fn token(&self) -> &Secret {
        &self.token
    }

    /// The names under which ContextForge may know its user: whose entries are ours.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

fn read(path: &Path) -> Result<Secret, String> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_FILE) {
        return Err(format!("it has more than {MAX_FILE} bytes"));
    }
    let text = zeroize::Zeroizing::new(fs::read_to_string(path).map_err(|error| error.to_string())?);
    let token = Secret::new(text.lines().next().unwrap_or_default());
    match token.expose() {
        "" => Err("its first line is empty".to_owned()),
        text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(token),
        _ => Err("its first line is no token: one is made of visible ASCII characters".to_owned()),
    }
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// The claims by which ContextForge finds a token's user: the address signed into it, else `sub`.
#[derive(Debug, Default, Deserialize)]
struct Who {
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default)]
    email: Option<String>,
}

fn names(token: &Secret) -> Vec<String> {
    let payload = token.expose().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let who: Who = payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default();
    [who.user.and_then(|user| user.email), who.email, who.sub].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        assert!(matches!(TokenFile::open(&path), Err(GatewayError::PublishToken { .. })));
        fs::write(&path, "\n").unwrap();
        assert!(matches!(TokenFile::open(&path), Err(GatewayError::PublishToken { .. })));
        fs::write(&path, jwt(r#"{"sub":"a@b"}"#) + "\nmore").unwrap();
        let mut file = TokenFile::open(&path).unwrap();
        assert_eq!((file.look(), file.names()), (News::None, &["a@b".to_owned()][..]));
        fs::write(&path, jwt(r#"{"sub":"0b7e","user":{"email":"c@d","is_admin":true}}"#)).unwrap();
        assert_eq!(file.look(), News::Changed);
        assert_eq!(file.names(), ["c@d", "0b7e"]);
        let before = file.token().clone();
        fs::write(&path, "two words").unwrap();
        assert_eq!((file.look(), file.token()), (News::None, &before));
        fs::write(&path, "opaque").unwrap();
        assert_eq!((file.look(), file.names().len()), (News::Changed, 0));
    }
}
