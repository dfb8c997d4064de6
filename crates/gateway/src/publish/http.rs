//! One request to ContextForge over a connection of its own: they are rare, and a connection that was kept would most
//! often be dead when it is needed.

use std::time::Duration;

use bytes::Bytes;
use culvert_link::Outbound;
use culvert_link::steps::Road;
use culvert_protocol::{GatewayAddress, Secret, text};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::answer::Answer;
use super::ask::Ask;

/// How long a request may take. To make an entry, ContextForge first starts the server and lists what it has; it gives
/// itself 60 s for most of that.
const LIMIT: Duration = Duration::from_secs(100);

/// Bytes of one answer: a page of a hundred entries has half a million.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The longest wait that `Retry-After` can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(1800);

/// How we introduce ourselves; ContextForge notes it in what is made.
const AGENT: &str = concat!("culvert-gateway/", env!("CARGO_PKG_VERSION"));

const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// Asks.
///
/// # Errors
/// Why no answer came, in words.
pub(super) async fn exchange(
    to: &GatewayAddress,
    outbound: &Outbound,
    token: &Secret,
    ask: Ask,
) -> Result<Answer, String> {
    let overdue = || format!("it did not answer within {} s", LIMIT.as_secs());
    timeout(LIMIT, try_exchange(to, outbound, token, ask)).await.unwrap_or_else(|_| Err(overdue()))
}

async fn try_exchange(to: &GatewayAddress, outbound: &Outbound, token: &Secret, ask: Ask) -> Result<Answer, String> {
    let request = request(to, token, ask)?;
    let road = Road::new(to, outbound).await.map_err(|cause| cause.to_string())?;
    over(road.open().await.map_err(|cause| cause.to_string())?, request).await
}

fn request(to: &GatewayAddress, token: &Secret, ask: Ask) -> Result<Request<Full<Bytes>>, String> {
    let uri: Uri = to.http_url(&ask.path).parse().map_err(|_| "its URL makes no request".to_owned())?;
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| "the token has characters that no HTTP header can carry".to_owned())?;
    bearer.set_sensitive(true);
    let body = ask.body.map(|body| Bytes::from(body.to_string()));
    let mut request = Request::builder().method(ask.method).uri(target);
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    request
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "application/json")
        .header(AUTHORIZATION, bearer)
        .body(Full::new(body.unwrap_or_default()))
        .map_err(|error| error.to_string())
}

async fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, String> {
    let lost = |error: hyper::Error| format!("no HTTP answer came: {}", text::clean(&error.to_string(), 200));
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let exchange = async {
        let (head, body) = requests.send_request(request).await.map_err(lost)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| format!("its answer broke off: {}", text::clean(&error.to_string(), 200)))?;
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: number(&head.headers, &RETRY_AFTER).map(|s| Duration::from_secs(s).min(MAX_RETRY_AFTER)),
            remaining: number(&head.headers, &REMAINING).and_then(|left| u32::try_from(left).ok()),
            body: body.to_bytes(),
        })
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // Whatever ended the connection, the exchange tells it.
        _ = &mut connection => exchange.await,
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_request_says_who_asks_and_the_answer_is_read_whole() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let to = GatewayAddress::parse("https://cf.example.com/pre").unwrap();
        let ask = Ask { method: Method::PUT, path: "/v1/gateways/e1".into(), body: Some(json!({"tags": []})) };
        let request = request(&to, &Secret::new("secret"), ask).unwrap();
        let asked = tokio::spawn(over(ours, request));
        let mut head = vec![0; 4096];
        let read = theirs.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
        for line in ["put /pre/v1/gateways/e1 http/1.1", "host: cf.example.com\r\n", "authorization: bearer secret\r\n"]
        {
            assert!(head.contains(line), "{line}: {head}");
        }
        let answer = "HTTP/1.1 429 X\r\nretry-after: 12\r\nx-ratelimit-remaining: 0\r\ncontent-length: 2\r\n\r\n{}";
        theirs.write_all(answer.as_bytes()).await.unwrap();
        let answer = asked.await.unwrap().unwrap();
        assert_eq!((answer.status, answer.remaining, &answer.body[..]), (429, Some(0), &b"{}"[..]));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(12)));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_no_answer() {
        let (ours, theirs) = tokio::io::duplex(1024);
        drop(theirs);
        let to = GatewayAddress::parse("http://localhost:1").unwrap();
        let ask = Ask { method: Method::GET, path: "/v1/gateways".into(), body: None };
        let request = request(&to, &Secret::new("t"), ask).unwrap();
        assert!(over(ours, request).await.is_err());
    }
}
