//! The questions that a desk asks its child by itself: what it lists, page by page, in the manner in which the child is
//! spoken to.

use serde_json::value::RawValue;

use super::listing::Known;
use crate::message::{Id, Message, member};
use crate::revision::{META_CAPABILITIES, META_VERSION};

/// Pages of a list that are asked for at most.
const MOST_PAGES: u64 = 200;

/// What the ids of our own questions begin with. No caller may use such an id.
pub(super) const OURS: &str = "culvert-policy-";

/// What one child is asked.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: Option<Asked>,
    /// How many were asked so far.
    count: u64,
    manner: Manner,
}

/// A list that is under way.
#[derive(Debug)]
pub(super) struct Asked {
    id: String,
    /// What its pages have said so far.
    pub(super) found: Known,
    pages: u64,
    /// What each page is asked with besides its cursor: `"_meta":{…}`, or nothing.
    meta: Option<String>,
}

/// What comes after a page.
pub(super) enum Next {
    /// This question for another.
    Page(String),
    /// Nothing: this is the whole list.
    End(Known),
}

/// How a child is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Manner {
    /// Nothing was heard yet that tells.
    #[default]
    Unknown,
    /// After `initialize`.
    Greeted,
    /// Each request says this of its sender.
    Stateless(String),
}

impl Questions {
    /// A caller's request shows how the child is spoken to.
    pub(super) fn heard(&mut self, message: &Message<'_>) {
        self.manner.learn(message);
    }

    /// A question for the list, unless it was asked for already. A child that is spoken to statelessly is asked so.
    pub(super) fn begin(&mut self) -> Option<String> {
        if self.asked.is_some() {
            return None;
        }
        let meta = match &self.manner {
            Manner::Stateless(revision) => {
                Some(format!(r#""_meta":{{"{META_VERSION}":{revision},"{META_CAPABILITIES}":{{}}}}"#))
            }
            Manner::Greeted | Manner::Unknown => None,
        };
        Some(self.question(Asked { id: String::new(), found: Known::default(), pages: 0, meta }, None))
    }

    /// As [`begin`](Self::begin), where no caller waits: then it must be known how the child is spoken to.
    pub(super) fn begin_unasked(&mut self) -> Option<String> {
        if self.manner == Manner::Unknown { None } else { self.begin() }
    }

    /// The list whose last question has this id; it is under way again only after [`go_on`](Self::go_on).
    pub(super) fn answered(&mut self, id: &Id) -> Option<Asked> {
        self.asked.take_if(|asked| matches!(id, Id::Text(id) if **id == *asked.id))
    }

    /// Asks for the page at `cursor`, JSON text, where there is one and they are not too many.
    pub(super) fn go_on(&mut self, asked: Asked, cursor: Option<&str>) -> Next {
        match cursor {
            Some(cursor) if asked.pages < MOST_PAGES => Next::Page(self.question(asked, Some(cursor))),
            _ => Next::End(asked.found),
        }
    }

    /// Forgets what was asked: whoever waits no longer does.
    pub(super) fn give_up(&mut self) {
        self.asked = None;
    }

    /// Whether a list is under way.
    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    fn question(&mut self, mut asked: Asked, cursor: Option<&str>) -> String {
        self.count += 1;
        asked.pages += 1;
        asked.id = format!("{OURS}{}", self.count);
        let cursor = cursor.map(|cursor| format!(r#""cursor":{cursor}"#));
        let params: Vec<_> = asked.meta.clone().into_iter().chain(cursor).collect();
        let id = &asked.id;
        let question =
            format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"tools/list","params":{{{}}}}}"#, params.join(","));
        self.asked = Some(asked);
        question
    }
}

impl Manner {
    /// The first request but `initialize` or `ping` shows it.
    fn learn(&mut self, message: &Message<'_>) {
        if *self != Self::Unknown {
            return;
        }
        let meta = message.param(&["_meta"]).ok().flatten();
        let revision = meta.and_then(|meta| member(meta, META_VERSION).ok().flatten()).map(RawValue::get);
        match (revision.filter(|revision| revision.starts_with('"')), &*message.method()) {
            (Some(revision), _) => *self = Self::Stateless(revision.to_owned()),
            (None, "initialize" | "ping") => {}
            (None, _) => *self = Self::Greeted,
        }
    }
}

/// Whether this is the id of a question that a desk has asked.
pub fn is_ours(id: &Id) -> bool {
    matches!(id, Id::Text(id) if id.starts_with(OURS))
}
