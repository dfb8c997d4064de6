//! The server's side of the upgrade from HTTP to WebSocket (RFC 6455 §4.2).

use culvert_protocol::text;
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
    USER_AGENT,
};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::denial::Denial;
use crate::reply::{self, Body};

/// The answer that turns the connection into a WebSocket.
///
/// # Errors
/// [`Denial::NotWebSocket`] when that is not what the request asks for.
pub(crate) fn accept<B>(request: &Request<B>) -> Result<Response<Body>, Denial> {
    let headers = request.headers();
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let (Some(key), true, true, Some(b"13")) = (
        key,
        lists(headers, UPGRADE, "websocket"),
        lists(headers, CONNECTION, "upgrade"),
        headers.get(SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes),
    ) else {
        return Err(Denial::NotWebSocket);
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| Denial::NotWebSocket)?;
    let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The program that asks, in its own words, made fit to show.
pub(crate) fn agent(headers: &HeaderMap) -> Option<String> {
    let agent = text::clean(&String::from_utf8_lossy(headers.get(USER_AGENT)?.as_bytes()), 100);
    (!agent.is_empty()).then_some(agent)
}

/// Whether `token` is in the header's comma-separated list.
fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut HeaderMap)) -> Result<Response<Body>, Denial> {
        let mut request = Request::get("/reverse-proxy/ws")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap();
        change(request.headers_mut());
        accept(&request)
    }

    #[test]
    fn the_example_of_rfc_6455_is_accepted() {
        let response = asked(|_| ()).unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn anything_else_is_told_what_belongs_here() {
        for name in ["connection", "upgrade", "sec-websocket-version", "sec-websocket-key"] {
            assert_eq!(asked(|headers| drop(headers.remove(name))).unwrap_err(), Denial::NotWebSocket, "{name}");
        }
        let old = asked(|headers| drop(headers.insert("sec-websocket-version", HeaderValue::from_static("8"))));
        assert_eq!(old.unwrap_err(), Denial::NotWebSocket);
    }
}
