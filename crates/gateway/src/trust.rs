//! Whom the gateway believes: its signing secrets and the revoked tokens, both looked at again while it runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::clock::UnixTime;
use crate::config::Auth;
use crate::denial::Denial;
use crate::error::GatewayError;
use crate::hs256::{self, BadToken, Key};
use crate::revoked::Revoked;
use crate::rights::Bearer;
use crate::state_dir::Stamp;
use crate::{secret_file, tokens};

/// The judge of bearers.
#[derive(Debug)]
pub(crate) struct Trust {
    beliefs: RwLock<Arc<Beliefs>>,
    sources: Option<Sources>,
    seen: Mutex<Seen>,
}

/// What is believed at one moment.
#[derive(Debug, Clone)]
enum Beliefs {
    /// Everybody may come in.
    Anyone,
    /// Bearers of good tokens.
    Bearers { keys: Vec<Key>, revoked: Revoked },
}

/// Where to look again.
#[derive(Debug)]
struct Sources {
    secrets: Option<PathBuf>,
    state_dir: PathBuf,
}

/// The files as they were when last read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    secrets: Option<Stamp>,
    revoked: Option<Stamp>,
}

/// Whether looking again brought anything new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// All as before.
    None,
    /// Secrets or revoked tokens are others now: whoever is inside must be judged anew.
    Changed,
}

impl Trust {
    /// Reads secrets and revoked tokens. Also returns the file of a secret that had to be made.
    ///
    /// # Errors
    /// [`GatewayError`] when there is no secret, or the revoked tokens cannot be read.
    pub(crate) fn establish(
        auth: &Auth,
        state_dir: &Path,
        now: UnixTime,
    ) -> Result<(Self, Option<PathBuf>), GatewayError> {
        let Auth::Bearers(source) = auth else {
            let beliefs = RwLock::new(Arc::new(Beliefs::Anyone));
            return Ok((Self { beliefs, sources: None, seen: Mutex::default() }, None));
        };
        let found = secret_file::find(source, state_dir)?;
        secret_file::warn(&found);
        let sources = Sources { secrets: found.file, state_dir: state_dir.to_owned() };
        let seen = sources.look();
        let keys = found.secrets.iter().map(Key::new).collect();
        let beliefs = Beliefs::Bearers { keys, revoked: Revoked::load(state_dir, now)? };
        let trust = Self { beliefs: RwLock::new(Arc::new(beliefs)), sources: Some(sources), seen: Mutex::new(seen) };
        Ok((trust, found.made))
    }

    /// Looks at the files again. What cannot be read is told in the log, and what was believed before goes on.
    pub(crate) fn refresh(&self, now: UnixTime) -> News {
        let Some(sources) = &self.sources else { return News::None };
        let look = sources.look();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let beliefs = self.beliefs();
        let (true, Beliefs::Bearers { keys, revoked }) = (*seen != look, &*beliefs) else { return News::None };
        let keys = match sources.secrets.as_deref().filter(|_| seen.secrets != look.secrets).map(secret_file::read) {
            Some(Ok(secrets)) => secrets.iter().map(Key::new).collect(),
            Some(Err(error)) => {
                tracing::error!(%error, "the signing secrets changed and cannot be read; the old ones go on");
                keys.clone()
            }
            None => keys.clone(),
        };
        let revoked = Revoked::load(&sources.state_dir, now).unwrap_or_else(|error| {
            tracing::error!(%error, "the revoked tokens changed and cannot be read; the old list goes on");
            revoked.clone()
        });
        let beliefs = Arc::new(Beliefs::Bearers { keys, revoked });
        *self.beliefs.write().unwrap_or_else(PoisonError::into_inner) = beliefs;
        *seen = look;
        tracing::info!("signing secrets or revoked tokens changed");
        News::Changed
    }

    /// Who sends a request with these headers.
    ///
    /// # Errors
    /// [`Denial::NoToken`] or [`Denial::Token`].
    pub(crate) fn identify(&self, headers: &HeaderMap, now: UnixTime) -> Result<Bearer, Denial> {
        let beliefs = self.beliefs();
        let Beliefs::Bearers { keys, revoked } = &*beliefs else { return Ok(Bearer::anonymous()) };
        let token = token(headers)?;
        let (claims, key) = hs256::verify(keys, token, now)?;
        if tokens::is_revoked(&claims, revoked) {
            return Err(BadToken::Revoked.into());
        }
        Ok(Bearer::of(claims, key))
    }

    /// Judges somebody anew who came in before.
    ///
    /// # Errors
    /// [`BadToken`]: the token has ended, was revoked, or its secret is no longer one of ours.
    pub(crate) fn confirm(&self, bearer: &Bearer, now: UnixTime) -> Result<(), BadToken> {
        let beliefs = self.beliefs();
        let Beliefs::Bearers { keys, revoked } = &*beliefs else { return Ok(()) };
        if bearer.ends().is_some_and(|end| end <= now) {
            return Err(BadToken::Expired);
        }
        if tokens::is_revoked(bearer.claims(), revoked) {
            return Err(BadToken::Revoked);
        }
        if !keys.iter().any(|key| Some(key.number()) == bearer.key()) {
            return Err(BadToken::Signature);
        }
        Ok(())
    }

