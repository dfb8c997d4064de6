//! A gateway's address as people write it, and the addresses that follow from it.

use std::fmt;

use thiserror::Error;
use url::{Host, Url};

/// The endpoint of the base dialect, in its old and its canonical place.
const ENDPOINTS: [&str; 2] = ["/v1/reverse-proxy/ws", "/reverse-proxy/ws"];

/// Where a gateway is: scheme, host, port and an optional path prefix, without credentials, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GatewayAddress {
    base: Url,
    endpoint: Option<Endpoint>,
}

/// Which of the two places of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/reverse-proxy/ws`: every gateway that has tunnels at all.
    Plain,
    /// `/v1/reverse-proxy/ws`: canonical in newer ContextForge gateways, which may have the other switched off.
    V1,
}

/// Why a text is no gateway address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadAddress {
    /// It does not parse, or has no host.
    #[error("{0:?} is not a URL")]
    Unreadable(String),
    /// Another scheme.
    #[error("a gateway is reached by https, wss, http or ws, not by {0:?}")]
    Scheme(String),
    /// Credentials in the URL end up in logs.
    #[error("the URL has a user name or password in it")]
    Credentials,
    /// A query or fragment: a token in a URL ends up in logs.
    #[error("the URL has a query or fragment in it")]
    Query,
}

impl GatewayAddress {
    /// Reads a base URL (`https://gw.example.com`, maybe with a path prefix) or the whole `wss://…/reverse-proxy/ws`.
    ///
    /// # Errors
    /// [`BadAddress`]; its text never repeats credentials.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        let unreadable = || {
            let shown = if text.contains(['@', '?']) { "the given text" } else { text };
            BadAddress::Unreadable(crate::text::clean(shown, 200))
        };
        let mut base = Url::parse(text).map_err(|_| unreadable())?;
        let scheme = match base.scheme() {
            "https" | "wss" => "https",
            "http" | "ws" => "http",
            other if text.contains("://") => return Err(BadAddress::Scheme(other.to_owned())),
            _ => return Err(unreadable()),
        };
        if !base.username().is_empty() || base.password().is_some() {
            return Err(BadAddress::Credentials);
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(BadAddress::Query);
        }
        // `set_scheme` only refuses to leave or enter the web's schemes, and ws, wss, http and https all belong.
        base.set_scheme(scheme).map_err(|()| unreadable())?;
        let path = base.path().trim_end_matches('/').to_owned();
        let (prefix, endpoint) = match ENDPOINTS.map(|endpoint| path.strip_suffix(endpoint)) {
            [Some(prefix), _] => (prefix, Some(Endpoint::V1)),
            [None, Some(prefix)] => (prefix, Some(Endpoint::Plain)),
            [None, None] => (path.as_str(), None),
        };
        base.set_path(prefix);
        Ok(Self { base, endpoint })
    }

    /// The place of the endpoint that the user wrote out, if so.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint
    }

    /// The WebSocket URL of the endpoint.
    pub fn link_url(&self, endpoint: Endpoint) -> String {
        let (scheme, rest) = match self.base.scheme() {
            "https" => ("wss", &self.prefix()["https".len()..]),
            _ => ("ws", &self.prefix()["http".len()..]),
        };
        let path = match endpoint {
            Endpoint::V1 => ENDPOINTS[0],
            Endpoint::Plain => ENDPOINTS[1],
        };
        format!("{scheme}{rest}{path}")
    }

    /// The URL of the event stream that takes the WebSocket's place.
    pub fn sse_url(&self, endpoint: Endpoint) -> String {
        let v1 = match endpoint {
            Endpoint::V1 => "/v1",
            Endpoint::Plain => "",
        };
        format!("{}{v1}/reverse-proxy/sse", self.prefix())
    }

    /// The URL at which MCP clients find the server with this name or id, on a gateway of ours.
    pub fn mcp_url(&self, server: &str) -> String {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["servers", server, "mcp"]);
        }
        url.to_string()
    }

    /// Any other URL of the gateway; `path` begins with a slash.
    pub fn http_url(&self, path: &str) -> String {
        format!("{}{path}", self.prefix())
    }

    /// The host name to dial, without brackets.
    pub fn host(&self) -> String {
        match self.base.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// The port to dial.
    pub fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or(if self.is_encrypted() { 443 } else { 80 })
    }

    /// Whether TLS protects it.
    pub fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Whether it is this machine; see [`is_loopback`].
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base)
    }

    fn prefix(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

/// Whether a URL is this machine's, as far as its text tells: no name but `localhost` is looked up.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        None => false,
    }
}

impl fmt::Display for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> [String; 2] {
        let address = GatewayAddress::parse(text).unwrap();
        [address.link_url(Endpoint::Plain), address.to_string()]
    }

    #[test]
    fn base_urls_and_whole_urls_mean_the_same() {
        assert_eq!(
            links("https://gw.example.com"),
            ["wss://gw.example.com/reverse-proxy/ws", "https://gw.example.com"]
        );
        assert_eq!(links("wss://gw.example.com/reverse-proxy/ws"), links("https://gw.example.com/"));
        assert_eq!(links("http://[::1]:4444/a/b/"), ["ws://[::1]:4444/a/b/reverse-proxy/ws", "http://[::1]:4444/a/b"]);
        let v1 = GatewayAddress::parse("wss://h/x/v1/reverse-proxy/ws").unwrap();
        assert_eq!(v1.endpoint(), Some(Endpoint::V1));
        assert_eq!(v1.link_url(Endpoint::V1), "wss://h/x/v1/reverse-proxy/ws");
        assert_eq!(v1.sse_url(Endpoint::V1), "https://h/x/v1/reverse-proxy/sse");
        assert_eq!(v1.sse_url(Endpoint::Plain), "https://h/x/reverse-proxy/sse");
    }

    #[test]
    fn servers_have_an_address_below_the_prefix() {
        let address = GatewayAddress::parse("https://h/pre").unwrap();
        assert_eq!(address.mcp_url("my server"), "https://h/pre/servers/my%20server/mcp");
        assert_eq!(address.http_url("/healthz"), "https://h/pre/healthz");
    }

    #[test]
    fn loopback_is_told_from_the_text_alone() {
        for (text, loopback) in [
            ("http://localhost", true),
            ("http://LOCALHOST:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(GatewayAddress::parse(text).unwrap().is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_secrets_are_not_repeated() {
        assert!(matches!(GatewayAddress::parse("gw.example.com"), Err(BadAddress::Unreadable(_))));
        assert!(matches!(GatewayAddress::parse("localhost:4444"), Err(BadAddress::Unreadable(_))));
        assert!(matches!(GatewayAddress::parse("ftp://x"), Err(BadAddress::Scheme(_))));
        assert_eq!(GatewayAddress::parse("https://u:p@h"), Err(BadAddress::Credentials));
        assert_eq!(GatewayAddress::parse("https://h/?token=x"), Err(BadAddress::Query));
        let shown = GatewayAddress::parse("https://user:hunter2@:x").unwrap_err().to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
