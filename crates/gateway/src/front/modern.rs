//! Requests of the modern, stateless revisions (2026-07-28 and later): told apart by what they carry.
//!
//! No server behind a base tunnel speaks them: its one handshake was a legacy one. They are refused in the way that
//! makes a client that speaks both fall back.

use culvert_protocol::message::Message;
use http::HeaderMap;
use memchr::memmem;

use super::headers;
use crate::shared::LEGACY_REVISIONS;

/// The member of `_meta` in which a modern request names its revision.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Whether a message is meant in the modern way. `initialize` never is: it selects the legacy one.
pub(super) fn is_modern(headers: &HeaderMap, message: &Message<'_>) -> bool {
    let newest_legacy = LEGACY_REVISIONS[LEGACY_REVISIONS.len() - 1];
    let method = message.method();
    if method == "initialize" {
        return false;
    }
    method == "server/discover"
        || headers::version(headers).is_some_and(|version| is_date(version) && version > newest_legacy)
        || names_version(message)
}

/// Whether `params._meta` names a revision, as every modern request must.
fn names_version(message: &Message<'_>) -> bool {
    // As for progress tokens: only an escape could spell it otherwise, and a full scan costs as much as the parse.
    let text = message.text().as_bytes();
    let likely = memmem::find(text, b"protocolVersion").is_some() || memmem::find(text, b"\\u").is_some();
    likely && message.param(&["_meta", META_VERSION]).is_ok_and(|version| version.is_some())
}

/// Whether it looks like a revision: `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modern(header: Option<&'static str>, text: &str) -> bool {
        let version = header.map(|value| (headers::PROTOCOL_VERSION, http::HeaderValue::from_static(value)));
        is_modern(&version.into_iter().collect(), &Message::parse(text).unwrap())
    }

    #[test]
    fn modern_requests_are_told_by_header_method_or_meta() {
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        assert!(modern(Some("2026-07-28"), list));
        assert!(modern(None, r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#));
        assert!(modern(
            None,
            r#"{"id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
        ));
        assert!(!modern(None, list) && !modern(Some("2025-11-25"), list) && !modern(Some("nonsense"), list));
        assert!(!modern(Some("2026-07-28"), r#"{"id":1,"method":"initialize","params":{"protocolVersion":"x"}}"#));
    }
}
