//! JSON Web Tokens signed with HMAC-SHA-256, and with nothing else: the algorithm is ours to say, not the token's.
//!
//! RFC 7515 and 7519, as far as ContextForge's tokens need them. Signatures are compared in constant time.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_protocol::claims::{Audience, Claims};
use culvert_protocol::{Explain, Secret, text};
use ring::{digest, hmac};
use serde::Deserialize;
use thiserror::Error;

use crate::clock::UnixTime;

/// `iss` of ContextForge's tokens and of ours.
pub(crate) const ISSUER: &str = "mcpgateway";

/// `aud` of ContextForge's tokens and of ours.
pub(crate) const AUDIENCE: &str = "mcpgateway-api";

/// How far `nbf` may lie ahead, in seconds: clocks differ. `exp` gets no such grace.
const CLOCK_SKEW: i64 = 60;

/// The longest token that is looked at, in bytes. Ours have about 350.
pub(crate) const MAX_TOKEN: usize = 8 * 1024;

/// `{"alg":"HS256","typ":"JWT"}`, encoded.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// A signing secret made ready. Its `Debug` shows its number alone.
#[derive(Clone)]
pub(crate) struct Key {
    hmac: hmac::Key,
    number: KeyNumber,
}

/// Tells keys apart without saying anything about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyNumber([u8; 8]);

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadToken {
    /// Not three parts of base64url, or no JSON in them.
    #[error("the token is no JWT")]
    Unreadable,
    /// Signed by another algorithm, or by none.
    #[error("the token is signed with {0:?}, only HS256 is taken")]
    Algorithm(String),
    /// It demands extensions that nobody here knows (RFC 7515 §4.1.11).
    #[error("the token demands extensions that this gateway does not know")]
    Critical,
    /// No secret of ours made this signature.
    #[error("the token is not signed with this gateway's secret")]
    Signature,
    /// Somebody else's token.
    #[error("the token's issuer is not {ISSUER:?}")]
    Issuer,
    /// For somebody else.
    #[error("the token's audience is not {AUDIENCE:?}")]
    Audience,
    /// Says nothing about who comes.
    #[error("the token names no subject")]
    Subject,
    /// Could not be revoked.
    #[error("the token has no id (jti), so it could not be revoked")]
    Id,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its owner took it back.
    #[error("the token has been revoked")]
    Revoked,
}

impl Explain for BadToken {
    fn code(&self) -> &'static str {
        match self {
            Self::Expired => "auth.expired",
            Self::Revoked => "auth.revoked",
            _ => "auth.rejected",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NotYet => "Compare the clocks of both machines.",
            Self::Expired | Self::Revoked => "Ask for a new token.",
            _ => "Make a token with `culvert token create` and this gateway's signing secret.",
        })
    }
}

impl Key {
    /// Of a secret's bytes, as ContextForge takes them.
    pub(crate) fn new(secret: &Secret) -> Self {
        let bytes = secret.expose().as_bytes();
        let mut number = [0; 8];
        number.copy_from_slice(&digest::digest(&digest::SHA256, bytes).as_ref()[..8]);
        Self { hmac: hmac::Key::new(hmac::HMAC_SHA256, bytes), number: KeyNumber(number) }
    }

    /// Its number.
    pub(crate) fn number(&self) -> KeyNumber {
        self.number
    }

