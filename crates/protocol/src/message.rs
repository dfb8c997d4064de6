//! The head of a JSON-RPC message: what kind it is, its id and method, and where its parts lie, with the text
//! untouched.
//!
//! Only the members that routing needs are looked at. `params`, `result` and `error` stay raw text and are never
//! written anew: a typed model would alter what it does not know.

mod carried;
mod id;
mod members;
mod untidy;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

pub use self::carried::Carried;
pub use self::id::Id;
use self::members::{Members, plain};
pub(crate) use self::members::{Plain, each_member, name_of};
pub use self::untidy::Untidy;

/// What kind of message it is, with what identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Expects exactly one answer.
    Request(Id),
    /// Expects none.
    Notification,
    /// Answers the request with this id.
    Response(Id),
}

/// Why a text is no JSON-RPC message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The text is not JSON.
    #[error("not JSON")]
    NotJson,
    /// An array: the batches of revision 2025-03-26.
    #[error("a batch")]
    Batch,
    /// Some other JSON value.
    #[error("not a JSON object")]
    NotAnObject,
    /// A member that routing reads stands there twice, so two readers could see two messages.
    #[error("the member {0:?} is there twice")]
    Repeated(&'static str),
    /// Neither a method, nor a result, nor an error.
    #[error("neither a request, nor a notification, nor a response")]
    NoKind,
    /// The id is no text, no number, or too long.
    #[error("the id is neither a string nor a number, or it is too long")]
    Id,
    /// The method is no text.
    #[error("the method is not a string")]
    Method,
}

/// A JSON-RPC message whose head has been read.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    text: &'a str,
    shape: Shape,
    members: Members<'a>,
}

