//! An entry of ContextForge's list of gateways: what is read of it, whose it is, and the tags by which this gateway
//! leaves itself word there.
//!
//! Only ContextForge outlives every restart of this gateway and of its state folder, so what must not be forgotten is
//! written into the entry: that it was this gateway, and no human, that disabled it, and which of its tools, prompts and
//! resources humans had switched off before. ContextForge switches all of them on when an entry is enabled.

use culvert_protocol::{GatewayAddress, text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::catalog::ServerId;

/// The tag of every entry that a gateway of ours made.
const MARK: &str = "culvert";

/// The tag of one that is disabled, or about to be, because its server is gone.
const OFFLINE: &str = "culvert:offline";

/// What the tags of switched-off parts begin with; the kind and the part's id follow.
const OFF: &str = "culvert:off:";

/// The longest id that is believed to be one. ContextForge's have 32 characters.
const MAX_ID: usize = 64;

/// The most characters of an entry's name that are kept: as many as ContextForge takes.
const MAX_NAME: usize = 255;

/// The id of an entry, or of a part of one, fit for a URL's path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(String);

impl Id {
    /// `None` for what must not stand in a path.
    pub(super) fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= MAX_ID
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        fits.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an entry has parts of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Tools.
    Tool,
    /// Prompts.
    Prompt,
    /// Resources.
    Resource,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Tool, Self::Prompt, Self::Resource];

    /// Its collection in ContextForge's API, which is also the capability that a server offers it by.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
        }
    }

    fn singular(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }
}

/// A tool, prompt or resource of an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// Which of the three.
    pub(super) kind: Kind,
    /// Its id at ContextForge.
    pub(super) id: Id,
}

impl Part {
    fn tag(&self) -> Tag {
        Tag::new(&format!("{OFF}{}:{}", self.kind.singular(), self.id.as_str()))
    }

    fn of(tag: &str) -> Option<Self> {
        let (kind, id) = tag.strip_prefix(OFF)?.split_once(':')?;
        let kind = Kind::ALL.into_iter().find(|each| each.singular() == kind)?;
        Some(Self { kind, id: Id::new(id)? })
    }
}

/// A tag as ContextForge keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AnyTag")]
pub(super) struct Tag {
    id: String,
    label: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyTag {
    Both { id: String, label: String },
    Text(String),
}

impl From<AnyTag> for Tag {
    fn from(tag: AnyTag) -> Self {
        match tag {
            AnyTag::Both { id, label } => Self { id, label },
            AnyTag::Text(text) => Self::new(&text),
        }
    }
}

impl Tag {
    fn new(text: &str) -> Self {
        Self { id: text.to_owned(), label: text.to_owned() }
    }

    fn is_word_of_ours(&self) -> bool {
        self.id == OFFLINE || self.id.starts_with(OFF)
    }
}

/// An entry as ContextForge writes it, as far as it matters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    id: String,
    name: String,
    url: String,
    enabled: bool,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    owner_email: Option<String>,
    #[serde(default)]
    auth_token: Option<String>,
    #[serde(default)]
    capabilities: Map<String, Value>,
}

/// An entry at ContextForge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its id there.
    pub(super) id: Id,
    /// What it is called there.
    pub(super) name: String,
    /// Whether it is in use there.
    pub(super) enabled: bool,
    url: String,
    tags: Vec<Tag>,
    owner: Option<String>,
    /// What ContextForge shows in the place of its token, and takes for "as it is".
    mask: Option<String>,
    kinds: Vec<Kind>,
}

impl Entry {
    /// Reads one; `None` when it is none that could be worked with.
    pub(super) fn read(value: Value) -> Option<Self> {
        let written: Written = serde_json::from_value(value).ok()?;
        // Tools are what ContextForge takes a server for, whether or not it says that it has some.
        let has = |kind: &Kind| *kind == Kind::Tool || written.capabilities.contains_key(kind.plural());
        let kinds = Kind::ALL.into_iter().filter(has).collect();
        Some(Self {
            id: Id::new(&written.id)?,
            name: text::clean(&written.name, MAX_NAME),
            enabled: written.enabled,
            url: written.url,
            tags: written.tags,
            owner: written.owner_email,
            mask: written.auth_token.filter(|mask| !mask.is_empty()),
            kinds,
        })
    }

    /// The server of the gateway at `base` that this entry stands for, if that very gateway made it: by the mark, by
    /// the URL, and by the owner, who is one of `names` (of the publishing token). Somebody else's entry could have our
    /// mark and URL, and change the URL once it holds a bearer of ours.
    pub(super) fn server(&self, base: &GatewayAddress, names: &[String]) -> Option<ServerId> {
        let owned = self.owner.as_ref().is_some_and(|owner| names.iter().any(|name| name.eq_ignore_ascii_case(owner)));
        let marked = self.tags.iter().any(|tag| tag.id == MARK);
        let id = self.url.strip_suffix("/mcp")?.rsplit('/').next().and_then(ServerId::parse)?;
        (owned && marked && self.leads_to(base, &id)).then_some(id)
    }

    /// Whether its URL is that of `server` on the gateway at `base`. An entry that was changed to lead elsewhere gets no
    /// bearer any more.
    pub(super) fn leads_to(&self, base: &GatewayAddress, server: &ServerId) -> bool {
        let ours = comparable(&base.mcp_url(&server.to_string()));
        ours.is_some() && comparable(&self.url) == ours
    }

