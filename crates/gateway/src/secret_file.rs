//! The file of the signing secrets: a secret a line, the first signs, all are taken. Also the one that is made when the
//! user has none.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_protocol::Secret;
use zeroize::Zeroize as _;

use crate::config::SecretSource;
use crate::error::GatewayError;
use crate::state_dir;

/// Name of the made secret's file in the state folder.
const MADE: &str = "jwt-secret";

/// The most secrets in one file: a rotation needs two.
const MAX_SECRETS: usize = 8;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Bytes of randomness in a made secret: as many as HMAC-SHA-256 puts out (RFC 7518 §3.2).
const MADE_BYTES: usize = 32;

/// The secrets and where they came from.
#[derive(Debug)]
pub(crate) struct Found {
    /// At least one; the first signs.
    pub secrets: Vec<Secret>,
    /// The file to look at again, if they are from one.
    pub file: Option<PathBuf>,
    /// The file that was made just now, because there was none.
    pub made: Option<PathBuf>,
}

/// The secrets of `source`; those of [`SecretSource::State`] are made if need be.
///
/// # Errors
/// [`GatewayError`] when there is none, or the file cannot be read or made.
pub(crate) fn find(source: &SecretSource, state_dir: &Path) -> Result<Found, GatewayError> {
    match source {
        SecretSource::Given { current, previous } => {
            let secrets: Vec<_> = std::iter::once(current).chain(previous).cloned().collect();
            if secrets.iter().any(Secret::is_empty) {
                return Err(GatewayError::SecretEmpty);
            }
            Ok(Found { secrets, file: None, made: None })
        }
        SecretSource::File(path) => Ok(Found { secrets: read(path)?, file: Some(path.clone()), made: None }),
        SecretSource::State => {
            let path = state_dir.join(MADE);
            let made = !path.exists() && make(&path, state_dir)?;
            Ok(Found { secrets: read(&path)?, made: made.then(|| path.clone()), file: Some(path) })
        }
    }
}

/// Reads a file of secrets.
///
/// # Errors
/// [`GatewayError::SecretFile`] when it is missing, unreadable, too large or has no secret in it.
pub(crate) fn read(path: &Path) -> Result<Vec<Secret>, GatewayError> {
    let failed = |detail: String| GatewayError::SecretFile { path: path.to_owned(), detail };
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_FILE) {
        return Err(failed(format!("it has more than {MAX_FILE} bytes")));
    }
    let mut text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let secrets: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).map(Secret::new).collect();
    text.zeroize();
    match secrets.len() {
        0 => Err(failed("the file is empty".to_owned())),
        1..=MAX_SECRETS => Ok(secrets),
        many => Err(failed(format!("it has {many} lines; at most {MAX_SECRETS} secrets, one a line, are taken"))),
    }
}

/// Tells in the log what makes these secrets weaker than they look.
pub(crate) fn warn(found: &Found) {
    if found.secrets.iter().any(|secret| secret.expose().len() < MADE_BYTES) {
        tracing::warn!("a signing secret has fewer than {MADE_BYTES} characters; who has a token can guess it offline");
    }
    #[cfg(unix)]
    if let Some(path) = found.file.as_deref().filter(|path| others_can_read(path)) {
        tracing::warn!(file = %path.display(), "others on this machine can read the signing secret; chmod 600 it");
    }
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// Makes a secret, unless another process was quicker.
fn make(path: &Path, state_dir: &Path) -> Result<bool, GatewayError> {
    let mut bytes = [0; MADE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| GatewayError::state(path, error))?;
    let mut line = URL_SAFE_NO_PAD.encode(bytes);
    line.push('\n');
    state_dir::create(state_dir)?;
    let made = state_dir::create_once(path, line.as_bytes()).map_err(|error| GatewayError::state(path, error));
    bytes.zeroize();
    line.zeroize();
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let first = find(&SecretSource::State, &state).unwrap();
        assert_eq!(first.made, Some(state.join(MADE)));
        assert_eq!(first.secrets[0].expose().len(), 43);
        let second = find(&SecretSource::State, &state).unwrap();
        assert_eq!((second.made, second.secrets), (None, first.secrets));
    }

    #[test]
    fn every_line_is_a_secret_and_none_is_an_error_with_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "new\r\n\n  old \n").unwrap();
        assert_eq!(read(&path).unwrap(), [Secret::new("new"), Secret::new("old")]);
        fs::write(&path, " \n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("empty"));
        fs::write(&path, "x\n".repeat(9)).unwrap();
        let shown = read(&path).unwrap_err().to_string();
        assert!(shown.contains("9 lines"), "{shown}");
        assert!(matches!(read(&folder.path().join("none")), Err(GatewayError::SecretFile { .. })));
        let empty = SecretSource::Given { current: Secret::default(), previous: None };
        assert!(matches!(find(&empty, folder.path()), Err(GatewayError::SecretEmpty)));
    }
}
