//! Proxies on the way to a gateway: what an address of one says, and the words that open a way through it.

pub(crate) mod connect;
pub(crate) mod socks;
#[cfg(test)]
mod tests;

use std::fmt;

use culvert_protocol::Secret;
use thiserror::Error;
use url::{Host, Url};

/// A proxy. `Debug` and `Display` show neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) kind: Kind,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credentials: Option<Credentials>,
}

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// HTTP with CONNECT.
    Http,
    /// The same, over TLS to the proxy.
    Https,
    /// SOCKS 5 (RFC 1928); the proxy looks the gateway's name up.
    Socks5,
}

/// Who we are to a proxy.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: Secret,
    pub(crate) password: Secret,
}

/// Why a text is no proxy's address. The text itself is never repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadProxy {
    /// No URL at all.
    #[error("expected a proxy's URL, such as http://proxy.example.com:3128 or socks5://127.0.0.1:1080")]
    NotUrl,
    /// A kind of proxy that is not spoken.
    #[error("a proxy's URL begins with http://, https:// or socks5://")]
    Scheme,
    /// More than host and port.
    #[error("a proxy's URL ends after host and port")]
    Path,
    /// Longer than SOCKS can say, or with characters that no header can carry.
    #[error("user and password of a proxy have at most 255 bytes each, none of them a control character")]
    Credentials,
}

impl Proxy {
    /// Reads `http://`, `https://`, `socks5://` or `socks5h://`, maybe with `user:password@`, percent-encoded. A text
    /// without a scheme is an HTTP proxy's host and port. Ports are 80, 443 and 1080 where none is given.
    ///
    /// # Errors
    /// [`BadProxy`].
    pub fn parse(text: &str) -> Result<Self, BadProxy> {
        let text = text.trim();
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let url = url.map_err(|_| BadProxy::NotUrl)?;
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            _ => return Err(BadProxy::Scheme),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(BadProxy::Path);
        }
        // Of schemes that it does not know, the parser leaves the host as it is.
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(BadProxy::NotUrl),
        };
        let is_plain =
            |host: &str| !host.is_empty() && host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain(&host) {
            return Err(BadProxy::NotUrl);
        }
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some(Credentials {
                user: decoded(user)?,
                password: password.map(decoded).transpose()?.unwrap_or_default(),
            }),
        };
        Ok(Self { kind, host, port: url.port().unwrap_or(port), credentials })
    }

    /// Whether its address holds who we are: then it must not stand where others can read it.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// Its host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn decoded(text: &str) -> Result<Secret, BadProxy> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = match (first, after) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    after
                }
                _ => return Err(BadProxy::Credentials),
            },
            (b'%', _) => return Err(BadProxy::Credentials),
            (byte, after) => {
                bytes.push(*byte);
                after
            }
        };
    }
    let text = String::from_utf8(bytes).map_err(|_| BadProxy::Credentials)?;
    let fits = text.len() <= 255 && !text.contains(char::is_control);
    if fits { Ok(Secret::new(text)) } else { Err(BadProxy::Credentials) }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks5 => "socks5",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.credentials.is_some() { ", with credentials" } else { "" };
        write!(f, "Proxy({self}{credentials})")
    }
}
