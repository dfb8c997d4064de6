//! What the transport says in headers, read by its rules.

use culvert_protocol::revision::LEGACY;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName};

use super::refusal::Refusal;
use super::sessions::SessionId;

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// A POST must be ready for both forms of answer.
pub(super) fn accepts_post(headers: &HeaderMap) -> Result<(), Refusal> {
    if accepts(headers, JSON) && accepts(headers, EVENTS) {
        return Ok(());
    }
    Err(Refusal::not_acceptable("both application/json and text/event-stream"))
}

/// A GET must be ready for events.
pub(super) fn accepts_get(headers: &HeaderMap) -> Result<(), Refusal> {
    if accepts(headers, EVENTS) { Ok(()) } else { Err(Refusal::not_acceptable(EVENTS)) }
}

/// Whether `media` is acceptable. No header at all means that anything is (RFC 9110, 12.5.1).
fn accepts(headers: &HeaderMap, media: &str) -> bool {
    let mut lines = headers.get_all(ACCEPT).iter().peekable();
    if lines.peek().is_none() {
        return true;
    }
    let group = media.split('/').next().unwrap_or_default();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range.eq_ignore_ascii_case(media)
            || range == "*/*"
            || range.strip_suffix("/*").is_some_and(|of| of.eq_ignore_ascii_case(group))
    })
}

/// The body must be declared as JSON.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let declared = declared.split(';').next().unwrap_or_default().trim();
    if declared.eq_ignore_ascii_case(JSON) { Ok(()) } else { Err(Refusal::media_type()) }
}

/// The session that is named; `None` when none is. A value that no session can have names an unknown one.
pub(super) fn session(headers: &HeaderMap) -> Result<Option<SessionId>, Refusal> {
    let Some(value) = headers.get(SESSION_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(SessionId::parse);
    id.map(Some).ok_or_else(Refusal::session_unknown)
}

/// The revision that is named, as text; what is no text is no revision either.
pub(super) fn version(headers: &HeaderMap) -> Option<&str> {
    headers.get(PROTOCOL_VERSION).map(|value| value.to_str().unwrap_or("?"))
}

/// A request within a session may name the revision agreed on or any legacy one that Culvert knows. With no name, the
/// agreed one is meant.
pub(super) fn check_version(headers: &HeaderMap, agreed: impl FnOnce() -> Option<Box<str>>) -> Result<(), Refusal> {
    match version(headers) {
        Some(named) if !LEGACY.contains(&named) && agreed().as_deref() != Some(named) => Err(Refusal::version(named)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_post_must_take_both_forms() {
        for fine in [
            &["application/json, text/event-stream"][..],
            &["text/event-stream;q=0.9,  Application/JSON; charset=utf-8"],
            &["application/json", "text/event-stream"],
            &["*/*"],
            &["application/*, text/*"],
            &[],
        ] {
            assert!(accepts_post(&with(ACCEPT, fine)).is_ok(), "{fine:?}");
        }
        for bad in ["application/json", "text/event-stream", "text/html", "application/json-seq, text/event-stream", ""]
        {
            assert!(accepts_post(&with(ACCEPT, &[bad])).is_err(), "{bad}");
        }
        assert!(accepts_get(&with(ACCEPT, &["text/event-stream"])).is_ok());
        assert!(accepts_get(&with(ACCEPT, &["application/json"])).is_err());
    }

    #[test]
    fn the_body_must_be_json() {
        assert!(is_json(&with(CONTENT_TYPE, &["application/json; charset=utf-8"])).is_ok());
        assert!(is_json(&with(CONTENT_TYPE, &["text/plain"])).is_err());
        assert!(is_json(&HeaderMap::new()).is_err());
    }

    #[test]
    fn legacy_revisions_and_the_agreed_one_pass() {
        let check = |named, agreed: Option<&str>| {
            check_version(&with(PROTOCOL_VERSION, &[named]), || agreed.map(Into::into)).is_ok()
        };
        assert!(check("2025-03-26", None) && check("2024-11-05", Some("2025-11-25")));
        assert!(check("2031-01-01", Some("2031-01-01")));
        assert!(!check("2026-07-28", Some("2025-11-25")) && !check("", None));
        assert!(check_version(&HeaderMap::new(), || None).is_ok());
    }
}
