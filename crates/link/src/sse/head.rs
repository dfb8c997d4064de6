//! The requests that a client makes of a link over SSE + POST.

use bytes::Bytes;
use culvert_protocol::address::Endpoint;
use culvert_protocol::sse::{BODY_TYPE, KEY_HEADER, NUMBER_HEADER, STREAM_TYPE};
use culvert_protocol::{Cause, Secret};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::{Method, Uri};
use http_body_util::Full;

use crate::dial;

/// What all requests to one endpoint share.
#[derive(Debug, Clone)]
pub(super) struct Head {
    path: String,
    headers: HeaderMap,
}

impl Head {
    /// For `endpoint` of the gateway that `request` names.
    pub(super) fn new(request: &dial::Request<'_>, endpoint: Endpoint) -> Result<Self, Cause> {
        let url = request.gateway.sse_url(endpoint);
        let bad = || Cause::Internal { detail: format!("the gateway's URL makes no request: {url}") };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        let mut headers = request.headers()?;
        headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?);
        Ok(Self { path: uri.path().to_owned(), headers })
    }

    /// The one whose answer is the event stream.
    pub(super) fn get(&self) -> http::Request<Full<Bytes>> {
        let mut request = self.request(Method::GET, &self.path, Bytes::new());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(STREAM_TYPE));
        request
    }

    /// For POSTs of the connection that the gateway has opened. `None` when what it calls it makes no path or header.
    pub(super) fn posts(&self, connection: &str, key: &Secret) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if connection.is_empty() || connection.len() > 100 || !connection.bytes().all(is_plain) {
            return None;
        }
        let mut key = HeaderValue::from_str(key.expose()).ok()?;
        key.set_sensitive(true);
        let mut headers = self.headers.clone();
        headers.insert(KEY_HEADER, key);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(BODY_TYPE));
        Some(Self { path: format!("{}/{connection}", self.path), headers })
    }

    /// POST `number`.
    pub(super) fn post(&self, number: u64, body: Bytes) -> http::Request<Full<Bytes>> {
        let mut request = self.request(Method::POST, &self.path, body);
        request.headers_mut().insert(NUMBER_HEADER, HeaderValue::from(number));
        request
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = method;
        // The path was read from a URI; what was appended has letters, digits, `-` and `_`.
        *request.uri_mut() = path.parse().unwrap_or_default();
        request.headers_mut().clone_from(&self.headers);
        request
    }
}
