//! The revoked tokens: a file of the state folder with a line of JSON per token, only ever appended to, so that the
//! command line can write it while the gateway reads it.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::error::GatewayError;
use crate::state_dir;

/// Name of the file in the state folder.
const FILE: &str = "revoked-tokens";

/// The revoked ids as last read. Ids whose token has expired are left out: `exp` refuses them anyhow.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Revoked {
    ids: HashSet<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    jti: String,
    /// When the token would have ended by itself; none: never, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
}

impl Revoked {
    /// Where the file is.
    pub(crate) fn file(state_dir: &Path) -> PathBuf {
        state_dir.join(FILE)
    }

    /// Reads the file; one that is not there revokes nothing. A line that cannot be read (a crash in the middle of it)
    /// is told in the log and skipped.
    ///
    /// # Errors
    /// [`GatewayError::State`] when the file is there and cannot be read: to go on would let revoked tokens in.
    pub(crate) fn load(state_dir: &Path, now: UnixTime) -> Result<Self, GatewayError> {
        let path = Self::file(state_dir);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(GatewayError::state(path, error)),
        };
        let mut ids = HashSet::new();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            match serde_json::from_slice::<Line>(line) {
                Ok(line) if line.exp.is_some_and(|exp| exp <= now.0) => {}
                Ok(line) => drop(ids.insert(line.jti)),
                Err(_) => tracing::warn!(file = %path.display(), line = at + 1, "skipped an unreadable line"),
            }
        }
        Ok(Self { ids })
    }

    /// Whether the token with this id is revoked.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

/// Revokes the token with this id; a running gateway notices within a second or two.
///
/// # Errors
/// [`GatewayError::State`] when it could not be written down; the token is still good then.
pub fn revoke(state_dir: &Path, jti: &str, exp: Option<i64>) -> Result<(), GatewayError> {
    state_dir::create(state_dir)?;
    let path = Revoked::file(state_dir);
    let append = || -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { jti: jti.to_owned(), exp })?;
        // A line that a crash cut short must not swallow this one.
        line.insert(0, b'\n');
        line.push(b'\n');
        let mut file = state_dir::private(OpenOptions::new().create(true).append(true)).open(&path)?;
        file.write_all(&line)?;
        file.sync_all()
    };
    append().map_err(|error| GatewayError::state(&path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(100);

    #[test]
    fn what_is_revoked_stays_so_until_it_would_have_ended() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert_eq!(Revoked::load(&state, NOW).unwrap(), Revoked::default());
        revoke(&state, "for ever", None).unwrap();
        revoke(&state, "odd\n\"id\"", Some(101)).unwrap();
        revoke(&state, "over", Some(100)).unwrap();
        let revoked = Revoked::load(&state, NOW).unwrap();
        assert!(revoked.contains("for ever") && revoked.contains("odd\n\"id\""));
        assert!(!revoked.contains("over") && !revoked.contains("other"));
    }

    #[test]
    fn a_line_cut_short_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        revoke(folder.path(), "a", None).unwrap();
        let path = Revoked::file(folder.path());
        let cut = fs::read_to_string(&path).unwrap() + "{\"jti\":\"lo";
        fs::write(&path, cut).unwrap();
        revoke(folder.path(), "b", None).unwrap();
        let revoked = Revoked::load(folder.path(), NOW).unwrap();
        assert!(revoked.contains("a") && revoked.contains("b"));
    }

    #[test]
    fn an_unreadable_file_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(Revoked::file(folder.path())).unwrap();
        assert!(matches!(Revoked::load(folder.path(), NOW), Err(GatewayError::State { .. })));
    }
}