    /// A token of these claims.
    pub(crate) fn sign(&self, claims: &Claims) -> Secret {
        // Claims are texts, numbers and lists of them: they always become JSON.
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
        let signed = format!("{HEADER}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.hmac, signed.as_bytes()));
        Secret::new(format!("{signed}.{signature}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

/// What `token` says, if one of `keys` signed it and it is good at `now`. Revocation is not looked at.
///
/// # Errors
/// [`BadToken`], the first rule that it breaks.
pub(crate) fn verify(keys: &[Key], token: &str, now: UnixTime) -> Result<(Claims, KeyNumber), BadToken> {
    let (claims, number) = authentic(keys, token)?;
    check(&claims, now)?;
    Ok((claims, number))
}

/// The claims behind a good signature.
fn authentic(keys: &[Key], token: &str) -> Result<(Claims, KeyNumber), BadToken> {
    if token.len() > MAX_TOKEN {
        return Err(BadToken::Unreadable);
    }
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| BadToken::Unreadable);
    let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::Unreadable)?;
    let (header, payload) = signed.split_once('.').ok_or(BadToken::Unreadable)?;
    if header != HEADER {
        let header = decode(header)?;
        let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| BadToken::Unreadable)?;
        if header.alg != "HS256" {
            return Err(BadToken::Algorithm(text::clean(&header.alg, 20)));
        }
        if header.crit.is_some() {
            return Err(BadToken::Critical);
        }
    }
    let signature = decode(signature)?;
    let key = keys
        .iter()
        .find(|key| hmac::verify(&key.hmac, signed.as_bytes(), &signature).is_ok())
        .ok_or(BadToken::Signature)?;
    let claims = serde_json::from_slice(&decode(payload)?).map_err(|_| BadToken::Unreadable)?;
    Ok((claims, key.number))
}

fn check(claims: &Claims, now: UnixTime) -> Result<(), BadToken> {
    if claims.exp.is_some_and(|exp| exp <= now.0) {
        return Err(BadToken::Expired);
    }
    if claims.nbf.is_some_and(|nbf| nbf > now.plus(CLOCK_SKEW).0) {
        return Err(BadToken::NotYet);
    }
    if claims.iss.as_deref() != Some(ISSUER) {
        return Err(BadToken::Issuer);
    }
    if !claims.aud.as_ref().is_some_and(|audience: &Audience| audience.contains(AUDIENCE)) {
        return Err(BadToken::Audience);
    }
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    if !given(&claims.sub) {
        return Err(BadToken::Subject);
    }
    if !given(&claims.jti) {
        return Err(BadToken::Id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: UnixTime = UnixTime(1_000_000);

    fn key(secret: &str) -> Key {
        Key::new(&Secret::new(secret))
    }

    fn good() -> Value {
        json!({"sub": "a@b", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.0 + 1, "jti": "j"})
    }

    fn token(header: &Value, claims: &Value, secret: &str) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = hmac::sign(&key(secret).hmac, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn judged(token: &str) -> Result<(), BadToken> {
        verify(&[key("new"), key("old")], token, NOW).map(drop)
    }

    #[test]
    fn the_known_signature_of_rfc_7515_appendix_a_1_is_made() {
        let secret = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let token = format!("{signed}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let key = Key { hmac: hmac::Key::new(hmac::HMAC_SHA256, &secret), number: KeyNumber([0; 8]) };
        assert_eq!(authentic(&[key], &token).unwrap().0.iss.as_deref(), Some("joe"));
    }

    #[test]
    fn the_token_table() {
        let hs256 = json!({"alg": "HS256", "typ": "JWT"});
        let with = |name: &str, value: Value| {
            let mut claims = good();
            claims[name] = value;
            token(&hs256, &claims, "new")
        };
        let algorithm = |name: &str| token(&json!({"alg": name}), &good(), "new");
        let unsigned = {
            let token = algorithm("none");
            format!("{}.", token.rsplit_once('.').unwrap().0)
        };
        let mut tampered = with("sub", json!("a@b"));
        tampered = {
            let (signed, signature) = tampered.rsplit_once('.').unwrap();
            let (header, _) = signed.split_once('.').unwrap();
            let mut claims = good();
            claims["sub"] = json!("admin@b");
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
        };
        for (what, token, expected) in [
            ("good", with("sub", json!("a@b")), Ok(())),
            ("of the secret before", token(&hs256, &good(), "old"), Ok(())),
            ("several audiences", with("aud", json!(["x", AUDIENCE])), Ok(())),
            ("never ends", with("exp", json!(null)), Ok(())),
            ("not a JWT", "abc".into(), Err(BadToken::Unreadable)),
            ("too many parts", "a.b.c.d".into(), Err(BadToken::Unreadable)),
            ("huge", "a".repeat(9000), Err(BadToken::Unreadable)),
            ("other secret", token(&hs256, &good(), "stolen"), Err(BadToken::Signature)),
            ("tampered", tampered, Err(BadToken::Signature)),
            ("algorithm none", unsigned, Err(BadToken::Algorithm("none".into()))),
            ("algorithm RS256", algorithm("RS256"), Err(BadToken::Algorithm("RS256".into()))),
            ("algorithm hs256", algorithm("hs256"), Err(BadToken::Algorithm("hs256".into()))),
            ("crit", token(&json!({"alg": "HS256", "crit": ["x"]}), &good(), "new"), Err(BadToken::Critical)),
            ("expired", with("exp", json!(NOW.0)), Err(BadToken::Expired)),
            ("not yet", with("nbf", json!(NOW.0 + 61)), Err(BadToken::NotYet)),
            ("clock skew", with("nbf", json!(NOW.0 + 60)), Ok(())),
            ("wrong issuer", with("iss", json!("x")), Err(BadToken::Issuer)),
            ("wrong audience", with("aud", json!("x")), Err(BadToken::Audience)),
            ("no audience", with("aud", json!(null)), Err(BadToken::Audience)),
            ("no subject", with("sub", json!(" ")), Err(BadToken::Subject)),
            ("no id", with("jti", json!(null)), Err(BadToken::Id)),
            ("unreadable claim", with("exp", json!("soon")), Err(BadToken::Unreadable)),
        ] {
            assert_eq!(judged(&token), expected, "{what}");
        }
    }

    #[test]
    fn what_we_sign_we_take_and_know_by_which_key() {
        let claims: Claims = serde_json::from_value(good()).unwrap();
        let token = key("old").sign(&claims);
        let (read, number) = verify(&[key("new"), key("old")], token.expose(), NOW).unwrap();
        assert_eq!((read, number), (claims, key("old").number()));
        assert!(!format!("{:?}", key("old")).contains("old"));
    }
}
