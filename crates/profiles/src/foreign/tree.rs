//! The text of another program's file, JSON with comments or TOML, as a tree with places. What it means is not known
//! here. The text is untrusted: both parsers bound the nesting, and no message repeats a value.

use std::path::Path;
use std::sync::Arc;

use culvert_protocol::text;
use jsonc_parser::ast;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::ConfigError;
use crate::origin::Place;

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// A value as written. Members keep their order.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads JSON; comments and trailing commas may be in it.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] with line and column.
    pub(crate) fn json(content: &str, file: &Arc<Path>) -> Result<Self, ConfigError> {
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        let lines = Lines::of(content, file);
        let options = ParseOptions {
            allow_comments: true,
            allow_trailing_commas: true,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        let parsed = parse_to_ast(content, &CollectOptions::default(), &options).map_err(|error| {
            let detail = text::clean(&error.kind().to_string(), 200);
            ConfigError::Syntax { at: lines.place(error.range().start), detail }
        })?;
        Ok(match parsed.value {
            Some(value) => of_json(value, &lines),
            None => Self { value: Value::Null, place: lines.place(0) },
        })
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// As [`Node::json`].
    pub(crate) fn toml(content: &str, file: &Arc<Path>) -> Result<Self, ConfigError> {
        let lines = Lines::of(content, file);
        let table = DeTable::parse(content).map_err(|error| {
            let at = lines.place(error.span().map_or(0, |span| span.start));
            ConfigError::Syntax { at, detail: text::clean(error.message(), 200) }
        })?;
        let place = lines.place(table.span().start);
        Ok(Self { value: of_table(table.into_inner(), &lines), place })
    }

    /// The member of this name, if this is a mapping that has one.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.members().find(|(known, _)| *known == name).map(|(_, node)| node)
    }

    /// The members of a mapping, in their order; none of anything else.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = match &self.value {
            Value::Map(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// A text; numbers and truth values stand for the text that they are written as.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The texts of a list; none of anything else.
    pub(crate) fn texts(&self) -> Vec<String> {
        match &self.value {
            Value::List(list) => list.iter().filter_map(Self::text).collect(),
            _ => Vec::new(),
        }
    }

    /// A truth value.
    pub(crate) fn truth(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Whether nothing is there.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
}

fn of_json(value: ast::Value<'_>, lines: &Lines<'_>) -> Node {
    use jsonc_parser::common::Ranged as _;
    let place = lines.place(value.range().start);
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(bool) => Value::Bool(bool.value),
        ast::Value::NumberLit(number) => Value::Number(number.value.to_owned()),
        ast::Value::StringLit(text) => Value::Text(text.value.into_owned()),
        ast::Value::Array(array) => {
            Value::List(array.elements.into_iter().map(|element| of_json(element, lines)).collect())
        }
        ast::Value::Object(object) => {
            let members = object.properties.into_iter();
            Value::Map(members.map(|member| (member.name.into_string(), of_json(member.value, lines))).collect())
        }
    };
    Node { value, place }
}

fn of_table(table: DeTable<'_>, lines: &Lines<'_>) -> Value {
    let members = table.into_iter().map(|(name, value)| (name.into_inner().into_owned(), of_toml(value, lines)));
    Value::Map(members.collect())
}

fn of_toml(value: Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Node {
    let place = lines.place(value.span().start);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => Value::Number(number.to_string()),
        DeValue::Float(number) => Value::Number(number.to_string()),
        DeValue::Boolean(bool) => Value::Bool(bool),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(array) => Value::List(array.into_iter().map(|element| of_toml(element, lines)).collect()),
        DeValue::Table(table) => of_table(table, lines),
    };
    Node { value, place }
}

/// Where the lines of a text begin.
struct Lines<'a> {
    content: &'a str,
    starts: Vec<usize>,
    file: Arc<Path>,
}

impl<'a> Lines<'a> {
    fn of(content: &'a str, file: &Arc<Path>) -> Self {
        let ends = content.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { content, starts: std::iter::once(0).chain(ends).collect(), file: Arc::clone(file) }
    }

    /// The place of a byte; columns count characters.
    fn place(&self, byte: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let before = self.content.get(start..byte).unwrap_or_default();
        Place::new(&self.file, line as u64 + 1, before.chars().count() as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(content: &str) -> Result<Node, ConfigError> {
        Node::json(content, &Arc::from(Path::new("m.json")))
    }

    fn toml(content: &str) -> Result<Node, ConfigError> {
        Node::toml(content, &Arc::from(Path::new("c.toml")))
    }

    #[test]
    fn comments_and_trailing_commas_are_read_with_places() {
        let node = json("\u{feff}{\n  // why\n  \"é\": [1, true, null,], /* and */ \"b\": \"x\",\n}").unwrap();
        let b = node.get("b").unwrap();
        assert_eq!((b.text().as_deref(), b.place.to_string()), (Some("x"), "m.json:3:41".to_owned()));
        let Value::List(list) = &node.get("é").unwrap().value else { panic!("no list") };
        assert_eq!(list[0].text().as_deref(), Some("1"));
        assert!(list[1].truth() == Some(true) && list[2].is_null());
        assert!(json("").unwrap().is_null());
    }

    #[test]
    fn toml_is_read_with_places() {
        let node = toml("[mcp_servers.a]\ncommand = \"x\" # why\nargs = [1, 'b']\n").unwrap();
        let a = node.get("mcp_servers").and_then(|servers| servers.get("a")).unwrap();
        let command = a.get("command").unwrap();
        assert_eq!((command.text().as_deref(), command.place.to_string()), (Some("x"), "c.toml:2:11".to_owned()));
    }

    #[test]
    fn what_is_neither_says_where() {
        assert_eq!(json("{\n  \"a\": hunter2}").err().unwrap().to_string(), "m.json:2:8: Unexpected token");
        let error = toml("a = 1\nb = hunter2").err().unwrap().to_string();
        assert!(error.starts_with("c.toml:2:") && !error.contains("hunter2"), "{error}");
        assert!(json(&"[".repeat(100_000)).is_err());
        assert!(toml(&format!("a = {}", "[".repeat(100_000))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[-{}\\[\\]\":,'=#/*.\\\\a-z0-9é \n]{0,60}") {
            let _ = (json(&text), toml(&text));
        }
    }
}