    /// The key that signs; none where no token is asked for.
    pub(crate) fn signing_key(&self) -> Option<Key> {
        match &*self.beliefs() {
            Beliefs::Anyone => None,
            Beliefs::Bearers { keys, .. } => keys.first().cloned(),
        }
    }

    fn beliefs(&self) -> Arc<Beliefs> {
        self.beliefs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sources {
    fn look(&self) -> Seen {
        Seen {
            secrets: self.secrets.as_deref().and_then(Stamp::of),
            revoked: Stamp::of(&Revoked::file(&self.state_dir)),
        }
    }
}

/// The bearer's token. From the header alone: a token in a URL ends up in logs.
fn token(headers: &HeaderMap) -> Result<&str, Denial> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Denial::NoToken)?;
    if values.next().is_some() {
        return Err(BadToken::Unreadable.into());
    }
    let (scheme, token) = value.to_str().ok().and_then(|value| value.trim().split_once(' ')).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_start()) } else { Err(Denial::NoToken) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretSource;
    use crate::tokens::{Lifetime, NewToken, Standing};
    use culvert_protocol::Secret;
    use std::fs;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn with_token(secret: &str) -> HeaderMap {
        let new = NewToken {
            subject: "me".into(),
            standing: Standing::User,
            lifetime: Lifetime::Minutes(1),
            can: None,
            servers: None,
        };
        let token = tokens::create(&Secret::new(secret), &new, NOW).unwrap();
        HeaderMap::from_iter([(AUTHORIZATION, format!("bearer {}", token.expose()).parse().unwrap())])
    }

    fn code(result: Result<Bearer, Denial>) -> &'static str {
        result.map_or_else(|denial| culvert_protocol::Explain::code(&denial), |_| "in")
    }

    #[test]
    fn secrets_rotate_without_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets");
        fs::write(&file, "one").unwrap();
        let auth = Auth::Bearers(SecretSource::File(file.clone()));
        let (trust, made) = Trust::establish(&auth, folder.path(), NOW).unwrap();
        assert_eq!(made, None);
        let judge = |secret| code(trust.identify(&with_token(secret), NOW));
        assert_eq!((judge("one"), judge("two")), ("in", "auth.rejected"));
        let inside = trust.identify(&with_token("one"), NOW).unwrap();
        assert_eq!(trust.refresh(NOW), News::None);

        fs::write(&file, "two\none\n").unwrap();
        assert_eq!(trust.refresh(NOW), News::Changed);
        assert_eq!((judge("one"), judge("two")), ("in", "in"));
        assert_eq!(trust.signing_key().unwrap().number(), Key::new(&Secret::new("two")).number());
        assert_eq!(trust.confirm(&inside, NOW), Ok(()));

        fs::write(&file, "").unwrap();
        trust.refresh(NOW);
        assert_eq!(judge("two"), "in", "an empty file must not lock everybody out");

        fs::write(&file, "two").unwrap();
        assert_eq!(trust.refresh(NOW), News::Changed);
        assert_eq!((judge("one"), judge("two")), ("auth.rejected", "in"));
        assert_eq!(trust.confirm(&inside, NOW), Err(BadToken::Signature));
    }

    #[test]
    fn a_revoked_token_and_those_narrowed_from_it_are_out() {
        let folder = tempfile::tempdir().unwrap();
        let source = SecretSource::Given { current: Secret::new("s"), previous: None };
        let (trust, _) = Trust::establish(&Auth::Bearers(source), folder.path(), NOW).unwrap();
        let headers = with_token("s");
        let parent = trust.identify(&headers, NOW).unwrap();
        let child = parent.narrowed(crate::rights::Narrower::default(), tokens::fresh(NOW).unwrap(), NOW).unwrap();
        let child = Bearer::of(child, parent.key().unwrap());
        assert_eq!(trust.confirm(&child, NOW), Ok(()));
        tokens::revoke(folder.path(), parent.claims().jti.as_deref().unwrap(), None).unwrap();
        assert_eq!(trust.refresh(NOW), News::Changed);
        assert_eq!(code(trust.identify(&headers, NOW)), "auth.revoked");
        assert_eq!(trust.confirm(&parent, NOW), Err(BadToken::Revoked));
        assert_eq!(trust.confirm(&child, NOW), Err(BadToken::Revoked));
    }

    #[test]
    fn only_one_bearer_header_counts() {
        let folder = tempfile::tempdir().unwrap();
        let source = SecretSource::Given { current: Secret::new("s"), previous: None };
        let (trust, _) = Trust::establish(&Auth::Bearers(source), folder.path(), NOW).unwrap();
        let mut headers = with_token("s");
        let judge = |headers: &HeaderMap| code(trust.identify(headers, NOW));
        assert_eq!(judge(&headers), "in");
        assert_eq!(code(trust.identify(&headers, NOW.plus(60))), "auth.expired");
        headers.append(AUTHORIZATION, "Bearer x".parse().unwrap());
        assert_eq!(judge(&headers), "auth.rejected");
        assert_eq!(judge(&HeaderMap::new()), "auth.missing");
        let basic = HeaderMap::from_iter([(AUTHORIZATION, "Basic YTpi".parse().unwrap())]);
        assert_eq!(judge(&basic), "auth.missing");
        let (open, _) = Trust::establish(&Auth::Open, folder.path(), NOW).unwrap();
        assert_eq!(open.identify(&HeaderMap::new(), NOW).unwrap().subject().as_str(), "anonymous");
    }
}
