//! What a bearer token says about itself. Reading it here proves nothing: only a gateway that knows the signing secret
//! may trust it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The claims that Culvert reads and writes. ContextForge's tokens carry `sub`, `iss`, `aud`, `exp` and `jti`, and
/// `user.is_admin` for admins; `can` and `servers` are ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom it is meant for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// From when on it is good, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When it was made, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Until when it is good, in Unix seconds. None: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Its own id, by which it can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// ContextForge's word on its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// What it may do. None (a ContextForge token): everything that its subject may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can: Option<Vec<Right>>,
    /// The only servers that it is good for, by name. None: all of its subject's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<String>>,
    /// The ids of the tokens that it was narrowed from: revoking one of them revokes this too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Vec<String>>,
}

/// One audience or several, as RFC 7519 allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// The usual form.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// ContextForge's `user` claim, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Sees and ends everything.
    #[serde(default)]
    pub is_admin: bool,
}

/// What a token lets its bearer do on Culvert's gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Register servers.
    Tunnel,
    /// Use servers.
    Call,
}

/// The claims of a JWT, without a look at its signature; `None` when the token is no JWT.
pub fn peek(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_without_trust() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"a@b","aud":["x","y"],"exp":12,"can":["call"],"more":1}"#);
        let claims = peek(&format!("h.{payload}.s")).unwrap();
        assert_eq!(claims.exp, Some(12));
        assert_eq!(claims.can, Some(vec![Right::Call]));
        assert!(claims.aud.unwrap().contains("y"));
        assert_eq!(peek("not-a-jwt"), None);
        assert_eq!(peek("a.b.c.d"), None);
        assert_eq!(peek("a.%%%.c"), None);
    }
}
