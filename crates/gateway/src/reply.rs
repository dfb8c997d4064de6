//! What the gateway answers over HTTP: JSON bodies, and denials that say what is wrong and what to do.

use std::convert::Infallible;

use bytes::Bytes;
use culvert_protocol::{Explain, text};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use serde::Serialize;
use serde_json::json;

/// The body of every answer: at hand, or a stream of events.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The longest message or action of a denial, in characters.
const MAX_WORDS: usize = 500;

/// No body.
pub fn empty(status: StatusCode) -> Response<Body> {
    with_body(status, Empty::new().boxed_unsync())
}

/// A body that is JSON text already.
pub fn json_text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = with_body(status, Full::new(text.into()).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A value as JSON that no cache keeps: it depends on who asks.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec());
    let mut response = json_text(status, text);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A denial: `{"error":{"code","message","action"},"detail":message}`. Clients of ContextForge read `detail`.
pub fn error(status: StatusCode, code: &str, message: &str, action: &str) -> Response<Body> {
    let (message, action) = (text::clean(message, MAX_WORDS), text::clean(action, MAX_WORDS));
    json(status, &json!({"error": {"code": code, "message": message, "action": action}, "detail": message}))
}

/// A denial out of anything that explains itself.
pub fn explained(status: StatusCode, why: &impl Explain) -> Response<Body> {
    error(status, why.code(), &why.to_string(), &why.action())
}

fn with_body(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_denial_says_what_and_why_and_what_to_do_without_control_characters() {
        let response = error(StatusCode::NOT_FOUND, "server.unknown", "no\u{1b} server", "Look at GET /servers.");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            value,
            json!({"error": {"code": "server.unknown", "message": "no server", "action": "Look at GET /servers."},
                   "detail": "no server"})
        );
    }
}
