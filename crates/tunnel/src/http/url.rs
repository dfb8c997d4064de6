//! The URL of a local server.

use std::fmt;

use culvert_protocol::{address, text};
use thiserror::Error;
use url::{Host, Url};

/// Where a local server listens: `http` or `https`, without credentials or fragment. What is shown of it leaves out
/// its query, which may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

/// Why a text is no URL of a local server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadUrl {
    /// It does not parse, or has no host.
    #[error("{0:?} is not a URL")]
    Unreadable(String),
    /// Another scheme.
    #[error("a local server is reached by http or https, not by {0:?}")]
    Scheme(String),
    /// Credentials in the URL end up in logs.
    #[error("the URL has a user name or password in it")]
    Credentials,
    /// It would never be sent.
    #[error("the URL has a fragment in it")]
    Fragment,
}

impl ServerUrl {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// [`BadUrl`]; its text never repeats credentials or a query.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let text = text.trim();
        let unreadable = || {
            let shown = if text.contains(['@', '?']) { "the given text" } else { text };
            BadUrl::Unreadable(text::clean(shown, 200))
        };
        let url = Url::parse(text).map_err(|_| unreadable())?;
        match url.scheme() {
            "https" | "http" => {}
            other if text.contains("://") => return Err(BadUrl::Scheme(other.to_owned())),
            _ => return Err(unreadable()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(BadUrl::Fragment);
        }
        Ok(Self(url))
    }

    /// Whether TLS protects it.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it is this machine, as far as its text tells.
    pub fn is_loopback(&self) -> bool {
        address::is_loopback(&self.0)
    }

    /// The URL that a server means by `reference`, if it stays within the origin of this one.
    pub(crate) fn within_origin(&self, reference: &str) -> Option<Self> {
        let mut url = self.0.join(reference).ok()?;
        url.set_fragment(None);
        let same = url.origin() == self.0.origin() && url.username().is_empty() && url.password().is_none();
        same.then_some(Self(url))
    }

    /// The host name to connect to, without brackets.
    pub(crate) fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// The port to connect to.
    pub(crate) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// The value of `Host`: the port only where it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// What a request line names.
    pub(crate) fn path_and_query(&self) -> String {
        let query = self.0.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.0.path())
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.as_str();
        match shown.split_once('?') {
            Some((before, _)) => write!(f, "{before}?…"),
            None => f.write_str(shown),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_what_a_request_needs_and_hides_its_query() {
        let url = ServerUrl::parse("http://[::1]:3001/a%20b/mcp?key=hunter2").unwrap();
        assert_eq!((url.host().as_str(), url.port()), ("::1", 3001));
        assert_eq!(url.authority(), "[::1]:3001");
        assert_eq!(url.path_and_query(), "/a%20b/mcp?key=hunter2");
        assert_eq!(url.to_string(), "http://[::1]:3001/a%20b/mcp?…");
        assert!(!format!("{url:?}").contains("hunter2"));
        let plain = ServerUrl::parse("https://h").unwrap();
        assert_eq!((plain.authority(), plain.path_and_query(), plain.port()), ("h".into(), "/".into(), 443));
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        assert!(matches!(ServerUrl::parse("localhost:3001"), Err(BadUrl::Unreadable(_))));
        assert!(matches!(ServerUrl::parse("ftp://h/"), Err(BadUrl::Scheme(_))));
        assert_eq!(ServerUrl::parse("http://u:p@h/"), Err(BadUrl::Credentials));
        assert_eq!(ServerUrl::parse("http://h/#x"), Err(BadUrl::Fragment));
        assert!(!ServerUrl::parse("http://u:hunter2@:x").unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn only_the_same_origin_is_within() {
        let url = ServerUrl::parse("http://127.0.0.1:3001/sse").unwrap();
        let path = |reference| url.within_origin(reference).map(|url| url.path_and_query());
        assert_eq!(path("/message?sessionId=1").as_deref(), Some("/message?sessionId=1"));
        assert_eq!(path("message").as_deref(), Some("/message"));
        assert_eq!(path("http://127.0.0.1:3001/m").as_deref(), Some("/m"));
        for foreign in
            ["http://127.0.0.1:3002/m", "https://127.0.0.1:3001/m", "//evil/m", "http://x@127.0.0.1:3001/m", "ftp:/m"]
        {
            assert_eq!(path(foreign), None, "{foreign}");
        }
    }
}
