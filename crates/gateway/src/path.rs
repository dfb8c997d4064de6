//! Which endpoint a path means.

/// An endpoint, with what its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/healthz`, and `/health` as on ContextForge.
    Health,
    /// `/readyz`, and `/ready` as on ContextForge.
    Ready,
    /// `/reverse-proxy/ws`: tunnels come in.
    Link,
    /// `/reverse-proxy/sse`: tunnels come in where WebSocket does not.
    EventLink,
    /// `/reverse-proxy/sse/{id}`: what belongs to such a link.
    EventLinkPost(String),
    /// `/reverse-proxy/sessions`.
    Sessions,
    /// `/reverse-proxy/sessions/{id}`.
    Session(String),
    /// `/reverse-proxy/sessions/{id}/request`.
    SessionRequest(String),
    /// `/servers`.
    Servers,
    /// `/servers/{id or name}`.
    Server(String),
    /// `/servers/{id or name}/mcp`.
    Mcp(String),
    /// `/servers/{id or name}/sse`: the older transport's stream.
    Sse(String),
    /// `/servers/{id or name}/messages`: what belongs to such a stream.
    Messages(String),
    /// `/tokens`.
    Tokens,
}

impl Route {
    /// The server or session that it is about, as it was named.
    pub(crate) fn server(&self) -> Option<&str> {
        match self {
            Self::Session(name)
            | Self::SessionRequest(name)
            | Self::Server(name)
            | Self::Mcp(name)
            | Self::Sse(name)
            | Self::Messages(name) => Some(name),
            Self::Health
            | Self::Ready
            | Self::Link
            | Self::EventLink
            | Self::EventLinkPost(_)
            | Self::Sessions
            | Self::Servers
            | Self::Tokens => None,
        }
    }
}

/// Reads a path. `prefix` may stand before it or not: some proxies take it off. Each segment is decoded once, after the
/// path was split, so that no encoded slash makes a path of a name; one slash at the end is allowed.
pub(crate) fn route(path: &str, prefix: &str) -> Option<Route> {
    let path = match path.strip_prefix(prefix) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    };
    let path = path.strip_prefix('/')?;
    let segments: Vec<String> = path.strip_suffix('/').unwrap_or(path).split('/').map(decode).collect::<Option<_>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let named = |name: &str| name.to_owned();
    Some(match segments[..] {
        ["healthz" | "health"] => Route::Health,
        ["readyz" | "ready"] => Route::Ready,
        ["reverse-proxy", ref rest @ ..] | ["v1", "reverse-proxy", ref rest @ ..] => match *rest {
            ["ws"] => Route::Link,
            ["sse"] => Route::EventLink,
            ["sse", connection] => Route::EventLinkPost(named(connection)),
            ["sessions"] => Route::Sessions,
            ["sessions", id] => Route::Session(named(id)),
            ["sessions", id, "request"] => Route::SessionRequest(named(id)),
            _ => return None,
        },
        ["servers"] => Route::Servers,
        ["servers", server] => Route::Server(named(server)),
        ["servers", server, "mcp"] => Route::Mcp(named(server)),
        ["servers", server, "sse"] => Route::Sse(named(server)),
        ["servers", server, "messages"] => Route::Messages(named(server)),
        ["tokens"] => Route::Tokens,
        _ => return None,
    })
}

/// Where the client of the stream at `path` is to POST: beside it, and under the prefix that proxies may have taken off.
pub(crate) fn messages(path: &str, prefix: &str) -> Option<String> {
    let path = match path.strip_prefix(prefix) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    };
    let beside = path.strip_suffix('/').unwrap_or(path).strip_suffix("sse")?;
    Some(format!("{prefix}{beside}messages"))
}

/// A segment with its percent signs resolved. `None` for an empty one, for broken encoding, and for what is no text.
fn decode(segment: &str) -> Option<String> {
    if segment.is_empty() {
        return None;
    }
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_has_its_paths() {
        for (path, route) in [
            ("/healthz", Route::Health),
            ("/health", Route::Health),
            ("/readyz", Route::Ready),
            ("/ready", Route::Ready),
            ("/reverse-proxy/ws", Route::Link),
            ("/v1/reverse-proxy/ws", Route::Link),
            ("/reverse-proxy/sse", Route::EventLink),
            ("/v1/reverse-proxy/sse/a", Route::EventLinkPost("a".into())),
            ("/reverse-proxy/sessions/", Route::Sessions),
            ("/reverse-proxy/sessions/a", Route::Session("a".into())),
            ("/v1/reverse-proxy/sessions/a/request", Route::SessionRequest("a".into())),
            ("/servers", Route::Servers),
            ("/servers/my%20server", Route::Server("my server".into())),
            ("/servers/git/mcp", Route::Mcp("git".into())),
            ("/servers/a%2Fb/mcp", Route::Mcp("a/b".into())),
            ("/servers/%2e%2e/mcp", Route::Mcp("..".into())),
            ("/servers/git/sse", Route::Sse("git".into())),
            ("/servers/git/messages", Route::Messages("git".into())),
            ("/tokens", Route::Tokens),
        ] {
            assert_eq!(super::route(path, ""), Some(route.clone()), "{path}");
            assert_eq!(super::route(&format!("/pre{path}"), "/pre"), Some(route.clone()), "{path} under a prefix");
            assert_eq!(super::route(path, "/pre"), Some(route), "{path} with the prefix taken off");
        }
    }

    #[test]
    fn a_stream_has_its_address_beside_it_with_the_prefix() {
        for path in ["/servers/my%20server/sse", "/pre/servers/my%20server/sse/"] {
            assert_eq!(messages(path, "/pre").unwrap(), "/pre/servers/my%20server/messages");
        }
        assert_eq!(messages("/servers/a/sse", "").unwrap(), "/servers/a/messages");
    }

    #[test]
    fn path_tricks_lead_nowhere() {
        for path in [
            "/",
            "",
            "*",
            "//healthz",
            "/healthz//",
            "/servers//mcp",
            "/servers/../tokens",
            "/servers/%2e%2e/tokens",
            "/reverse-proxy%2Fws",
            "/servers/%zz",
            "/servers/%f",
            "/servers/%ff",
            "/servers/git/sse/messages",
            "/prefixed/healthz",
            "/preservers",
            "/pre",
            "/V1/reverse-proxy/ws",
        ] {
            assert_eq!(route(path, "/pre"), None, "{path}");
        }
    }
}