impl<'a> Message<'a> {
    /// Reads the head of one message.
    ///
    /// # Errors
    /// [`Malformed`] when the text is not exactly one JSON-RPC message; an array is [`Malformed::Batch`].
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        match text.trim_start().as_bytes().first() {
            Some(b'{') => {}
            Some(b'[') => return Err(Malformed::Batch),
            _ if serde_json::from_str::<IgnoredAny>(text).is_ok() => return Err(Malformed::NotAnObject),
            _ => return Err(Malformed::NotJson),
        }
        let members = match serde_json::from_str(text) {
            Ok(Plain { members, .. }) => members,
            Err(_) => serde_json::from_str(text).map_err(|_| Malformed::NotJson)?,
        };
        Self::from_members(text, members)
    }

    fn from_members(text: &'a str, members: Members<'a>) -> Result<Self, Malformed> {
        if let Some(name) = members.repeated {
            return Err(Malformed::Repeated(name));
        }
        let id = members.id.map(Id::of).transpose()?;
        let shape = match (members.method, id) {
            (Some(_), Some(id)) => Shape::Request(id),
            (Some(_), None) => Shape::Notification,
            (None, id) if members.result.is_some() || members.error.is_some() => {
                Shape::Response(id.unwrap_or(Id::Null))
            }
            (None, _) => return Err(Malformed::NoKind),
        };
        if members.method.is_some_and(|method| !method.get().starts_with('"')) {
            return Err(Malformed::Method);
        }
        Ok(Self { text, shape, members })
    }

    /// The whole message as it came.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Its kind.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The method of a request or notification, else an empty text.
    pub fn method(&self) -> Cow<'a, str> {
        let Some(method) = self.members.method else { return Cow::Borrowed("") };
        match plain(method) {
            Some(method) => Cow::Borrowed(method),
            None => serde_json::from_str(method.get()).map_or(Cow::Borrowed(""), |Text(method)| method),
        }
    }

    /// `params`, raw.
    pub fn params(&self) -> Option<&'a RawValue> {
        self.members.params
    }

    /// `result`, raw.
    pub fn result(&self) -> Option<&'a RawValue> {
        self.members.result
    }

    /// `error`, raw.
    pub fn error(&self) -> Option<&'a RawValue> {
        self.members.error
    }

    /// Whether there are members that JSON-RPC does not know.
    pub(crate) fn has_foreign_members(&self) -> bool {
        self.members.foreign
    }

    /// The id as spelled, where there is one.
    pub fn raw_id(&self) -> Option<&'a str> {
        self.members.id.map(RawValue::get)
    }

    /// Where in the text the id stands.
    pub fn id_span(&self) -> Option<Range<usize>> {
        self.members.id.map(|id| self.span_of(id))
    }

    /// Where in the text the nested member `path` of `params` stands: `["_meta", "progressToken"]`, say.
    ///
    /// # Errors
    /// [`Malformed::Repeated`] when a member on the way is there twice.
    pub fn param(&self, path: &[&'static str]) -> Result<Option<&'a RawValue>, Malformed> {
        let Some(mut at) = self.members.params else { return Ok(None) };
        for name in path {
            match member(at, name)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Where in the text a part of it, found by [`param`](Self::param), stands.
    pub fn span_of(&self, part: &'a RawValue) -> Range<usize> {
        let start = part.get().as_ptr() as usize - self.text.as_ptr() as usize;
        start..start + part.get().len()
    }
}

/// The member `name` of a JSON object; `None` when it is not there or `object` is no object.
///
/// # Errors
/// [`Malformed::Repeated`] when it is there twice.
pub fn member<'a>(object: &'a RawValue, name: &'static str) -> Result<Option<&'a RawValue>, Malformed> {
    struct One<'n>(&'n str);

    impl<'de> Visitor<'de> for One<'_> {
        type Value = (Option<&'de RawValue>, bool);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            let mut twice = false;
            while let Some(key) = map.next_key()? {
                if name_of(key) == self.0 {
                    twice |= found.replace(map.next_value()?).is_some();
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok((found, twice))
        }
    }

    if !object.get().starts_with('{') {
        return Ok(None);
    }
    match serde_json::Deserializer::from_str(object.get()).deserialize_map(One(name)) {
        Ok((_, true)) => Err(Malformed::Repeated(name)),
        Ok((found, false)) => Ok(found),
        Err(_) => Err(Malformed::NotJson),
    }
}

/// The elements of a batch, each raw.
///
/// # Errors
/// [`Malformed::NotJson`] when the text is no JSON array.
pub fn batch(text: &str) -> Result<Vec<&RawValue>, Malformed> {
    serde_json::from_str(text).map_err(|_| Malformed::NotJson)
}

/// A JSON text, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Result<Shape, Malformed> {
        Message::parse(text).map(|message| message.shape)
    }

    #[test]
    fn kinds_are_told_by_content() {
        assert_eq!(shape(r#"{"jsonrpc":"2.0","id":7,"method":"a"}"#), Ok(Shape::Request(Id::Integer(7))));
        assert_eq!(shape(r#"{"jsonrpc":"2.0","method":"a"}"#), Ok(Shape::Notification));
        assert_eq!(shape(r#"{"id":"x","result":null}"#), Ok(Shape::Response(Id::Text("x".into()))));
        assert_eq!(shape(r#"{"id":null,"error":{}}"#), Ok(Shape::Response(Id::Null)));
        assert_eq!(shape(r#" [{"id":1}] "#), Err(Malformed::Batch));
        assert_eq!(shape("7"), Err(Malformed::NotAnObject));
        assert_eq!(shape("Listening on :80"), Err(Malformed::NotJson));
        assert_eq!(shape(r#"{"id":1,"id":2,"method":"a"}"#), Err(Malformed::Repeated("id")));
        assert_eq!(shape(r#"{"id":{},"method":"a"}"#), Err(Malformed::Id));
        assert_eq!(shape(r#"{"id":1,"method":3}"#), Err(Malformed::Method));
        assert_eq!(shape(r#"{"id":1}"#), Err(Malformed::NoKind));
    }

    #[test]
    fn one_id_has_many_spellings_but_a_number_is_no_text() {
        assert_eq!(shape(r#"{"id":"\u00e9","result":1}"#), shape(r#"{"id":"é","result":1}"#));
        assert_ne!(shape(r#"{"id":1,"result":1}"#), shape(r#"{"id":"1","result":1}"#));
        assert_eq!(shape(r#"{"id":1.5,"result":1}"#), Ok(Shape::Response(Id::Number("1.5".into()))));
        for spelled in ["8.0", "8e0", "80E-1", "0.8e1"] {
            assert_eq!(Id::from_json(spelled), Some(Id::Integer(8)), "{spelled} is answered as 8");
        }
        assert_eq!(Id::from_json("-0.0"), Some(Id::Integer(0)));
        assert_eq!(Id::from_json("1e300"), Some(Id::Number("1e300".into())));
    }

    #[test]
    fn an_escaped_member_name_cannot_hide_a_member() {
        assert_eq!(shape(r#"{"\u0069d":1,"method":"a"}"#), Ok(Shape::Request(Id::Integer(1))));
        assert_eq!(shape(r#"{"\u0069d":1,"id":2,"method":"a"}"#), Err(Malformed::Repeated("id")));
    }

    #[test]
    fn a_name_that_is_no_text_is_a_name_all_the_same() {
        assert_eq!(shape(r#"{"\ud800":1,"id":7,"method":"a"}"#), Ok(Shape::Request(Id::Integer(7))));
        let text = r#"{"method":"a","params":{"\udfff\ud800":1,"_meta":{"\ud800":2,"x":3}}}"#;
        let message = Message::parse(text).unwrap();
        assert_eq!(message.param(&["_meta", "x"]).unwrap().map(RawValue::get), Some("3"));
    }

    #[test]
    fn spans_point_into_the_text() {
        let text = r#"{"params":{"_meta":{"progressToken": "t\"1"}},"id": 42 ,"method":"a"}"#;
        let message = Message::parse(text).unwrap();
        assert_eq!(&text[message.id_span().unwrap()], "42");
        let token = message.param(&["_meta", "progressToken"]).unwrap().unwrap();
        assert_eq!(&text[message.span_of(token)], r#""t\"1""#);
        assert!(message.param(&["_meta", "other"]).unwrap().is_none());
    }

    #[test]
    fn depth_does_not_overflow() {
        let deep = format!(r#"{{"id":1,"method":"a","params":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        assert!(Message::parse(&deep).is_ok());
    }
}
