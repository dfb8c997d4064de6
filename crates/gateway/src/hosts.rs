//! The names that the gateway answers to, against DNS rebinding: a page whose own name was pointed at this machine
//! still sends its own name in `Host` and `Origin`.
//!
//! The rule of MCP's Streamable HTTP, applied to every endpoint. Ports do not matter to it, names do.

use std::net::{IpAddr, SocketAddr};

use culvert_protocol::{GatewayAddress, text};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request};
use url::{Host, Url};

use crate::denial::Denial;

/// The longest `Host` or `Origin` that is looked at, in bytes: names have at most 253 (RFC 1035 §2.3.4). Anybody can send
/// longer ones, and reading them takes time.
const LONGEST: usize = 300;

/// What the gateway may be called.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    listen: IpAddr,
    public: Option<String>,
}

impl Hosts {
    /// Loopback names, the address listened on, and the host of the public URL.
    pub(crate) fn new(listen: SocketAddr, public_url: Option<&GatewayAddress>) -> Self {
        let public = public_url.map(|url| url.host().to_ascii_lowercase());
        Self { listen: listen.ip().to_canonical(), public }
    }

    /// Lets a request pass that was sent to one of our names, by a page of one of our names or by no page.
    ///
    /// # Errors
    /// [`Denial::Host`] or [`Denial::Origin`].
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Denial> {
        let host = single(request.headers(), &HOST);
        // A proxy's absolute form names the host in the request line too; RFC 9112 §3.2.2 lets it win over the header.
        for authority in request.uri().authority().map(|authority| Some(authority.as_str())).into_iter().chain([host]) {
            let refused = || Denial::Host(text::clean(authority.unwrap_or_default(), 100));
            let short = authority.filter(|text| text.len() <= LONGEST);
            let authority: Authority = short.and_then(|text| text.parse().ok()).ok_or_else(refused)?;
            if authority.as_str().contains('@') || !self.are(authority.host()) {
                return Err(refused());
            }
        }
        if !request.headers().contains_key(ORIGIN) {
            return Ok(());
        }
        let origin = single(request.headers(), &ORIGIN);
        let ours = origin
            .filter(|origin| origin.len() <= LONGEST)
            .and_then(|origin| Url::parse(origin).ok())
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .is_some_and(|url| url.host_str().is_some_and(|host| self.are(host)));
        if ours { Ok(()) } else { Err(Denial::Origin(text::clean(origin.unwrap_or("several"), 100))) }
    }

    /// Whether `host`, without a port, is one of our names.
    fn are(&self, host: &str) -> bool {
        match Host::parse(host) {
            Ok(Host::Ipv4(address)) => self.is_address(address.into()),
            Ok(Host::Ipv6(address)) => self.is_address(address.into()),
            Ok(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(&name);
                name == "localhost" || name.ends_with(".localhost") || self.public.as_deref() == Some(name)
            }
            Err(_) => false,
        }
    }

    fn is_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // Listening on every address, we cannot list ours; a number cannot be rebound, so any will do.
        let listened = self.listen.is_unspecified() || self.listen == address;
        listened || address.is_loopback() || self.public.as_ref().is_some_and(|public| *public == address.to_string())
    }
}

/// The header's value if it is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => HeaderValue::to_str(value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str) -> Hosts {
        let public = GatewayAddress::parse("https://GW.example.com/pre").unwrap();
        Hosts::new(listen.parse().unwrap(), Some(&public))
    }

    fn sent(hosts: &Hosts, uri: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        hosts.check(&request.body(()).unwrap()).map_err(|denial| match denial {
            Denial::Host(_) => "host",
            Denial::Origin(_) => "origin",
            other => panic!("{other}"),
        })
    }

    #[test]
    fn the_host_table() {
        let loopback = hosts("127.0.0.1:4444");
        for (host, expected) in [
            ("localhost:4444", Ok(())),
            ("LOCALHOST", Ok(())),
            ("a.localhost:1", Ok(())),
            ("127.0.0.1:4444", Ok(())),
            ("[::1]:4444", Ok(())),
            ("gw.example.com", Ok(())),
            ("gw.EXAMPLE.com.:443", Ok(())),
            ("evil.example.com:4444", Err("host")),
            ("localhost.evil.com", Err("host")),
            ("evil-localhost", Err("host")),
            ("127.0.0.1.evil.com", Err("host")),
            ("192.168.1.5:4444", Err("host")),
            ("0.0.0.0:4444", Err("host")),
            ("localhost@evil.com", Err("host")),
            ("evil.com@localhost", Err("host")),
            ("", Err("host")),
            ("a b", Err("host")),
        ] {
            assert_eq!(sent(&loopback, "/", &[("host", host)]), expected, "{host}");
        }
        assert_eq!(sent(&loopback, "/", &[]), Err("host"), "none");
        assert_eq!(sent(&loopback, "/", &[("host", "localhost"), ("host", "localhost")]), Err("host"), "two");
        assert_eq!(sent(&loopback, "http://evil.com/", &[("host", "localhost")]), Err("host"), "absolute form");
        assert_eq!(sent(&hosts("192.168.1.5:1"), "/", &[("host", "192.168.1.5:1")]), Ok(()));
        assert_eq!(sent(&hosts("0.0.0.0:1"), "/", &[("host", "10.1.2.3:1")]), Ok(()));
        assert_eq!(sent(&hosts("0.0.0.0:1"), "/", &[("host", "evil.com")]), Err("host"));
    }

    #[test]
    fn the_origin_table() {
        let loopback = hosts("127.0.0.1:4444");
        for (origin, expected) in [
            ("http://localhost:5173", Ok(())),
            ("https://gw.example.com", Ok(())),
            ("http://[::1]:1", Ok(())),
            ("https://evil.com", Err("origin")),
            ("http://localhost.evil.com", Err("origin")),
            ("null", Err("origin")),
            ("file://localhost", Err("origin")),
            ("", Err("origin")),
        ] {
            assert_eq!(sent(&loopback, "/", &[("host", "localhost"), ("origin", origin)]), expected, "{origin}");
        }
    }

    #[test]
    fn names_that_are_longer_than_any_name_are_not_looked_at() {
        let loopback = hosts("127.0.0.1:4444");
        for (labels, (host, origin)) in [(100, (Ok(()), Ok(()))), (200, (Err("host"), Err("origin")))] {
            let name = format!("{}localhost", "a.".repeat(labels));
            assert_eq!(sent(&loopback, "/", &[("host", &name)]), host, "{labels}");
            let page = format!("http://{name}");
            assert_eq!(sent(&loopback, "/", &[("host", "localhost"), ("origin", &page)]), origin, "{labels}");
        }
    }
}