    /// Whether this gateway has disabled it, or is about to.
    pub(super) fn is_marked_offline(&self) -> bool {
        self.tags.iter().any(|tag| tag.id == OFFLINE)
    }

    /// What was switched off by hand when it was marked, and is not switched off again yet.
    pub(super) fn parts_off(&self) -> impl Iterator<Item = Part> {
        self.tags.iter().filter_map(|tag| Part::of(&tag.id))
    }

    /// `part` is switched off again.
    pub(super) fn settled(&mut self, part: &Part) {
        let settled = part.tag();
        self.tags.retain(|tag| tag.id != settled.id);
    }

    /// Its tags while its server is there.
    pub(super) fn tags_online(&self) -> Vec<Tag> {
        self.tags.iter().filter(|tag| !tag.is_word_of_ours()).cloned().collect()
    }

    /// Its tags while its server is gone.
    pub(super) fn tags_offline<'p>(&self, off: impl IntoIterator<Item = &'p Part>) -> Vec<Tag> {
        let mut tags = self.tags_online();
        tags.push(Tag::new(OFFLINE));
        tags.extend(off.into_iter().map(Part::tag));
        tags
    }

    /// The tags of a new one.
    pub(super) fn first_tags() -> Vec<Tag> {
        vec![Tag::new(MARK)]
    }

    /// What stands for the token that it has.
    pub(super) fn mask(&self) -> Option<&str> {
        self.mask.as_deref()
    }

    /// What it has parts of.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }
}

/// A URL in a form in which two can be compared: ContextForge writes `localhost` for `127.0.0.1`.
fn comparable(url: &str) -> Option<Url> {
    let mut url = Url::parse(url).ok()?;
    if matches!(url.host(), Some(Host::Ipv4(address)) if address.octets() == [127, 0, 0, 1]) {
        url.set_host(Some("localhost")).ok()?;
    }
    Some(url)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) const SERVER: &str = "b32e4cef2cdbe69b8ea186f3cab91f29";

    pub(crate) fn base() -> GatewayAddress {
        GatewayAddress::parse("http://127.0.0.1:4710").unwrap()
    }

    pub(crate) fn entry(change: impl FnOnce(&mut Value)) -> Entry {
        let mut value = json!({
            "id": "e1", "name": "git", "url": format!("http://localhost:4710/servers/{SERVER}/mcp"),
            "enabled": true, "tags": [{"id": "culvert", "label": "culvert"}, {"id": "mine", "label": "Mine"}],
            "ownerEmail": "admin@example.com", "authToken": "*****",
            "capabilities": {"tools": {"listChanged": true}, "logging": {}},
        });
        change(&mut value);
        Entry::read(value).unwrap()
    }

    fn recognised(change: impl FnOnce(&mut Value)) -> bool {
        let names = ["someone".to_owned(), "Admin@example.com".to_owned()];
        entry(change).server(&base(), &names).is_some()
    }

    #[test]
    fn only_what_this_very_gateway_made_is_its_own() {
        assert!(recognised(|_| ()));
        assert!(!recognised(|entry| entry["ownerEmail"] = json!("mallory@example.com")));
        assert!(!recognised(|entry| entry["ownerEmail"] = json!(null)));
        assert!(!recognised(|entry| entry["tags"] = json!(["mine"])));
        for url in [
            "http://localhost:4711/servers/b32e4cef2cdbe69b8ea186f3cab91f29/mcp",
            "https://localhost:4710/servers/b32e4cef2cdbe69b8ea186f3cab91f29/mcp",
            "http://evil.example.com/servers/b32e4cef2cdbe69b8ea186f3cab91f29/mcp",
            "http://localhost:4710/servers/git/mcp",
            "http://localhost:4710/x/servers/b32e4cef2cdbe69b8ea186f3cab91f29/mcp",
            "nonsense",
        ] {
            assert!(!recognised(|entry| entry["url"] = json!(url)), "{url}");
        }
        assert!(recognised(|entry| entry["tags"] = json!(["culvert"])), "older ones write tags as texts");
    }

    #[test]
    fn the_tags_keep_word_of_what_was_off_and_leave_other_tags_alone() {
        let off = [Kind::Tool, Kind::Prompt].map(|kind| Part { kind, id: Id::new("f7a9").unwrap() });
        let tags = entry(|_| ()).tags_offline(&off);
        let told = serde_json::to_value(&tags).unwrap();
        assert_eq!(told[1], json!({"id": "mine", "label": "Mine"}));
        let mut marked = entry(|value| value["tags"] = told);
        assert!(marked.is_marked_offline());
        assert_eq!(marked.parts_off().collect::<Vec<_>>(), off);
        assert_eq!(marked.tags_online(), entry(|_| ()).tags);
        marked.settled(&off[0]);
        assert_eq!(marked.parts_off().collect::<Vec<_>>(), off[1..]);
        assert!(marked.is_marked_offline());
    }

    #[test]
    fn ids_that_could_leave_their_place_in_a_path_are_none() {
        for bad in ["", "a/b", "..", "a?b", "a b", "%2e", &"x".repeat(65)] {
            assert_eq!(Id::new(bad), None, "{bad:?}");
        }
        assert!(Entry::read(json!({"id": "../x", "name": "n", "url": "u", "enabled": true})).is_none());
        assert_eq!(Part::of("culvert:off:tool:../x"), None);
        assert_eq!(Part::of("culvert:off:door:x"), None);
    }
}
