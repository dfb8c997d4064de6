//! The modern, stateless revisions (2026-07-28 and later): each POST stands alone, and its end is the end of its call.
//!
//! No sessions, no GET stream, no requests of the server. The calls of one principal share a child, which is opened on
//! demand and ends when it is idle; in them only ids and tokens change. A client that goes away has cancelled.
//!
//! Servers that speak legacy revisions only refuse such requests in a way that makes clients of both eras fall back.

mod check;
mod children;
mod exchange;
mod params;

use bytes::Bytes;
use culvert_protocol::message::{Message, Shape};
use culvert_protocol::revision::META_VERSION;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use super::refusal::Refusal;
use super::{Front, headers};
use crate::backend::{Backend, Caller};
use crate::era;
use crate::reply::{self, Body};
pub(super) use children::Children;
use children::NoChild;
use exchange::Exchange;

/// Whether a message is meant in the modern way. `initialize` selects the legacy one, unless it says of itself that it
/// is not of that kind.
pub(super) fn is_modern(headers: &HeaderMap, message: &Message<'_>) -> bool {
    if names_version(message) {
        return true;
    }
    match &*message.method() {
        "initialize" => false,
        "server/discover" => true,
        _ => headers::version(headers).is_some_and(era::is_modern_revision),
    }
}

/// Whether a request without a body is meant in the modern way. One that names a session is not.
pub(super) fn is_meant(headers: &HeaderMap) -> bool {
    !headers.contains_key(headers::SESSION_ID) && headers::version(headers).is_some_and(era::is_modern_revision)
}

/// Whether `params._meta` names a revision, as every modern request must.
pub(super) fn names_version(message: &Message<'_>) -> bool {
    era::may_have(message, "protocolVersion")
        && message.param(&["_meta", META_VERSION]).is_ok_and(|version| version.is_some())
}

/// Takes a POST that is meant in the modern way.
pub(super) async fn post(
    front: &Front,
    head: &Parts,
    body: &Bytes,
    message: &Message<'_>,
    backend: &Backend,
    caller: Caller,
) -> Result<Response<Body>, Refusal> {
    if backend.eras().is_some_and(|eras| eras.takes_modern() == Some(false)) {
        return Err(Refusal::legacy_only());
    }
    match message.shape() {
        Shape::Request(_) => {}
        // The revision has none that a client would send over HTTP, so there is nothing that it could be about.
        Shape::Notification => return Ok(reply::empty(StatusCode::ACCEPTED)),
        Shape::Response(_) => return Err(Refusal::answer_to_nothing()),
    }
    check::request(&head.headers, message)?;
    if message.method() == "initialize" {
        return Err(Refusal::unknown_method("initialize"));
    }
    let child = front.children.of(backend, &caller, check::client_name(message)).await.map_err(refusal)?;
    if child.child.is_full() {
        return Err(Refusal::server_full());
    }
    child.repeated().check(&head.headers, message, &child.child).await?;
    backend.called(1);
    let trail = front.trail(&caller, message);
    let exchange = Exchange::begin(child, body, message, trail, &front.sessions.limits).await?;
    Ok(exchange.response().await)
}

fn refusal(none: NoChild) -> Refusal {
    match none {
        NoChild::Legacy => Refusal::legacy_only(),
        NoChild::NotBegun(why) => why.into(),
        NoChild::Ended(why) => Refusal::unreachable(&why),
    }
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
        let with_meta = |method: &str| {
            let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
            format!(r#"{{"id":1,"method":"{method}","params":{{"_meta":{meta}}}}}"#)
        };
        assert!(modern(None, &with_meta("tools/list")) && modern(None, &with_meta("initialize")));
        assert!(!modern(None, list) && !modern(Some("2025-11-25"), list) && !modern(Some("nonsense"), list));
        assert!(!modern(Some("2026-07-28"), r#"{"id":1,"method":"initialize","params":{"protocolVersion":"x"}}"#));
    }
}
