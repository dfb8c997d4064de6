//! Making, inspecting and revoking tokens with a signing secret and a state folder, whether or not a gateway runs.

use std::path::Path;

use culvert_protocol::claims::{Audience, Claims, Right, User, peek};
use culvert_protocol::{Secret, ServerName};

pub use crate::clock::UnixTime;
pub use crate::hs256::BadToken;
pub use crate::revoked::revoke;

use crate::config::SecretSource;
use crate::error::GatewayError;
use crate::hs256::{self, AUDIENCE, ISSUER, Key};
use crate::revoked::Revoked;
use crate::secret_file;

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Who it is for.
    pub subject: String,
    /// Whether its subject sees everybody's servers.
    pub standing: Standing,
    /// How long it is good.
    pub lifetime: Lifetime,
    /// What it may do; none: all that its subject may.
    pub can: Option<Vec<Right>>,
    /// The servers that it is good for; none: all of its subject's.
    pub servers: Option<Vec<ServerName>>,
}

/// A subject's standing on the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Sees its own servers.
    User,
    /// Sees all servers and sessions, and may end them.
    Admin,
}

/// How long a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// So many minutes from now.
    Minutes(u32),
    /// Until it is revoked.
    Forever,
}

/// What is known about a token.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// What it says; to be believed only with [`Verdict::Good`].
    pub claims: Claims,
    /// Whether a gateway with that secret and state folder would take it.
    pub verdict: Verdict,
}

/// Whether a token would be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Good,
    /// No.
    Bad(BadToken),
}

/// The secret of `source` that signs; one is made for [`SecretSource::State`] where there is none.
///
/// # Errors
/// [`GatewayError`] when there is none to be had.
pub fn signing_secret(source: &SecretSource, state_dir: &Path) -> Result<Secret, GatewayError> {
    // `find` never returns an empty list.
    secret_file::find(source, state_dir)?.secrets.into_iter().next().ok_or(GatewayError::SecretEmpty)
}

/// Makes a token as ContextForge makes them; `can` and `servers` are claims of our own beside it.
///
/// # Errors
/// [`GatewayError::SecretEmpty`], and [`GatewayError::State`] when the system gives no randomness for its id.
pub fn create(secret: &Secret, new: &NewToken, now: UnixTime) -> Result<Secret, GatewayError> {
    if secret.is_empty() {
        return Err(GatewayError::SecretEmpty);
    }
    let claims = Claims {
        sub: Some(new.subject.clone()),
        exp: match new.lifetime {
            Lifetime::Minutes(minutes) => Some(now.plus(i64::from(minutes) * 60).0),
            Lifetime::Forever => None,
        },
        user: (new.standing == Standing::Admin).then_some(User { is_admin: true }),
        can: new.can.clone(),
        servers: new.servers.as_ref().map(|names| names.iter().map(ToString::to_string).collect()),
        ..fresh(now)?
    };
    Ok(Key::new(secret).sign(&claims))
}

/// What all our tokens have: issuer, audience, time of making and an id of their own.
pub(crate) fn fresh(now: UnixTime) -> Result<Claims, GatewayError> {
    Ok(Claims {
        iss: Some(ISSUER.to_owned()),
        aud: Some(Audience::One(AUDIENCE.to_owned())),
        iat: Some(now.0),
        jti: Some(crate::random::id().map_err(|error| GatewayError::state("the system's randomness", error))?),
        ..Claims::default()
    })
}

/// Judges a token as the gateway with these secrets and this state folder would. `None`: it is no JWT at all.
///
/// # Errors
/// [`GatewayError`] when the secrets or the revoked tokens cannot be read.
pub fn inspect(
    token: &Secret,
    source: &SecretSource,
    state_dir: &Path,
    now: UnixTime,
) -> Result<Option<Inspection>, GatewayError> {
    let Some(claims) = peek(token.expose()) else { return Ok(None) };
    let keys: Vec<_> = secret_file::find(source, state_dir)?.secrets.iter().map(Key::new).collect();
    let revoked = Revoked::load(state_dir, now)?;
    let verdict = match hs256::verify(&keys, token.expose(), now) {
        Err(why) => Verdict::Bad(why),
        Ok((claims, _)) if is_revoked(&claims, &revoked) => Verdict::Bad(BadToken::Revoked),
        Ok(_) => Verdict::Good,
    };
    Ok(Some(Inspection { claims, verdict }))
}

/// Whether the token, or one that it was narrowed from, is revoked.
pub(crate) fn is_revoked(claims: &Claims, revoked: &Revoked) -> bool {
    claims.jti.iter().chain(claims.via.iter().flatten()).any(|id| revoked.contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn new() -> NewToken {
        NewToken {
            subject: "a@b".into(),
            standing: Standing::User,
            lifetime: Lifetime::Minutes(2),
            can: Some(vec![Right::Call]),
            servers: Some(vec![ServerName::new("git").unwrap()]),
        }
    }

    #[test]
    fn a_made_token_is_good_until_it_ends_or_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::new("s");
        let source = SecretSource::Given { current: secret.clone(), previous: None };
        let token = create(&secret, &new(), NOW).unwrap();
        let judge = |now| inspect(&token, &source, folder.path(), now).unwrap().unwrap();
        let found = judge(NOW);
        assert_eq!(found.verdict, Verdict::Good);
        assert_eq!(found.claims.can, Some(vec![Right::Call]));
        assert_eq!(found.claims.servers, Some(vec!["git".to_owned()]));
        assert_eq!(judge(NOW.plus(120)).verdict, Verdict::Bad(BadToken::Expired));
        revoke(folder.path(), &found.claims.jti.unwrap(), found.claims.exp).unwrap();
        assert_eq!(judge(NOW).verdict, Verdict::Bad(BadToken::Revoked));
    }

    #[test]
    fn another_secret_or_no_jwt_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let token = create(&Secret::new("s"), &new(), NOW).unwrap();
        let judge = |token: &Secret| inspect(token, &SecretSource::State, folder.path(), NOW).unwrap();
        assert_eq!(judge(&token).unwrap().verdict, Verdict::Bad(BadToken::Signature));
        assert!(judge(&Secret::new("abc")).is_none());
        assert!(matches!(create(&Secret::default(), &new(), NOW), Err(GatewayError::SecretEmpty)));
    }

    #[test]
    fn tokens_for_ever_and_for_admins_say_so() {
        let new =
            NewToken { standing: Standing::Admin, lifetime: Lifetime::Forever, can: None, servers: None, ..new() };
        let claims = peek(create(&Secret::new("s"), &new, NOW).unwrap().expose()).unwrap();
        assert_eq!((claims.exp, claims.can, claims.servers), (None, None, None));
        assert!(claims.user.unwrap().is_admin);
        assert_eq!(claims.iat, Some(NOW.0));
    }
}
