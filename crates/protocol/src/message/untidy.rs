//! What a strict gateway would refuse about a message that is otherwise understood.

use serde_json::value::RawValue;
use thiserror::Error;

use super::{Id, Message, Shape, Text, member};

/// Why a strict gateway would refuse a message that is otherwise understood (wire-level traps of base gateways).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Untidy {
    /// `jsonrpc` is missing or not `"2.0"`.
    #[error("its \"jsonrpc\" is not \"2.0\"")]
    Version,
    /// Top-level members that JSON-RPC does not know.
    #[error("it has top-level members that JSON-RPC does not know")]
    Foreign,
    /// The id is `null` or a fraction.
    #[error("its id is null or a fraction")]
    Id,
    /// Both a result and an error.
    #[error("it has both a result and an error")]
    Both,
    /// `error` is no object with an integer `code` and a `message`.
    #[error("its error has no integer code or no message")]
    Error,
    /// `params` is neither an object nor an array.
    #[error("its params are neither an object nor an array")]
    Params,
}

impl Message<'_> {
    /// What a strict gateway would refuse about it, if anything.
    pub fn untidy(&self) -> Option<Untidy> {
        let members = &self.members;
        if members.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
            return Some(Untidy::Version);
        }
        if members.foreign {
            return Some(Untidy::Foreign);
        }
        if matches!(self.shape, Shape::Request(Id::Null | Id::Number(_)) | Shape::Response(Id::Null | Id::Number(_))) {
            return Some(Untidy::Id);
        }
        if members.result.is_some() && members.error.is_some() {
            return Some(Untidy::Both);
        }
        if members.method.is_some() && (members.result.is_some() || members.error.is_some()) {
            return Some(Untidy::Foreign);
        }
        if members.error.is_some_and(|error| !is_error(error)) {
            return Some(Untidy::Error);
        }
        let structured = |raw: &RawValue| raw.get().starts_with(['{', '[']);
        (!members.params.is_none_or(structured)).then_some(Untidy::Params)
    }
}

/// Whether this is an error object as JSON-RPC has it.
fn is_error(raw: &RawValue) -> bool {
    let part = |name| member(raw, name).ok().flatten();
    part("code").is_some_and(|code| serde_json::from_str::<i64>(code.get()).is_ok())
        && part("message").is_some_and(|words| serde_json::from_str::<Text<'_>>(words.get()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strict_gateways_refuse_is_named() {
        let untidy = |text| Message::parse(text).unwrap().untidy();
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), None);
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1,"result":{},"x":1}"#), Some(Untidy::Foreign));
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#), Some(Untidy::Id));
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#), Some(Untidy::Id));
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#), Some(Untidy::Both));
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","method":"a","params":null}"#), Some(Untidy::Params));
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","data":0}}"#), None);
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1,"error":{"\ud800":0,"code":-1,"message":"m"}}"#), None);
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":7}}"#), Some(Untidy::Error));
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1,"error":"it broke"}"#), Some(Untidy::Error));
        assert_eq!(untidy(r#"{"jsonrpc":"2.0","id":1,"error":{"message":"no code"}}"#), Some(Untidy::Error));
        assert_eq!(untidy(r#"{"id":1,"result":{}}"#), Some(Untidy::Version));
    }
}
