//! The frames of the base dialect as a ContextForge-like gateway writes and reads them.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::Answer;

/// The session that the gateway puts into each frame.
const SESSION: &str = "7b1f0c52d9e84a6f8d3a90c1e5b2f764";

/// A gateway's request id: 32 hex digits, as ContextForge makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) u128);

impl Id {
    /// None for an id that no gateway here gave.
    fn parse(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

/// What a peer sent, as far as the gateway looks at it.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    Register,
    Heartbeat,
    /// A response to one of the gateway's own requests.
    Response(Id, Answer<'a>),
    /// Notifications, `unregister`, and what a peer sends of its own accord: ContextForge's
    /// client answers its own `initialize` before it registers.
    Other,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl<'a> Frame<'a> {
    /// Judged by the payload, not by the label: the old clients call anything with an
    /// id a `response`.
    pub(crate) fn parse(text: &'a str) -> serde_json::Result<Self> {
        let envelope: Envelope<'a> = serde_json::from_str(text)?;
        match &*envelope.kind {
            "register" => return Ok(Self::Register),
            "heartbeat" => return Ok(Self::Heartbeat),
            _ => {}
        }
        let Some(payload) = envelope.payload else { return Ok(Self::Other) };
        let answer: Answer<'a> = serde_json::from_str(payload.get())?;
        let id = answer.id.and_then(|id| Id::parse(id.get().trim_matches('"')));
        Ok(match id {
            Some(id) if answer.is_one() => Self::Response(id, answer),
            _ => Self::Other,
        })
    }
}

/// A control frame without further members: `register_ack`, `register_complete`, `heartbeat`.
pub(crate) fn control(kind: &str, status: &str) -> String {
    format!(r#"{{"type":"{kind}","sessionId":"{SESSION}","status":"{status}"}}"#)
}

pub(crate) fn heartbeat_ack() -> String {
    format!(r#"{{"type":"heartbeat","sessionId":"{SESSION}","timestamp":"2026-01-01T00:00:00Z"}}"#)
}

/// A notification, which a gateway sends in a `request` envelope too. `method` is JSON-safe.
pub(crate) fn notification(method: &str) -> String {
    format!(r#"{{"type":"request","sessionId":"{SESSION}","payload":{{"jsonrpc":"2.0","method":"{method}"}}}}"#)
}

/// A request; `params` is JSON, `method` JSON-safe.
pub(crate) fn request(id: Id, method: &str, params: &str) -> String {
    let Id(id) = id;
    format!(
        r#"{{"type":"request","sessionId":"{SESSION}","payload":{{"jsonrpc":"2.0","id":"{id:032x}","method":"{method}","params":{params}}}}}"#
    )
}

/// `tools/call` of the echo tool with one body, written anew for each call.
pub(crate) struct EchoCall {
    before: String,
    after: String,
}

impl EchoCall {
    /// `body` needs no JSON escapes.
    pub(crate) fn new(body: &str) -> Self {
        let params = format!(r#"{{"name":"echo","arguments":{{"text":"{body}"}}}}"#);
        let whole = request(Id(0), "tools/call", &params);
        let id = format!("{:032x}", 0);
        let (before, after) = whole.split_once(&id).map(|(b, a)| (b.into(), a.into())).unwrap_or_default();
        Self { before, after }
    }

    pub(crate) fn with(&self, Id(id): Id) -> String {
        let mut text = String::with_capacity(self.before.len() + 32 + self.after.len());
        text.push_str(&self.before);
        // Writing to a String cannot fail.
        let _ = write!(text, "{id:032x}");
        text.push_str(&self.after);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id(0xabc);

    fn response(payload: &str) -> String {
        format!(r#"{{"type":"response","sessionId":"s","payload":{payload}}}"#)
    }

    #[test]
    fn an_echo_call_is_the_request_it_stands_for() {
        let expected = request(ID, "tools/call", r#"{"name":"echo","arguments":{"text":"hello"}}"#);
        assert_eq!(EchoCall::new("hello").with(ID), expected);
        assert!(serde_json::from_str::<serde_json::Value>(&expected).is_ok());
    }

    #[test]
    fn a_response_is_known_by_its_id() {
        let id = format!("{:032x}", ID.0);
        let text = response(&format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"content":[]}}}}"#));
        let Frame::Response(from, answer) = Frame::parse(&text).unwrap() else { panic!("{text}") };
        assert_eq!((from, answer.echoes("hello")), (ID, false), "{text}");
    }

    #[test]
    fn looks_at_the_payload_and_not_at_the_label() {
        for other in [
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"00000000000000000000000000000abc","method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#,
        ] {
            assert!(matches!(Frame::parse(&response(other)).unwrap(), Frame::Other), "{other}");
        }
        assert!(matches!(Frame::parse(r#"{"type":"unregister"}"#).unwrap(), Frame::Other));
        assert!(matches!(Frame::parse(r#"{"type":"heartbeat","payload":null}"#).unwrap(), Frame::Heartbeat));
        assert!(matches!(Frame::parse(r#"{"sessionId":"x","type":"register","server":{}}"#).unwrap(), Frame::Register));
        assert!(Frame::parse("[]").is_err());
    }
}
