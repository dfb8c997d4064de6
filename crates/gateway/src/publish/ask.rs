//! What each step is in ContextForge's admin API: method, path and body.

use culvert_protocol::{Secret, ServerName};
use http::Method;
use serde_json::{Value, json};

use super::config::Visibility;
use super::entry::Entry;
use super::place::{Deed, Naming, Words};
use crate::catalog::ServerId;

/// Entries on one page of the list.
const PAGE: usize = 100;

/// The longest description that ContextForge keeps whole is longer; nobody reads on in a list.
const MAX_DESCRIPTION: usize = 500;

/// One step of the publisher's: one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Read the list of entries, or its next page.
    List { cursor: Option<String> },
    /// Do something about one server.
    For { server: ServerId, deed: Deed },
}

/// Where the API is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// Below `/v1`.
    Versioned,
    /// At the root, as before 1.0.7.
    Plain,
}

impl Api {
    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Versioned => Self::Plain,
            Self::Plain => Self::Versioned,
        }
    }

    fn path(self, rest: &str) -> String {
        match self {
            Self::Versioned => format!("/v1{rest}"),
            Self::Plain => rest.to_owned(),
        }
    }
}

/// What a server is offered with.
pub(super) struct Offer<'o> {
    pub(super) name: &'o ServerName,
    pub(super) description: Option<&'o str>,
    /// Where ContextForge finds it.
    pub(super) url: &'o str,
    pub(super) visibility: Visibility,
    /// What it has to show there; none where nobody is asked.
    pub(super) bearer: Option<&'o Secret>,
}

