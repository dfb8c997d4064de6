//! A `tools/list` result: what its elements are called, and the same text without those that may not pass.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Hint, ToolPolicy};
use crate::message::{Malformed, Message, batch, member};
use crate::splice::splice;

/// Tools of one server that are known at most. One that lists more has those beyond refused.
const MOST_TOOLS: usize = 20_000;

/// What a server lists: by name, with what its annotations say.
pub(super) type Known = HashMap<Box<str>, Hint>;

/// A tool by its name, and what its annotations say.
type Tool = (Box<str>, Hint);

/// One page of a list.
pub(super) struct Page<'a> {
    /// Its elements, each with what it is; `None` for one whose name cannot be told, or can be told in two ways.
    pub(super) elements: Vec<(&'a RawValue, Option<Tool>)>,
    /// The list itself.
    list: &'a RawValue,
    /// Where the next page is, as JSON text.
    pub(super) cursor: Option<&'a str>,
}

/// A page that cannot be judged: the caller gets an error in its place.
pub(super) struct Unreadable;

impl<'a> Page<'a> {
    /// Reads the result of a `tools/list`; `None`: there is no list in it.
    pub(super) fn read(result: &'a RawValue) -> Result<Option<Self>, Unreadable> {
        let unreadable = |_: Malformed| Unreadable;
        let cursor = member(result, "nextCursor").map_err(unreadable)?.map(RawValue::get);
        let cursor = cursor.filter(|cursor| cursor.starts_with('"'));
        let Some(list) = member(result, "tools").map_err(unreadable)? else { return Ok(None) };
        if !list.get().starts_with('[') {
            return Err(Unreadable);
        }
        let elements = batch(list.get()).map_err(unreadable)?;
        let elements = elements.into_iter().map(|element| (element, of_element(element))).collect();
        Ok(Some(Self { elements, list, cursor }))
    }

    /// Adds what it lists. One name listed twice counts as what is worse.
    pub(super) fn learn(&self, known: &mut Known) {
        for (name, hint) in self.elements.iter().filter_map(|(_, known)| known.as_ref()) {
            let has_room = known.len() < MOST_TOOLS;
            match known.get_mut(name) {
                Some(before) if *hint == Hint::None => *before = Hint::None,
                None if has_room => _ = known.insert(name.clone(), *hint),
                Some(_) | None => {}
            }
        }
    }

    /// The whole message without what may not pass; `None`: all of it may. What stays, stays byte for byte.
    pub(super) fn without_denied(&self, message: &Message<'a>, policy: &ToolPolicy) -> Option<Bytes> {
        let passes =
            |known: &Option<Tool>| known.as_ref().is_some_and(|(name, hint)| policy.judge(name, *hint).is_ok());
        if self.elements.iter().all(|(_, known)| passes(known)) {
            return None;
        }
        let kept: Vec<&str> =
            self.elements.iter().filter(|(_, known)| passes(known)).map(|(element, _)| element.get()).collect();
        let list = format!("[{}]", kept.join(","));
        let span: Range<usize> = message.span_of(self.list);
        Some(splice(message.text(), &[(span, &list)]))
    }
}

fn of_element(element: &RawValue) -> Option<Tool> {
    let name = text(member(element, "name").ok()??)?;
    let hint = match member(element, "annotations").ok()? {
        Some(annotations) => match member(annotations, "readOnlyHint").ok()? {
            Some(hint) if hint.get() == "true" => Hint::ReadOnly,
            _ => Hint::None,
        },
        None => Hint::None,
    };
    Some((name, hint))
}

/// A JSON text, unescaped.
pub(super) fn text(raw: &RawValue) -> Option<Box<str>> {
    serde_json::from_str::<String>(raw.get()).ok().map(String::into_boxed_str)
}
