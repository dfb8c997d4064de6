//! The headers that a local server gets beyond what HTTP and MCP ask for: the user's own, and a caller's credentials
//! where the user allows it.

use std::collections::BTreeMap;
use std::fmt;

use culvert_protocol::{Secret, text};
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use thiserror::Error;

/// Headers that the transport itself writes, and those that would break its framing.
const RESERVED: [&str; 16] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The longest value of a forwarded credential, in bytes: servers take 8 to 16 KiB of headers in all.
const MAX_CREDENTIAL: usize = 8 * 1024;

/// Headers that go out with every request to a local server. `Debug` shows their names only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(HeaderName, Secret)>);

/// Which of a gateway's `authentication` a local server may see. The default: nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForwardAuth {
    allowed: Vec<HeaderName>,
}

/// A caller's credentials on their way to the local server, already sifted. `Debug` shows their names only.
#[derive(Clone)]
pub(crate) struct Credentials(Box<HeaderMap>);

/// Why a header cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadHeader {
    /// No header can have this name.
    #[error("{0:?} is no name of an HTTP header")]
    Name(String),
    /// It belongs to the transport.
    #[error("the header {0:?} is written by Culvert itself")]
    Reserved(String),
    /// The same name twice.
    #[error("the header {0:?} is there twice")]
    Repeated(String),
    /// It has line breaks or other characters that no header can carry, or nothing at all.
    #[error("the value of the header {0:?} is empty or has characters that no HTTP header can carry")]
    Value(String),
}

impl Headers {
    /// Takes names and values.
    ///
    /// # Errors
    /// [`BadHeader`] names the first that cannot be sent; it never shows a value.
    pub fn new<N: AsRef<str>>(given: impl IntoIterator<Item = (N, Secret)>) -> Result<Self, BadHeader> {
        let mut headers: Vec<(HeaderName, Secret)> = Vec::new();
        for (name, value) in given {
            let name = readable(name.as_ref())?;
            if headers.iter().any(|(known, _)| *known == name) {
                return Err(BadHeader::Repeated(name.to_string()));
            }
            if header_value(value.expose()).is_none() {
                return Err(BadHeader::Value(name.to_string()));
            }
            headers.push((name, value));
        }
        Ok(Self(headers))
    }

    /// Adds them to a request.
    pub(crate) fn apply(&self, to: &mut HeaderMap) {
        for (name, value) in &self.0 {
            if let Some(value) = header_value(value.expose()) {
                to.insert(name, value);
            }
        }
    }
}

impl ForwardAuth {
    /// Lets `Authorization` and the headers of these names through.
    ///
    /// # Errors
    /// [`BadHeader`] for a name that no header can have, or that belongs to the transport.
    pub fn allow<N: AsRef<str>>(also: impl IntoIterator<Item = N>) -> Result<Self, BadHeader> {
        let mut allowed = vec![header::AUTHORIZATION];
        for name in also {
            allowed.push(readable(name.as_ref())?);
        }
        Ok(Self { allowed })
    }

    /// What may pass of an envelope's `authentication`.
    pub(crate) fn sift(&self, authentication: &RawValue) -> Option<Credentials> {
        if self.allowed.is_empty() {
            return None;
        }
        let given: BTreeMap<String, serde_json::Value> = serde_json::from_str(authentication.get()).ok()?;
        let mut passed = HeaderMap::new();
        for (name, value) in given {
            let Some(name) = self.allowed.iter().find(|allowed| name.eq_ignore_ascii_case(allowed.as_str())) else {
                continue;
            };
            let value = value.as_str().filter(|value| value.len() <= MAX_CREDENTIAL);
            if let Some(value) = value.and_then(|value| header_value(value.trim())) {
                passed.insert(name, value);
            }
        }
        (!passed.is_empty()).then(|| Credentials(Box::new(passed)))
    }
}

impl Credentials {
    /// Adds those that the request does not have already: the user's own headers stand above a caller's.
    pub(crate) fn apply(&self, to: &mut HeaderMap) {
        for (name, value) in self.0.iter() {
            if !to.contains_key(name) {
                to.insert(name, value.clone());
            }
        }
    }
}

fn readable(name: &str) -> Result<HeaderName, BadHeader> {
    let name: HeaderName = name.trim().parse().map_err(|_| BadHeader::Name(text::clean(name, 80)))?;
    let reserved = RESERVED.contains(&name.as_str()) || name.as_str().starts_with("proxy-");
    if reserved { Err(BadHeader::Reserved(name.to_string())) } else { Ok(name) }
}

/// A value that is not shown. Servers disagree about what bytes beyond ASCII mean, so there are none.
fn header_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok().filter(|_| text.is_ascii() && !text.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused_without_their_values() {
        let refused = |name: &str, value: &str| Headers::new([(name, Secret::new(value))]).unwrap_err();
        assert_eq!(refused("X Key", "a"), BadHeader::Name("X Key".into()));
        for name in ["Host", "content-length", "Mcp-Session-Id", "Proxy-Authorization", "Transfer-Encoding"] {
            assert_eq!(refused(name, "a"), BadHeader::Reserved(name.to_ascii_lowercase()));
        }
        for value in ["", "hunter2\r\nX: 1", "hunter2é"] {
            let error = refused("X-Key", value);
            assert_eq!(error, BadHeader::Value("x-key".into()));
            assert!(!error.to_string().contains("hunter2"));
        }
        let twice = Headers::new([("X-Key", Secret::new("a")), ("x-key", Secret::new("b"))]);
        assert_eq!(twice, Err(BadHeader::Repeated("x-key".into())));
    }

    #[test]
    fn nothing_is_forwarded_unless_allowed_and_never_over_our_own() {
        let given = raw(
            r#"{"Authorization":"Bearer caller","X-Tenant":"t","Cookie":"c","X-Own":"caller","Host":"evil","X-Bad":"a\nb","X-Number":1}"#,
        );
        assert!(ForwardAuth::default().sift(&given).is_none());
        let allow = ForwardAuth::allow(["x-tenant", "X-Own", "X-Bad", "X-Number"]).unwrap();
        let mut request = HeaderMap::new();
        Headers::new([("X-Own", Secret::new("ours"))]).unwrap().apply(&mut request);
        let credentials = allow.sift(&given).unwrap();
        credentials.apply(&mut request);
        let mut got: Vec<_> = request.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        got.sort_unstable();
        assert_eq!(got, [("authorization", "Bearer caller"), ("x-own", "ours"), ("x-tenant", "t")]);
        assert!(!format!("{credentials:?} {request:?}").contains("caller"), "values stay out of Debug");
        assert!(ForwardAuth::allow(["Host"]).is_err());
        assert!(allow.sift(&raw("\"Bearer x\"")).is_none());
    }
}
