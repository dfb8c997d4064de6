//! What a `register` asks for, and whether the bearer may have it.

use culvert_protocol::channels::control::Offer;
use culvert_protocol::envelope::{Envelope, ServerInfo};
use culvert_protocol::{ClientInfo, Labels, ServerName, text};

use crate::catalog::{Entry, ServerId};
use crate::clock::UnixTime;
use crate::rights::{Bearer, Subject};
use crate::session::Introduction;

/// The longest description that is kept, in characters.
const MAX_DESCRIPTION: usize = 500;

/// A `register` that may go ahead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) name: ServerName,
    description: Option<String>,
    /// What the client can do beyond the base dialect.
    pub(super) offer: Offer,
    client: ClientInfo,
    labels: Labels,
}

impl Registration {
    /// Reads it.
    ///
    /// # Errors
    /// Why it is refused, in words for the client.
    pub(super) fn read(envelope: &Envelope<'_>, bearer: &Bearer) -> Result<Self, String> {
        let raw = envelope.server.ok_or("register names no server")?;
        let info: ServerInfo =
            serde_json::from_str(raw.get()).map_err(|error| format!("register cannot be read: {error}"))?;
        let name = ServerName::new(info.name.as_deref().unwrap_or_default()).map_err(|why| why.to_string())?;
        if !bearer.may_register(&name) {
            return Err(format!("this token may not register the name {:?}", name.as_str()));
        }
        let description = info.description.map(|words| text::clean(&words, MAX_DESCRIPTION));
        let offer = envelope.extensions.map(Offer::read).unwrap_or_default();
        let client = envelope.client.map(ClientInfo::read).unwrap_or_default();
        let labels = envelope.labels.map(Labels::read).unwrap_or_default();
        Ok(Self { name, description: description.filter(|words| !words.is_empty()), offer, client, labels })
    }

    /// What the session is known by.
    pub(super) fn into_introduction(self) -> Introduction {
        Introduction { name: self.name, client: self.client, labels: self.labels }
    }

    /// The server's id.
    pub(super) fn server(&self, owner: &Subject) -> ServerId {
        ServerId::of(owner, &self.name)
    }

    /// Its line in the catalog.
    pub(super) fn entry(&self, owner: &Subject, tools: Option<usize>, now: UnixTime) -> Entry {
        Entry {
            owner: owner.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            tools,
            first_seen: now.0,
            last_seen: now.0,
            is_trial: self.offer.trial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hs256::Key;
    use culvert_protocol::Secret;
    use culvert_protocol::claims::Claims;

    fn read(frame: &str) -> Result<Registration, String> {
        let claims =
            Claims { sub: Some("me".into()), servers: Some(vec!["git".into(), "a b".into()]), ..Claims::default() };
        let bearer = Bearer::of(claims, Key::new(&Secret::new("s")).number());
        Registration::read(&Envelope::parse(frame).unwrap(), &bearer)
    }

    #[test]
    fn a_name_that_the_token_lists_is_taken_with_a_clean_description() {
        let registration = read(
            r#"{"type":"register","server":{"name":" git ","description":"my\u001b[1m repo","protocol":"stdio"}}"#,
        );
        let registration = registration.unwrap();
        assert_eq!(registration.name.as_str(), "git");
        assert_eq!(registration.description.as_deref(), Some("my [1m repo"));
        assert_eq!(read(r#"{"type":"register","server":{"name":"a b"}}"#).unwrap().description, None);
    }

    #[test]
    fn who_says_more_is_known_by_more_and_nonsense_is_no_reason_to_refuse() {
        let told = |more: &str| {
            let frame = format!(r#"{{"type":"register","server":{{"name":"git"}}{more}}}"#);
            read(&frame).unwrap().into_introduction()
        };
        let known = told(r#","client":{"version":"1.2","host":"h\u0007"},"labels":{"team":"tools","n":7}"#);
        assert_eq!((known.client.version.as_deref(), known.client.host.as_deref()), (Some("1.2"), Some("h")));
        assert_eq!(known.labels.iter().collect::<Vec<_>>(), [("team", "tools")]);
        for nonsense in ["", r#","client":"x","labels":[1]"#, r#","client":null,"labels":null"#] {
            let known = told(nonsense);
            assert_eq!((known.client, known.labels.is_empty()), (ClientInfo::default(), true), "{nonsense}");
        }
    }

    #[test]
    fn every_refusal_says_why() {
        for (frame, word) in [
            (r#"{"type":"register"}"#, "no server"),
            (r#"{"type":"register","server":7}"#, "cannot be read"),
            (r#"{"type":"register","server":{}}"#, "empty"),
            (r#"{"type":"register","server":{"name":"a@b"}}"#, "'@'"),
            (r#"{"type":"register","server":{"name":"time"}}"#, "may not register the name \"time\""),
        ] {
            let why = read(frame).unwrap_err();
            assert!(why.contains(word), "{frame}: {why}");
        }
    }
}
