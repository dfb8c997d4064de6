//! The upgrade to WebSocket: who gets in, and how the others are told.

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request};

use super::manner::{Dialect, Manner, Paths};

/// A request for an upgrade, as it came.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    /// The path with its query.
    pub path: String,
    /// Names in lower case, values, in their order.
    pub headers: Vec<(String, String)>,
}

impl UpgradeRequest {
    pub(crate) fn read(request: &Request) -> Self {
        let headers = request.headers().iter();
        Self {
            path: request.uri().to_string(),
            headers: headers
                .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
                .collect(),
        }
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The bearer token.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }
}

/// An answer other than 101.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Extra headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Refusal {
    /// A status with an empty body.
    pub fn bare(status: u16) -> Self {
        Self { status, headers: vec![], body: String::new() }
    }

    /// A status with a reason, as FastAPI puts it.
    pub fn detail(status: u16, reason: &str) -> Self {
        Self { status, headers: vec![], body: serde_json::json!({"detail": reason}).to_string() }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The whole answer as it goes over the wire.
    pub(crate) fn text(&self) -> String {
        let head = format!("HTTP/1.1 {} Page\r\ncontent-length: {}\r\n", self.status, self.body.len());
        format!("{head}connection: close\r\n\r\n{}", self.body)
    }

    pub(crate) fn response(&self) -> ErrorResponse {
        let mut response = http::Response::builder()
            .status(self.status)
            .header("content-length", self.body.len())
            .header("connection", "close");
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        response.body(Some(self.body.clone())).expect("a valid response")
    }
}

/// Why a request is turned away, if it is.
pub(crate) fn judge(manner: &Manner, request: &UpgradeRequest) -> Option<Refusal> {
    let path = request.path.split('?').next().unwrap_or_default();
    match (path, manner.paths) {
        ("/reverse-proxy/ws", Paths::Plain | Paths::Both) | ("/v1/reverse-proxy/ws", Paths::Both | Paths::V1Only) => {}
        ("/reverse-proxy/ws", Paths::V1Only) => return Some(Refusal::bare(403)),
        _ => return Some(Refusal::detail(404, "Not Found")),
    }
    let wanted = manner.token.as_deref()?;
    let given = request.bearer();
    match (given == Some(wanted), manner.dialect) {
        (true, _) => None,
        (false, Dialect::Released) => Some(Refusal::bare(403)),
        (false, _) if given.is_none() => Some(Refusal::detail(401, "Authentication required")),
        (false, _) => Some(Refusal::detail(401, "Invalid token")),
    }
}
