//! Who may do what: pure rules over a bearer's claims.
//!
//! A token has `tunnel` (register), `call` (use servers), or both, on the servers it lists or on all of its subject's.
//! Only owners and admins see a server; a token that lists servers is for its subject's own, whoever that is.

use std::fmt;
use std::sync::Arc;

use culvert_protocol::claims::{Claims, Right};
use culvert_protocol::{ServerName, text};
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::denial::Denial;
use crate::hs256::KeyNumber;

/// The most characters of a subject's name that are shown.
const MAX_SHOWN: usize = 200;

/// A principal: `sub` of its tokens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Subject(Arc<str>);

impl Subject {
    /// By its name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Subject {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.as_str().to_owned()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A token may call its subject anything, and a log has a line for each thing.
        f.write_str(&text::clean(&self.0, MAX_SHOWN))
    }
}

/// How far a bearer sees.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// Every owner's servers: an admin's token that lists none.
    Everyone,
    /// All of its subject's servers.
    Own,
    /// Those of its subject's servers that have one of these names.
    Listed(Vec<String>),
}

/// Somebody who showed a good token, or anybody where none is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Bearer {
    subject: Subject,
    can: Option<Vec<Right>>,
    reach: Reach,
    claims: Claims,
    key: Option<KeyNumber>,
}

/// What a narrower token is to have; what is not named stays as it is.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Narrower {
    /// A part of the rights.
    #[serde(default)]
    pub can: Option<Vec<Right>>,
    /// A part of the servers.
    #[serde(default)]
    pub servers: Option<Vec<ServerName>>,
    /// Minutes from now, at most as long as the bearer's own token lives.
    #[serde(default)]
    pub minutes: Option<u32>,
}

/// The longest line of tokens, each narrowed from the one before.
const MAX_GENERATIONS: usize = 8;

impl Bearer {
    /// What verified claims amount to.
    pub(crate) fn of(claims: Claims, key: KeyNumber) -> Self {
        let admin = claims.user.as_ref().is_some_and(|user| user.is_admin);
        let reach = match &claims.servers {
            Some(names) => Reach::Listed(names.clone()),
            None if admin => Reach::Everyone,
            None => Reach::Own,
        };
        let subject = Subject::new(claims.sub.as_deref().unwrap_or_default());
        Self { subject, can: claims.can.clone(), reach, claims, key: Some(key) }
    }

    /// Everybody, on a gateway without authentication.
    pub(crate) fn anonymous() -> Self {
        let subject = Subject::new("anonymous");
        Self { subject, can: None, reach: Reach::Own, claims: Claims::default(), key: None }
    }

    /// Who it is.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The claims behind it; empty where no token is asked for.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The key that signed its token.
    pub(crate) fn key(&self) -> Option<KeyNumber> {
        self.key
    }

    /// When its token ends.
    pub(crate) fn ends(&self) -> Option<UnixTime> {
        self.claims.exp.map(UnixTime)
    }

    /// Whether it sees the servers of every owner.
    pub(crate) fn sees_everyone(&self) -> bool {
        self.reach == Reach::Everyone
    }

    /// Lets pass who has `right`.
    ///
    /// # Errors
    /// [`Denial::Right`].
    pub(crate) fn needs(&self, right: Right) -> Result<(), Denial> {
        match &self.can {
            Some(can) if !can.contains(&right) => Err(Denial::Right(right)),
            _ => Ok(()),
        }
    }

    /// Whether `owner`'s server `name` is within its sight; what it may do with it is for [`needs`](Self::needs).
    pub(crate) fn reaches(&self, owner: &Subject, name: &ServerName) -> bool {
        match &self.reach {
            Reach::Everyone => true,
            Reach::Own => *owner == self.subject,
            Reach::Listed(names) => *owner == self.subject && names.iter().any(|listed| listed == name.as_str()),
        }
    }

    /// Whether it may register a server of its own with this name.
    pub(crate) fn may_register(&self, name: &ServerName) -> bool {
        self.needs(Right::Tunnel).is_ok() && self.reaches(&self.subject, name)
    }

