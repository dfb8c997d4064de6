//! Just enough HTTP for a test: one request, one whole response, plain and on a connection of its own.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, with any chunking undone.
    pub body: String,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }

    /// The messages in the body, as they came: one of JSON, or those of the events in a stream.
    pub fn messages(&self) -> Vec<String> {
        if !self.header("content-type").is_some_and(|form| form.starts_with("text/event-stream")) {
            return Some(self.body.clone()).filter(|body| !body.is_empty()).into_iter().collect();
        }
        let data = self.body.split('\n').filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| data.trim_end_matches('\r').to_owned()).filter(|data| !data.is_empty()).collect()
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A request being put together.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    head: String,
    body: String,
}

impl Request {
    /// A request to `http://address/path`.
    pub fn new(method: &str, address: SocketAddr, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        Self { address, head, body: String::new() }.header("host", &address.to_string())
    }

    /// With another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        if let Some((_, rest)) = self.head.split_once(' ') {
            self.head = format!("{method} {rest}");
        }
        self
    }

    /// With one more header; a second `host` replaces the first.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name == "host" {
            let others = self.head.split_inclusive("\r\n").filter(|line| !line.starts_with("host: "));
            self.head = others.collect();
        }
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    /// With a JSON body that is already written.
    #[must_use]
    pub fn json_text(mut self, body: String) -> Self {
        self.body = body;
        self.header("content-type", "application/json")
    }

    /// Sends it; `None` when nobody answers.
    pub async fn try_send(&self) -> Option<Response> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        let text = format!("{}content-length: {}\r\n\r\n{}", self.head, self.body.len(), self.body);
        stream.write_all(text.as_bytes()).await.ok()?;
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await.ok()?;
        parse(&answer)
    }

    /// Sends it.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self) -> Response {
        self.try_send().await.unwrap_or_else(|| panic!("no answer to {self:?}"))
    }
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = find(answer, b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if is_chunked { unchunk(body) } else { body.to_owned() };
    Some(Response { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = find(body, b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).ok().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let rest = &body[end + 2..];
        let Some(size @ 1..) = size.filter(|size| *size <= rest.len()) else { break };
        whole.extend_from_slice(&rest[..size]);
        body = rest[size..].strip_prefix(b"\r\n").unwrap_or(&rest[size..]);
    }
    whole
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
