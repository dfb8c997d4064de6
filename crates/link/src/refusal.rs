//! An HTTP answer to the WebSocket upgrade that is no upgrade: as a cause, and as a sign of what is on the way.

use std::time::Duration;

use culvert_protocol::cause::because;
use culvert_protocol::{Cause, GatewayAddress};
use http::{Response, StatusCode, header};

/// The longest wait that a gateway's `Retry-After` can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// Whether a bearer went along: a refusal reads differently without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// One was sent.
    Sent,
    /// None is set.
    Absent,
}

/// What `response` means for the tunnel.
pub fn cause(gateway: &GatewayAddress, bearer: Bearer, response: &Response<Option<Vec<u8>>>) -> Cause {
    let reason = because(&stated_reason(response));
    let gateway = gateway.to_string();
    match response.status() {
        StatusCode::UNAUTHORIZED if bearer == Bearer::Absent => Cause::TokenMissing { gateway },
        StatusCode::UNAUTHORIZED => Cause::TokenRejected { gateway, detail: reason },
        StatusCode::FORBIDDEN => Cause::Forbidden { gateway, detail: reason },
        StatusCode::NOT_FOUND => Cause::NoEndpoint { gateway },
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            Cause::Unavailable { gateway, status: status.as_u16(), retry_after: retry_after(response) }
        }
        status if status.is_redirection() => {
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            let detail = format!(" and sends us to {}", culvert_protocol::text::clean(to, 200));
            Cause::Upgrade { gateway, status: status.as_u16().to_string(), detail }
        }
        status => Cause::Upgrade { gateway, status: status.as_u16().to_string(), detail: reason },
    }
}

/// Whether the canonical endpoint is worth a try: the old one is not there (404), or switched off (403, nothing said).
pub(crate) fn may_have_moved(response: &Response<Option<Vec<u8>>>) -> bool {
    match response.status() {
        StatusCode::NOT_FOUND => true,
        StatusCode::FORBIDDEN => stated_reason(response).is_empty(),
        _ => false,
    }
}

/// How likely it is that something on the way lets no WebSocket pass, while other requests get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// It failed for another reason, or the gateway itself has answered.
    None,
    /// It may be that the gateway is only not ready.
    Slight,
    /// It looks so.
    Strong,
}

/// What `response` to an upgrade lets suspect.
pub(crate) fn suspicion(response: &Response<Option<Vec<u8>>>) -> Suspicion {
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS => Suspicion::None,
        // Gateways say so in JSON, proxies in HTML or without words.
        StatusCode::FORBIDDEN if is_json(response) => Suspicion::None,
        StatusCode::NOT_IMPLEMENTED => Suspicion::Strong,
        status if status.is_server_error() => Suspicion::Slight,
        _ => Suspicion::Strong,
    }
}

fn is_json(response: &Response<Option<Vec<u8>>>) -> bool {
    let body = response.body().as_deref().unwrap_or_default();
    serde_json::from_slice::<serde_json::Value>(body).is_ok()
}

/// What the body says went wrong: the usual members of a JSON body, else its plain text.
fn stated_reason(response: &Response<Option<Vec<u8>>>) -> String {
    let body = response.body().as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
        let found = ["detail", "message", "error_description", "error"]
            .iter()
            .find_map(|name| json.get(name).and_then(|value| value.as_str()));
        return found.unwrap_or_default().to_owned();
    }
    if text.trim_start().starts_with('<') { String::new() } else { text.into_owned() }
}

fn retry_after(response: &Response<Option<Vec<u8>>>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use culvert_protocol::Explain as _;

    fn answer(status: u16, body: &str) -> Response<Option<Vec<u8>>> {
        Response::builder().status(status).header("retry-after", "7").body(Some(body.into())).unwrap()
    }

    fn of(status: u16, body: &str) -> Cause {
        let gateway = GatewayAddress::parse("https://gw").unwrap();
        cause(&gateway, Bearer::Sent, &answer(status, body))
    }

    #[test]
    fn a_refused_token_stops_and_quotes_the_gateway() {
        let cause = of(401, r#"{"detail":"Token has expired"}"#);
        assert_eq!(cause.code(), "auth.rejected");
        assert!(cause.to_string().ends_with("rejected the token: Token has expired"), "{cause}");
        assert_eq!(of(403, "").code(), "auth.forbidden");
    }

    #[test]
    fn a_busy_gateway_is_given_the_time_it_asks_for() {
        assert_eq!(of(503, "").retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(of(429, "").code(), "gateway.unavailable");
    }

    #[test]
    fn only_a_wordless_403_or_a_404_can_mean_that_the_endpoint_moved() {
        assert!(may_have_moved(&answer(404, "<html>")));
        assert!(may_have_moved(&answer(403, "")));
        assert!(!may_have_moved(&answer(403, r#"{"detail":"Access denied"}"#)));
        assert!(!may_have_moved(&answer(401, "")));
    }

    #[test]
    fn a_proxy_is_suspected_where_the_gateway_has_not_spoken() {
        for (status, body, expected) in [
            (426, "", Suspicion::Strong),
            (400, "Bad Request", Suspicion::Strong),
            (403, "<html>blocked</html>", Suspicion::Strong),
            (403, "", Suspicion::Strong),
            (302, "", Suspicion::Strong),
            (501, "", Suspicion::Strong),
            (502, "", Suspicion::Slight),
            (403, r#"{"detail":"no"}"#, Suspicion::None),
            (401, "", Suspicion::None),
            (404, "", Suspicion::None),
            (429, "", Suspicion::None),
        ] {
            assert_eq!(suspicion(&answer(status, body)), expected, "{status} {body}");
        }
    }

    #[test]
    fn pages_of_proxies_are_not_quoted() {
        let cause = of(418, "<html><h1>x</h1></html>");
        assert!(cause.to_string().ends_with("answered 418"), "{cause}");
    }
}
