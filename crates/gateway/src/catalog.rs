//! The catalog: every server that was ever registered and not forgotten, with an id that follows from owner and name.
//!
//! Pure bookkeeping; whether a server is online is not its business, and neither is the disk (see `catalog_file`).

use std::collections::HashMap;
use std::fmt;

use culvert_protocol::ServerName;
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::random;
use crate::rights::Subject;

/// A server's id: the same for the same owner and name, on every gateway and after every restart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ServerId(String);

impl ServerId {
    /// The first 128 bits of a hash. A zero byte separates the two; a name cannot contain one.
    pub(crate) fn of(owner: &Subject, name: &ServerName) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(owner.as_str().as_bytes());
        hash.update(&[0]);
        hash.update(name.as_str().as_bytes());
        Self(random::hex(&hash.finish().as_ref()[..16]))
    }
}

impl ServerId {
    /// An id as somebody wrote it, if it looks like one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let looks = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        looks.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is remembered of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Whose it is.
    pub owner: Subject,
    /// What its owner calls it.
    pub name: ServerName,
    /// What it is for, in its owner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How many tools it listed last; none: it has no tools, or did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<usize>,
    /// When it was first registered, in Unix seconds.
    pub first_seen: i64,
    /// When it was last online, in Unix seconds.
    pub last_seen: i64,
    /// Registered to see whether that works: never written, and forgotten when its tunnel ends.
    #[serde(skip)]
    pub is_trial: bool,
}

/// All servers that are known.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    servers: HashMap<ServerId, Entry>,
}

/// The catalog as it is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    servers: Vec<Entry>,
}

/// The version of the written form.
const VERSION: u32 = 1;

impl Catalog {
    /// Reads the written form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if written.version != VERSION {
            return Err(format!("it has version {}, this gateway knows version {VERSION}", written.version));
        }
        let servers = written.servers.into_iter().map(|entry| (ServerId::of(&entry.owner, &entry.name), entry));
        Ok(Self { servers: servers.collect() })
    }

    /// The written form: the same catalog is always the same text.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut servers: Vec<_> = self.servers.values().filter(|entry| !entry.is_trial).cloned().collect();
        servers.sort_by(|a, b| (&a.owner, &a.name).cmp(&(&b.owner, &b.name)));
        // Texts and numbers always become JSON.
        serde_json::to_vec_pretty(&Written { version: VERSION, servers }).unwrap_or_default()
    }

    /// Puts a server in, or brings what is known of it up to date; `first_seen` stays.
    pub(crate) fn put(&mut self, mut entry: Entry) -> ServerId {
        let id = ServerId::of(&entry.owner, &entry.name);
        if let Some(known) = self.servers.get(&id) {
            entry.first_seen = known.first_seen;
        }
        self.servers.insert(id.clone(), entry);
        id
    }

    /// Notes that a server was there at `now`.
    pub(crate) fn seen(&mut self, id: &ServerId, now: UnixTime) {
        if let Some(entry) = self.servers.get_mut(id) {
            entry.last_seen = now.0;
        }
    }

    /// Forgets a server; whether it was known.
    pub(crate) fn forget(&mut self, id: &ServerId) -> bool {
        self.servers.remove(id).is_some()
    }

    /// Makes room for one more server of `owner` when it has `max`: of those that `may_go`, the one that was not seen
    /// for longest is forgotten and returned.
    pub(crate) fn make_room(
        &mut self,
        owner: &Subject,
        max: usize,
        may_go: impl Fn(&ServerId) -> bool,
    ) -> Option<Entry> {
        let theirs = || self.servers.iter().filter(|(_, entry)| entry.owner == *owner);
        if theirs().count() < max {
            return None;
        }
        let oldest = theirs().filter(|(id, _)| may_go(id)).min_by_key(|(_, entry)| entry.last_seen)?.0.clone();
        self.servers.remove(&oldest)
    }

    /// A server by its id.
    pub(crate) fn get(&self, id: &ServerId) -> Option<&Entry> {
        self.servers.get(id)
    }

    /// A server by its id as somebody wrote it.
    pub(crate) fn find(&self, id: &str) -> Option<(&ServerId, &Entry)> {
        self.servers.get_key_value(&ServerId(id.to_owned()))
    }

    /// All servers, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ServerId, &Entry)> {
        self.servers.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(owner: &str, name: &str, seen: i64) -> Entry {
        let (owner, name) = (Subject::new(owner), ServerName::new(name).unwrap());
        Entry { owner, name, description: None, tools: Some(2), first_seen: seen, last_seen: seen, is_trial: false }
    }

    #[test]
    fn an_id_follows_from_owner_and_name_alone() {
        let mut catalog = Catalog::default();
        let id = catalog.put(entry("a@b", "git", 1));
        assert_eq!(id.to_string(), "edcd94cda7377a4d6e543a7ac55caae8");
        assert_eq!(catalog.put(entry("a@b", "git", 5)), id);
        let known = catalog.get(&id).unwrap();
        assert_eq!((known.first_seen, known.last_seen), (1, 5));
        assert_ne!(catalog.put(entry("a@bg", "it", 1)), id);
        assert_ne!(catalog.put(entry("c@d", "git", 1)), id);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut catalog = Catalog::default();
        let id = catalog.put(entry("a\u{0}\"b", "git", 1));
        catalog.put(Entry { description: Some("my\nrepo".into()), tools: None, ..entry("a", "time", 2) });
        let read = Catalog::parse(&catalog.to_json()).unwrap();
        assert_eq!(read.get(&id), catalog.get(&id));
        assert_eq!(read.to_json(), catalog.to_json());
        assert!(Catalog::parse(b"{\"version\":1,\"servers\":[{").is_err());
        assert!(Catalog::parse(b"{\"version\":2,\"servers\":[]}").unwrap_err().contains("version 2"));
    }

    #[test]
    fn the_server_that_is_gone_longest_makes_room() {
        let mut catalog = Catalog::default();
        let online = catalog.put(entry("a", "oldest", 1));
        catalog.put(entry("a", "old", 2));
        catalog.put(entry("a", "new", 3));
        catalog.put(entry("b", "other", 0));
        let owner = Subject::new("a");
        assert_eq!(catalog.make_room(&owner, 4, |_| true), None);
        let gone = catalog.make_room(&owner, 3, |id| *id != online).unwrap();
        assert_eq!(gone.name.as_str(), "old");
        assert_eq!(catalog.make_room(&owner, 2, |_| false), None, "nothing that is online is forgotten");
    }
}
