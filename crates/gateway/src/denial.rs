//! Why a request is turned away: one enum, so that every denial has its status, its code and its next step.

use std::borrow::Cow;
use std::time::Duration;

use culvert_protocol::claims::Right;
use culvert_protocol::{Explain, text};
use http::header::{ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use thiserror::Error;

use crate::hs256::BadToken;
use crate::reply::{self, Body};

/// A request that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Denial {
    /// No bearer came along.
    #[error("this gateway asks for a token and none was sent")]
    NoToken,
    /// The figures were asked for without their bearer.
    #[error("the figures are for whoever shows their bearer")]
    MetricsToken,
    /// The bearer is not taken.
    #[error("{0}")]
    Token(BadToken),
    /// The bearer is good, and not for this.
    #[error("this token does not have the right {}", right_name(*.0))]
    Right(Right),
    /// A token narrower than its maker's was asked for, and is not narrower.
    #[error("the new token would have more than this one: {0}")]
    Wider(&'static str),
    /// No such server, or none that this bearer may know of: the two must look the same.
    #[error("there is no server {0:?}")]
    UnknownServer(String),
    /// Several owners have a server of this name.
    #[error("{count} servers have the name {name:?}")]
    Ambiguous {
        /// The name asked for.
        name: String,
        /// How many bear it.
        count: usize,
    },
    /// A server that is online cannot be forgotten: its tunnel would bring it back at once.
    #[error("the server is online")]
    Online,
    /// No such session, or none that this bearer may know of.
    #[error("there is no session {0:?}")]
    UnknownSession(String),
    /// No such connection of a link, or the key is not its own, or it is somebody else's.
    #[error("there is no connection {0:?}")]
    UnknownConnection(String),
    /// A POST of a link without its number.
    #[error("the header X-Culvert-Number has no number")]
    Numberless,
    /// The tunnel or its server ended before it answered.
    #[error("{why}")]
    Ended {
        /// The code of what ended it.
        code: &'static str,
        /// What ended it, in words.
        why: String,
    },
    /// The local server did not answer in time.
    #[error("the server did not answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// The name that the client knows us by is none of ours (DNS rebinding).
    #[error("this gateway is not called {0:?}")]
    Host(String),
    /// A web page of another origin sends the request.
    #[error("pages of {0:?} may not call this gateway")]
    Origin(String),
    /// Nothing is there.
    #[error("nothing is at this path")]
    Path,
    /// Something is there, and not for this method.
    #[error("this path does not take that method; it takes {0}")]
    Method(&'static str),
    /// A tunnel's endpoint was asked without an upgrade to WebSocket.
    #[error("this path is for WebSocket, version 13")]
    NotWebSocket,
    /// The body is larger than the limit, in bytes.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// As much is used as may be.
    #[error("{0}")]
    Limit(Limit),
    /// The body did not come.
    #[error("the body did not come in time")]
    Slow,
    /// The body is not what belongs here.
    #[error("the body is unusable: {0}")]
    Body(String),
    /// Fault of our own or of the machine.
    #[error("the gateway failed: {0}")]
    Internal(String),
}

/// What there is too much of, of a subject or at a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Limit {
    /// Requests in a short time.
    #[error("this subject sends more than {per_second} requests in a second")]
    Requests {
        /// How many it may send.
        per_second: u32,
        /// When the next one is allowed.
        wait: Duration,
    },
    /// Connections.
    #[error("this subject has {0} connections open already")]
    Connections(usize),
    /// Bytes of bodies.
    #[error("this subject sends more than {0} bytes at once")]
    Bodies(usize),
    /// Calls, of all who share the server's process.
    #[error("too many calls are in flight at this server")]
    Calls,
    /// Tunnels.
    #[error("this subject has {0} tunnels already")]
    Tunnels(usize),
}

impl Limit {
    /// When asking again makes sense: at once for a rate, after a while for what somebody must close first.
    fn retry_after(&self) -> Duration {
        match self {
            Self::Requests { wait, .. } => *wait,
            Self::Bodies(_) => Duration::from_secs(1),
            Self::Connections(_) | Self::Calls => Duration::from_secs(5),
            Self::Tunnels(_) => Duration::from_secs(30),
        }
    }
}

fn right_name(right: Right) -> &'static str {
    match right {
        Right::Tunnel => "tunnel",
        Right::Call => "call",
    }
}

