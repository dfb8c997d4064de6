//! A `tools/list` result: what its elements are called, and the same text without those that may not pass.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::akin::sole;
use super::definition::{Definition, Digest};
use super::{Hint, Rules};
use crate::message::{Malformed, Message, batch, member};
use crate::splice::splice;

/// Tools of one server that are known at most. One that lists more has those beyond refused.
const MOST_TOOLS: usize = 20_000;

/// What a server lists, by name.
#[derive(Debug, Default)]
pub(super) struct Known {
    tools: HashMap<Box<str>, (Hint, Option<Digest>)>,
    /// The same as they are listed, where that was read: for whoever approves them.
    pub(super) definitions: Vec<Definition>,
}

/// A tool by its name, what its annotations say and, where that was read, all that is said of it.
struct Tool {
    name: Box<str>,
    hint: Hint,
    definition: Option<Definition>,
}

/// How much of a tool is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its name and annotations.
    Name,
    /// All that is said of it.
    Definition,
}

impl Depth {
    /// What these rules need.
    pub(super) fn of(rules: &Rules) -> Self {
        if rules.holds() { Self::Definition } else { Self::Name }
    }
}

impl Known {
    /// What is known of a tool.
    pub(super) fn get(&self, name: &str) -> Option<(Hint, Option<Digest>)> {
        self.tools.get(name).copied()
    }
}

/// One page of a list.
pub(super) struct Page<'a> {
    /// Its elements, each with what it is; `None` for one whose name cannot be told, or can be told in two ways.
    elements: Vec<(&'a RawValue, Option<Tool>)>,
    /// The list itself.
    list: &'a RawValue,
    /// Where the next page is, as JSON text.
    pub(super) cursor: Option<&'a str>,
}

/// A page that cannot be judged: the caller gets an error in its place.
pub(super) struct Unreadable;

impl<'a> Page<'a> {
    /// Reads the result of a `tools/list`; `None`: there is no list in it.
    pub(super) fn read(result: &'a RawValue, depth: Depth) -> Result<Option<Self>, Unreadable> {
        let unreadable = |_: Malformed| Unreadable;
        let cursor = member(result, "nextCursor").map_err(unreadable)?.map(RawValue::get);
        let cursor = cursor.filter(|cursor| cursor.starts_with('"'));
        let Some(list) = sole(result, "tools").map_err(unreadable)? else { return Ok(None) };
        if !list.get().starts_with('[') {
            return Err(Unreadable);
        }
        let elements = batch(list.get()).map_err(unreadable)?;
        let elements = elements.into_iter().map(|element| (element, Tool::read(element, depth))).collect();
        Ok(Some(Self { elements, list, cursor }))
    }

    /// Adds what it lists. One name listed twice counts as what is worse.
    pub(super) fn learn(&self, known: &mut Known) {
        for Tool { name, hint, definition } in self.elements.iter().filter_map(|(_, tool)| tool.as_ref()) {
            let digest = definition.as_ref().map(Definition::digest);
            let has_room = known.tools.len() < MOST_TOOLS;
            match known.tools.get_mut(name) {
                Some((before_hint, before)) => {
                    if *hint == Hint::None {
                        *before_hint = Hint::None;
                    }
                    if *before != digest {
                        *before = None;
                    }
                }
                None if has_room => {
                    known.tools.insert(name.clone(), (*hint, digest));
                    known.definitions.extend(definition.clone());
                }
                None => {}
            }
        }
    }

    /// Takes what it says of tools that are known already in the place of what was known of them; that one of them did
    /// not only read stays known.
    pub(super) fn learn_anew(&self, known: &mut Known) {
        let names: HashSet<&str> = self.elements.iter().filter_map(|(_, tool)| Some(&*tool.as_ref()?.name)).collect();
        let mut wrote = Vec::new();
        known.tools.retain(|name, (hint, _)| {
            let is_anew = names.contains(&**name);
            if is_anew && *hint == Hint::None {
                wrote.push(name.clone());
            }
            !is_anew
        });
        known.definitions.retain(|definition| !names.contains(definition.name()));
        self.learn(known);
        for name in wrote {
            if let Some((hint, _)) = known.tools.get_mut(&name) {
                *hint = Hint::None;
            }
        }
    }

    /// The whole message without what may not pass; `None`: all of it may. What stays, stays byte for byte.
    pub(super) fn without_denied(&self, message: &Message<'a>, rules: &Rules) -> Option<Bytes> {
        let passes = |tool: &Option<Tool>| {
            tool.as_ref().is_some_and(|Tool { name, hint, definition }| {
                rules.judge(name, *hint, definition.as_ref().map(Definition::digest)).is_ok()
            })
        };
        if self.elements.iter().all(|(_, tool)| passes(tool)) {
            return None;
        }
        let kept: Vec<&str> =
            self.elements.iter().filter(|(_, tool)| passes(tool)).map(|(element, _)| element.get()).collect();
        let list = format!("[{}]", kept.join(","));
        let span: Range<usize> = message.span_of(self.list);
        Some(splice(message.text(), &[(span, &list)]))
    }
}

impl Tool {
    fn read(element: &RawValue, depth: Depth) -> Option<Self> {
        match depth {
            Depth::Name => of_element(element).map(|(name, hint)| Self { name, hint, definition: None }),
            Depth::Definition => Definition::read(element).map(|definition| Self {
                name: definition.name().into(),
                hint: definition.hint(),
                definition: Some(definition),
            }),
        }
    }
}

/// The tools in the `result` of a `tools/list`, those that can be read; no more than are ever known of one server.
pub fn read_list(result: &RawValue) -> Vec<Definition> {
    let elements = member(result, "tools").ok().flatten().and_then(|list| batch(list.get()).ok());
    elements.unwrap_or_default().into_iter().take(MOST_TOOLS).filter_map(Definition::read).collect()
}

/// An element's name and what its annotations say; `None`: its name cannot be told, or can be told in two ways.
pub(super) fn of_element(element: &RawValue) -> Option<(Box<str>, Hint)> {
    let name = text(sole(element, "name").ok()??)?;
    let hint = match sole(element, "annotations").ok()? {
        Some(annotations) => match sole(annotations, "readOnlyHint").ok()? {
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