    /// The claims of a narrower token; `fresh` has issuer, audience and a new id.
    ///
    /// # Errors
    /// [`Denial::Wider`] when it would have anything that this one has not.
    pub(crate) fn narrowed(&self, wish: Narrower, fresh: Claims, now: UnixTime) -> Result<Claims, Denial> {
        let mine = &self.claims;
        let can = match (wish.can, &self.can) {
            (Some(wished), Some(mine)) if !wished.iter().all(|right| mine.contains(right)) => {
                return Err(Denial::Wider("it has not all of these rights"));
            }
            (wished, mine) => wished.or_else(|| mine.clone()),
        };
        let wished = wish.servers.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let servers = match (wished, &mine.servers) {
            (Some(wished), Some(mine)) if !wished.iter().all(|name| mine.contains(name)) => {
                return Err(Denial::Wider("it is not for all of these servers"));
            }
            (wished, mine) => wished.or_else(|| mine.clone()),
        };
        let exp = match (wish.minutes.map(|minutes| now.plus(i64::from(minutes) * 60).0), mine.exp) {
            (Some(wished), Some(mine)) if wished > mine => return Err(Denial::Wider("it ends earlier")),
            (wished, mine) => wished.or(mine),
        };
        let via: Vec<_> = mine.via.iter().flatten().chain(&mine.jti).cloned().collect();
        if via.len() > MAX_GENERATIONS {
            return Err(Denial::Wider("it has been narrowed too often; narrow one of the tokens before it"));
        }
        Ok(Claims { sub: mine.sub.clone(), user: mine.user.clone(), can, servers, exp, via: Some(via), ..fresh })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hs256::Key;
    use culvert_protocol::Secret;
    use culvert_protocol::claims::User;

    const NOW: UnixTime = UnixTime(1000);

    fn bearer(can: Option<&[Right]>, servers: Option<&[&str]>, is_admin: bool) -> Bearer {
        let claims = Claims {
            sub: Some("me".into()),
            jti: Some("mine".into()),
            exp: Some(NOW.0 + 600),
            can: can.map(<[_]>::to_vec),
            servers: servers.map(|names| names.iter().map(ToString::to_string).collect()),
            user: is_admin.then_some(User { is_admin }),
            ..Claims::default()
        };
        Bearer::of(claims, Key::new(&Secret::new("s")).number())
    }

    fn name(name: &str) -> ServerName {
        ServerName::new(name).unwrap()
    }

    #[test]
    fn a_subject_of_any_text_is_one_line_where_it_is_shown() {
        let subject = Subject::new("me\n2026-01-01 INFO forged \u{1b}[31m");
        assert_eq!(subject.to_string(), "me 2026-01-01 INFO forged [31m");
        assert!(subject != Subject::new("me 2026-01-01 INFO forged [31m"), "and stays itself");
    }

    #[test]
    fn the_rights_table() {
        use Right::{Call, Tunnel};
        let git: Option<&[&str]> = Some(&["git"]);
        let (mine, theirs) = (Subject::new("me"), Subject::new("them"));
        for (what, bearer, tunnel, call, own_git, own_time, their_git) in [
            ("ContextForge's", bearer(None, None, false), true, true, true, true, false),
            ("ContextForge's admin's", bearer(None, None, true), true, true, true, true, true),
            ("call", bearer(Some(&[Call]), None, false), false, true, true, true, false),
            ("tunnel", bearer(Some(&[Tunnel]), None, false), true, false, true, true, false),
            ("nothing", bearer(Some(&[]), None, false), false, false, true, true, false),
            ("call on git", bearer(Some(&[Call]), git, false), false, true, true, false, false),
            ("admin's call on git", bearer(Some(&[Call]), git, true), false, true, true, false, false),
            ("on no server", bearer(None, Some(&[]), false), true, true, false, false, false),
            ("anonymous", Bearer::anonymous(), true, true, false, false, false),
        ] {
            assert_eq!(bearer.needs(Tunnel).is_ok(), tunnel, "{what}: tunnel");
            assert_eq!(bearer.needs(Call).is_ok(), call, "{what}: call");
            assert_eq!(bearer.reaches(&mine, &name("git")), own_git, "{what}: own git");
            assert_eq!(bearer.reaches(&mine, &name("time")), own_time, "{what}: own time");
            assert_eq!(bearer.reaches(&theirs, &name("git")), their_git, "{what}: their git");
        }
        assert!(Bearer::anonymous().reaches(&Subject::new("anonymous"), &name("x")));
        assert!(bearer(Some(&[Tunnel]), git, false).may_register(&name("git")));
        assert!(!bearer(Some(&[Tunnel]), git, false).may_register(&name("time")));
        assert!(!bearer(Some(&[Call]), git, false).may_register(&name("git")));
    }

    #[test]
    fn a_narrower_token_is_a_part_of_its_parent() {
        use Right::{Call, Tunnel};
        let narrow =
            |bearer: &Bearer, wish: &str| bearer.narrowed(serde_json::from_str(wish).unwrap(), Claims::default(), NOW);
        let full = bearer(None, None, true);
        let child = narrow(&full, r#"{"can":["call"],"servers":["git"],"minutes":5}"#).unwrap();
        assert_eq!((child.can.clone(), child.exp), (Some(vec![Call]), Some(NOW.0 + 300)));
        assert_eq!((child.sub.as_deref(), child.via.clone()), (Some("me"), Some(vec!["mine".to_owned()])));
        let child = Bearer::of(child, full.key().unwrap());
        assert!(!child.sees_everyone());
        let same = narrow(&child, "{}").unwrap();
        assert_eq!((same.can, same.servers, same.exp), (Some(vec![Call]), Some(vec!["git".into()]), Some(1300)));
        for (parent, wish) in [
            (&child, r#"{"can":["tunnel"]}"#),
            (&child, r#"{"servers":["git","time"]}"#),
            (&child, r#"{"minutes":6}"#),
            (&bearer(Some(&[Tunnel]), None, false), r#"{"can":["tunnel","call"]}"#),
        ] {
            assert!(matches!(narrow(parent, wish), Err(Denial::Wider(_))), "{wish}");
        }
        assert!(serde_json::from_str::<Narrower>(r#"{"sub":"other"}"#).is_err());
    }

    #[test]
    fn lines_of_tokens_end() {
        let mut parent = bearer(None, None, false);
        for generation in 0..=MAX_GENERATIONS {
            let fresh = Claims { jti: Some(generation.to_string()), ..Claims::default() };
            match parent.narrowed(Narrower::default(), fresh, NOW) {
                Ok(child) => parent = Bearer::of(child, parent.key().unwrap()),
                Err(_) => return assert_eq!(generation, MAX_GENERATIONS),
            }
        }
        panic!("tokens of any generation are made");
    }
}