impl Denial {
    /// Its HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::MetricsToken | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::Right(_) | Self::Wider(_) | Self::Host(_) | Self::Origin(_) => StatusCode::FORBIDDEN,
            Self::UnknownServer(_) | Self::UnknownSession(_) | Self::UnknownConnection(_) | Self::Path => {
                StatusCode::NOT_FOUND
            }
            Self::Ambiguous { .. } | Self::Online => StatusCode::CONFLICT,
            Self::Ended { .. } => StatusCode::BAD_GATEWAY,
            Self::NoAnswer(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::Limit(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Body(_) | Self::Numberless => StatusCode::BAD_REQUEST,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The whole answer.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = reply::explained(self.status(), &self);
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        if let Self::Limit(Limit::Connections(_)) = self {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The header that its status asks for.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        Some(match self {
            // RFC 6750 §3: without a token there is no error to name.
            Self::NoToken | Self::MetricsToken => (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::Token(why) => (WWW_AUTHENTICATE, challenge("invalid_token", &why.to_string())),
            Self::Right(_) | Self::Wider(_) => (WWW_AUTHENTICATE, challenge("insufficient_scope", &self.to_string())),
            Self::Method(allowed) => (ALLOW, HeaderValue::from_static(allowed)),
            // Whole seconds, the last one begun counted.
            Self::Limit(limit) => {
                let seconds = u64::try_from(limit.retry_after().as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
                (RETRY_AFTER, HeaderValue::from(seconds.max(1)))
            }
            Self::NotWebSocket => (UPGRADE, HeaderValue::from_static("websocket")),
            _ => return None,
        })
    }
}

/// A challenge after RFC 6750 §3, whose description may have printable ASCII but no quotes and backslashes.
fn challenge(error: &str, description: &str) -> HeaderValue {
    let plain: String = text::clean(description, 200)
        .chars()
        .map(|c| match c {
            '"' | '\\' => '\'',
            ' '..='~' => c,
            _ => '?',
        })
        .collect();
    HeaderValue::from_str(&format!("Bearer error=\"{error}\", error_description=\"{plain}\""))
        .unwrap_or(HeaderValue::from_static("Bearer error=\"invalid_token\""))
}

impl From<BadToken> for Denial {
    fn from(why: BadToken) -> Self {
        Self::Token(why)
    }
}

impl Explain for Denial {
    fn code(&self) -> &'static str {
        match self {
            Self::NoToken | Self::MetricsToken => "auth.missing",
            Self::Token(why) => why.code(),
            Self::Right(_) => "auth.forbidden",
            Self::Wider(_) => "auth.wider",
            Self::UnknownServer(_) => "server.unknown",
            Self::Ambiguous { .. } => "server.ambiguous",
            Self::Online => "server.online",
            Self::UnknownSession(_) => "session.unknown",
            Self::UnknownConnection(_) => "connection.unknown",
            Self::Numberless => "request.number",
            Self::Ended { code, .. } => code,
            Self::NoAnswer(_) => "server.silent",
            Self::Host(_) => "request.host",
            Self::Origin(_) => "request.origin",
            Self::Path => "request.path",
            Self::Method(_) => "request.method",
            Self::NotWebSocket => "request.upgrade",
            Self::TooLarge(_) => "request.too_large",
            Self::Limit(Limit::Requests { .. }) => "limit.requests",
            Self::Limit(Limit::Connections(_)) => "limit.connections",
            Self::Limit(Limit::Bodies(_)) => "limit.bodies",
            Self::Limit(Limit::Calls) => "calls.too_many",
            Self::Limit(Limit::Tunnels(_)) => "limit.tunnels",
            Self::Slow => "request.slow",
            Self::Body(_) => "request.body",
            Self::Internal(_) => "internal",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NoToken => "Send the header `Authorization: Bearer <token>`; `culvert token create` makes one.",
            Self::MetricsToken => "Send the token of --metrics-token-file as `Authorization: Bearer <token>`.",
            Self::Token(why) => return why.action(),
            Self::Right(Right::Tunnel) => "Use a token made with `--can tunnel`.",
            Self::Right(Right::Call) => "Use a token made with `--can call`.",
            Self::Wider(_) => "Ask for a part of what this token has.",
            Self::UnknownServer(_) => "GET /servers lists the servers that this token may use.",
            Self::Ambiguous { .. } => "Use the server's id; GET /servers lists it.",
            Self::Online => "Stop its tunnel first; DELETE /reverse-proxy/sessions/{id} ends one from here.",
            Self::UnknownSession(_) => "GET /reverse-proxy/sessions lists the sessions that this token may use.",
            Self::UnknownConnection(_) => "Open another one with GET /reverse-proxy/sse.",
            Self::Numberless => "Number the POSTs of a connection from 0.",
            Self::Ended { .. } | Self::NoAnswer(_) => "Look at the tunnel's log, then try again.",
            Self::Host(_) => "Start the gateway with `--public-url` set to the address that clients use.",
            Self::Origin(_) => "Only pages served from the gateway's own names may call it.",
            Self::Path => "Check the URL; the gateway's documentation lists its endpoints.",
            Self::Method(_) => "Use one of those.",
            Self::NotWebSocket => "Point a tunnel client at it, such as `culvert run`.",
            Self::TooLarge(_) => "Send less.",
            Self::Limit(Limit::Requests { .. }) => "Ask less often, or raise the gateway's --subject-requests.",
            Self::Limit(Limit::Connections(_)) => "Close some, or raise the gateway's --subject-connections.",
            Self::Limit(Limit::Bodies(_)) => {
                "Send large messages one after another, or raise the gateway's --subject-bodies."
            }
            Self::Limit(Limit::Calls) => "Try again when some are answered, or raise the gateway's --shared-calls.",
            Self::Limit(Limit::Tunnels(_)) => "Stop some, or raise the gateway's --subject-tunnels.",
            Self::Slow => "Send the whole body at once.",
            Self::Body(_) => "Check the body against the gateway's documentation.",
            Self::Internal(_) => "The gateway's log tells more.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(denial: Denial, name: HeaderName) -> String {
        denial.into_response().headers()[name].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_401_says_how_to_come_in_and_what_was_wrong() {
        assert_eq!(header(Denial::NoToken, WWW_AUTHENTICATE), "Bearer");
        assert_eq!(
            header(Denial::Token(BadToken::Expired), WWW_AUTHENTICATE),
            r#"Bearer error="invalid_token", error_description="the token has expired""#
        );
        let odd = Denial::Token(BadToken::Algorithm("a\"b\\c\u{e9}".into()));
        let value = header(odd, WWW_AUTHENTICATE);
        assert_eq!(value.matches('"').count(), 4, "{value}");
        assert_eq!(Denial::Token(BadToken::Expired).status(), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn each_status_has_the_header_that_belongs_to_it() {
        assert_eq!(header(Denial::Method("GET, HEAD"), ALLOW), "GET, HEAD");
        assert_eq!(header(Denial::NotWebSocket, UPGRADE), "websocket");
    }
}