/// A request that is ready to go. No `Debug`: its body may hold a bearer.
pub(super) struct Ask {
    pub(super) method: Method,
    /// With its query, below ContextForge's own prefix.
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

/// The request of a step. `offer` is only looked at by those that make or renew an entry.
pub(super) fn ask(step: &Step, api: Api, offer: Option<&Offer<'_>>) -> Ask {
    let (method, path, body) = match step {
        Step::List { cursor } => {
            let cursor = cursor.as_deref().map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
            let query = format!("/gateways?include_inactive=true&include_pagination=true&limit={PAGE}{cursor}");
            (Method::GET, query, None)
        }
        Step::For { server, deed } => of_deed(server, deed, offer),
    };
    Ask { method, path: api.path(&path), body }
}

fn of_deed(server: &ServerId, deed: &Deed, offer: Option<&Offer<'_>>) -> (Method, String, Option<Value>) {
    let bearer = offer.and_then(|offer| offer.bearer);
    match deed {
        Deed::Create { naming, words, .. } => {
            (Method::POST, "/gateways".to_owned(), offer.map(|offer| made(server, *naming, *words, offer)))
        }
        Deed::Renew { entry, tags, .. } => {
            let mut body = json!({"tags": tags});
            authorised(&mut body, bearer.map(Secret::expose));
            (Method::PUT, format!("/gateways/{}", entry.as_str()), Some(body))
        }
        Deed::Mark { entry, tags, mask } => {
            let mut body = json!({"tags": tags});
            // Without it, ContextForge takes the entry's bearer away.
            authorised(&mut body, mask.as_deref());
            (Method::PUT, format!("/gateways/{}", entry.as_str()), Some(body))
        }
        Deed::Refresh { entry, .. } => {
            let path =
                format!("/gateways/{}/tools/refresh?include_resources=true&include_prompts=true", entry.as_str());
            (Method::POST, path, None)
        }
        Deed::Look { entry, kind } => {
            let path = format!("/{}?gateway_id={}&include_inactive=true&limit=0", kind.plural(), entry.as_str());
            (Method::GET, path, None)
        }
        Deed::Disable { entry } => (Method::POST, format!("/gateways/{}/state?activate=false", entry.as_str()), None),
        Deed::Enable { entry } => (Method::POST, format!("/gateways/{}/state?activate=true", entry.as_str()), None),
        Deed::SwitchOff { part } => {
            (Method::POST, format!("/{}/{}/state?activate=false", part.kind.plural(), part.id.as_str()), None)
        }
        Deed::Delete { entry } => (Method::DELETE, format!("/gateways/{}", entry.as_str()), None),
    }
}

fn made(server: &ServerId, naming: Naming, words: Words, offer: &Offer<'_>) -> Value {
    let name = match naming {
        Naming::Plain => offer.name.to_string(),
        Naming::Numbered => format!("{} {}", offer.name, &server.to_string()[..8]),
    };
    let owners = offer.description.filter(|_| words == Words::Owners);
    let description: String = owners
        .unwrap_or("A local MCP server, reached through a Culvert gateway")
        .chars()
        .take(MAX_DESCRIPTION)
        .collect();
    let mut body = json!({
        "name": name,
        "url": offer.url,
        "description": description,
        "transport": "STREAMABLEHTTP",
        "tags": Entry::first_tags(),
        "visibility": offer.visibility,
    });
    authorised(&mut body, offer.bearer.map(Secret::expose));
    body
}

fn authorised(body: &mut Value, token: Option<&str>) {
    if let Some(token) = token {
        body["auth_type"] = json!("bearer");
        body["auth_token"] = json!(token);
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::{SERVER, entry};
    use super::super::entry::{Id, Kind, Part};
    use super::super::place::Edition;
    use super::*;
    use crate::session::SessionId;

    fn asked(deed: Deed) -> Ask {
        let server = ServerId::parse(SERVER).unwrap();
        let offer = Offer {
            name: &ServerName::new("git").unwrap(),
            description: Some("my repo"),
            url: "http://gw/servers/x/mcp",
            visibility: Visibility::Private,
            bearer: Some(&Secret::new("fresh")),
        };
        ask(&Step::For { server, deed }, Api::Versioned, Some(&offer))
    }

    fn edition() -> Edition {
        Edition { session: SessionId("s".into()), changes: 0 }
    }

    #[test]
    fn an_entry_is_made_with_a_bearer_a_mark_and_the_servers_words() {
        let made = asked(Deed::Create { naming: Naming::Plain, words: Words::Owners, edition: edition() });
        assert_eq!((made.method, made.path.as_str()), (Method::POST, "/v1/gateways"));
        assert_eq!(
            made.body.unwrap(),
            json!({
                "name": "git", "url": "http://gw/servers/x/mcp", "description": "my repo", "visibility": "private",
                "transport": "STREAMABLEHTTP", "tags": [{"id": "culvert", "label": "culvert"}],
                "auth_type": "bearer", "auth_token": "fresh",
            })
        );
        let again = asked(Deed::Create { naming: Naming::Numbered, words: Words::Ours, edition: edition() });
        let again = again.body.unwrap();
        assert_eq!(again["name"], "git b32e4cef");
        assert_ne!(again["description"], "my repo");
    }

    #[test]
    fn marking_leaves_the_bearer_as_it_is() {
        let known = entry(|_| ());
        let mark = asked(Deed::Mark {
            entry: known.id.clone(),
            tags: known.tags_offline([]),
            mask: known.mask().map(str::to_owned),
        });
        assert_eq!((mark.method, mark.path.as_str()), (Method::PUT, "/v1/gateways/e1"));
        let body = mark.body.unwrap();
        assert_eq!((&body["auth_type"], &body["auth_token"]), (&json!("bearer"), &json!("*****")));
        let renewed = asked(Deed::Renew { entry: known.id.clone(), tags: known.tags_online(), edition: edition() });
        assert_eq!(renewed.body.unwrap()["auth_token"], "fresh");
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let id = || Id::new("e1").unwrap();
        for (deed, method, path) in [
            (Deed::Enable { entry: id() }, Method::POST, "/v1/gateways/e1/state?activate=true"),
            (Deed::Disable { entry: id() }, Method::POST, "/v1/gateways/e1/state?activate=false"),
            (Deed::Delete { entry: id() }, Method::DELETE, "/v1/gateways/e1"),
            (
                Deed::Look { entry: id(), kind: Kind::Prompt },
                Method::GET,
                "/v1/prompts?gateway_id=e1&include_inactive=true&limit=0",
            ),
            (
                Deed::SwitchOff { part: Part { kind: Kind::Resource, id: id() } },
                Method::POST,
                "/v1/resources/e1/state?activate=false",
            ),
        ] {
            let asked = asked(deed);
            assert_eq!((asked.method, asked.path.as_str()), (method, path));
        }
        let list = ask(&Step::List { cursor: Some("a=&b".into()) }, Api::Plain, None);
        assert!(list.path.starts_with("/gateways?") && list.path.ends_with("&cursor=a%3D%26b"), "{}", list.path);
    }
}
