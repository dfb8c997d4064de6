//! A modern request's headers against its body: whoever routes by the one must see what the server will do by the other.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use culvert_protocol::message::{self, Malformed, Message};
use culvert_protocol::revision::{META_CLIENT, META_VERSION};
use culvert_protocol::text;
use http::header::{HeaderMap, HeaderName};
use serde_json::value::RawValue;

use super::super::headers;
use super::super::refusal::Refusal;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Checks what the transport asks for (2026-07-28, "Server Validation").
pub(super) fn request(headers: &HeaderMap, message: &Message<'_>) -> Result<(), Refusal> {
    let version = param(message, &["_meta", META_VERSION])?
        .ok_or_else(|| Refusal::invalid_params(&format!("params._meta has no {META_VERSION:?}")))?;
    let version: Cow<'_, str> = string(version)
        .ok_or_else(|| Refusal::invalid_params(&format!("{META_VERSION:?} in params._meta is no string")))?;
    same(&headers::PROTOCOL_VERSION, one(headers, &headers::PROTOCOL_VERSION)?, &version)?;
    let method = message.method();
    same(&METHOD, one(headers, &METHOD)?, &method)?;
    let member = match &*method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    let header = one(headers, &NAME)?;
    // Without a name it is the server's to refuse.
    let Some(name) = param(message, &[member])?.and_then(string) else { return Ok(()) };
    let decoded = header.map(|header| decoded(header).ok_or_else(|| malformed(&NAME))).transpose()?;
    same(&NAME, decoded.as_deref(), &name)
}

/// What a client calls itself in a modern request.
pub(super) fn client_name(request: &Message<'_>) -> Option<String> {
    let info = request.param(&["_meta", META_CLIENT]).ok()??;
    let part = |name| string(message::member(info, name).ok()??).map(|part| text::clean(&part, 60));
    Some(match part("version") {
        Some(version) => format!("{} {version}", part("name")?),
        None => part("name")?,
    })
}

fn param<'a>(message: &Message<'a>, path: &[&'static str]) -> Result<Option<&'a RawValue>, Refusal> {
    message.param(path).map_err(|malformed: Malformed| Refusal::malformed(malformed))
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned)
}

/// The one value of a header. Of two, one reader would take the first and another the last.
pub(super) fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::header_mismatch(&format!("the header {name} is there twice")));
    }
    first.to_str().map(|value| Some(value.trim())).map_err(|_| malformed(name))
}

fn malformed(name: &HeaderName) -> Refusal {
    Refusal::header_mismatch(&format!("the header {name} cannot be read"))
}

fn same(name: &HeaderName, header: Option<&str>, body: &str) -> Result<(), Refusal> {
    match header {
        Some(header) if header == body => Ok(()),
        Some(header) => Err(Refusal::header_mismatch(&format!("the header {name} says {header:?}, the body {body:?}"))),
        None => Err(Refusal::header_mismatch(&format!("the header {name} is missing; the body says {body:?}"))),
    }
}

/// A header's value as the client meant it: `=?base64?…?=` carries what would not survive in a header.
pub(super) fn decoded(value: &str) -> Option<Cow<'_, str>> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(Cow::Borrowed(value)),
        Some(payload) => String::from_utf8(STANDARD.decode(payload).ok()?).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use serde_json::{Value, json};

    const VERSION: &str = "2026-07-28";

    fn body(method: &str, params: Value) -> String {
        let mut params = params;
        params["_meta"] = json!({META_VERSION: VERSION});
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    }

    /// The number of the error, if there is one.
    async fn checked(lines: &[(&'static str, &'static str)], body: &str) -> Option<i64> {
        let headers: HeaderMap = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let refused = request(&headers, &Message::parse(body).unwrap()).err()?.response();
        assert_eq!(refused.status(), 400);
        let bytes = http_body_util::BodyExt::collect(refused.into_body()).await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()["error"]["code"].as_i64()
    }

    const VERSIONED: (&str, &str) = ("mcp-protocol-version", VERSION);
    const CALL: (&str, &str) = ("mcp-method", "tools/call");

    #[tokio::test]
    async fn version_and_method_must_be_there_once_and_say_the_same() {
        let list = body("tools/list", json!({}));
        let method = ("mcp-method", "tools/list");
        assert_eq!(checked(&[VERSIONED, method], &list).await, None);
        assert_eq!(checked(&[VERSIONED, ("mcp-method", "  tools/list ")], &list).await, None);
        for bad in [
            &[method][..],
            &[VERSIONED],
            &[("mcp-protocol-version", "2025-11-25"), method],
            &[VERSIONED, ("mcp-method", "TOOLS/LIST")],
            &[VERSIONED, method, method],
            &[VERSIONED, VERSIONED, method],
        ] {
            assert_eq!(checked(bad, &list).await, Some(-32020), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn the_body_must_name_its_revision() {
        let headers = [VERSIONED, ("mcp-method", "tools/list")];
        for params in [json!({}), json!({"_meta": {}}), json!({"_meta": {META_VERSION: 7}}), json!([])] {
            let text = json!({"id": 1, "method": "tools/list", "params": params}).to_string();
            assert_eq!(checked(&headers, &text).await, Some(-32602), "{text}");
        }
    }

    #[tokio::test]
    async fn the_name_of_what_is_called_read_or_got_must_be_there() {
        let call = body("tools/call", json!({"name": "add"}));
        assert_eq!(checked(&[VERSIONED, CALL, ("mcp-name", "add")], &call).await, None);
        assert_eq!(checked(&[VERSIONED, CALL, ("mcp-name", "=?base64?YWRk?=")], &call).await, None);
        for bad in ["Add", "=?base64?YWRk", "=?base64?YWR?=", "=?base64?!!!?=", "=?base64?/w==?=", ""] {
            assert_eq!(checked(&[VERSIONED, CALL, ("mcp-name", bad)], &call).await, Some(-32020), "{bad}");
        }
        assert_eq!(checked(&[VERSIONED, CALL], &call).await, Some(-32020));
        let read = body("resources/read", json!({"uri": "x://é", "name": "no"}));
        let method = ("mcp-method", "resources/read");
        assert_eq!(checked(&[VERSIONED, method, ("mcp-name", "=?base64?eDovL8OpPw==?=")], &read).await, Some(-32020));
        assert_eq!(checked(&[VERSIONED, method, ("mcp-name", "=?base64?eDovL8Op?=")], &read).await, None);
        assert_eq!(checked(&[VERSIONED, CALL], &body("tools/call", json!({}))).await, None, "the server's to refuse");
    }
}
