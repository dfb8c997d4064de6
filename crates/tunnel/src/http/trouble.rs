//! What can go wrong between us and a local server's URL: what it means for one call, and for the whole conversation.

use culvert_protocol::cause::because;
use culvert_protocol::rpc_error::{INTERNAL_ERROR, RpcError};
use culvert_protocol::{Cause, text};
use http::StatusCode;
use serde_json::value::RawValue;

use super::url::ServerUrl;
use crate::output::Exit;

/// What went wrong. Texts in it may come from outside; they are cleaned where they are shown.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing listens there.
    Refused,
    /// It cannot be reached for any other reason.
    Unreachable(String),
    /// The connection was lost after a request had gone out: whether it was done is not known.
    Broken(String),
    /// It points elsewhere.
    Redirect(String),
    /// Its session is over.
    SessionEnded(Refusal),
    /// It answered with an HTTP error.
    Status(Refusal),
    /// Its answer makes no sense.
    Nonsense(String),
    /// The older transport: it wants messages sent to another origin.
    ForeignEndpoint(String),
    /// The older transport: its only stream is over, and so is the session.
    StreamEnded,
}

/// An answer with an HTTP error.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// Its reason, where it gave one that can be read.
    pub(super) words: String,
    /// The JSON-RPC error in its body, as it came.
    pub(super) error: Option<Box<RawValue>>,
}

impl Refusal {
    /// One that gave no reason: HTTP's own words for its status.
    pub(super) fn bare(status: StatusCode) -> Self {
        Self { status, words: status.canonical_reason().unwrap_or_default().to_owned(), error: None }
    }
}

impl Trouble {
    /// Whether the conversation is over with it, whatever it was about.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Refused | Self::SessionEnded(_) | Self::ForeignEndpoint(_) | Self::StreamEnded => true,
            Self::Unreachable(_) | Self::Broken(_) | Self::Redirect(_) | Self::Status(_) | Self::Nonsense(_) => false,
        }
    }

    /// What happened; goes on after "the local server ".
    pub(super) fn words(&self) -> String {
        match self {
            Self::Refused => "cannot be reached: connection refused".to_owned(),
            Self::Unreachable(detail) => format!("cannot be reached{}", because(detail)),
            Self::Broken(detail) => format!("dropped the connection{}", because(detail)),
            Self::Redirect(to) => {
                format!("points elsewhere, to {}; redirects are not followed", text::clean(to, 200))
            }
            Self::SessionEnded(refusal) => {
                format!("ended the session ({}{})", refusal.status.as_u16(), because(&refusal.words))
            }
            Self::Status(refusal) => format!("answered {}{}", refusal.status.as_u16(), because(&refusal.words)),
            Self::Nonsense(what) => text::clean(what, 300),
            Self::ForeignEndpoint(endpoint) => {
                format!("wants messages sent to another place, {}; that is not done", text::clean(endpoint, 200))
            }
            Self::StreamEnded => "ended its event stream".to_owned(),
        }
    }

    /// The answer to the call that it befell, whose id has this JSON text.
    pub(super) fn answer(&self, raw_id: &str) -> String {
        let refusal = match self {
            Self::Status(refusal) | Self::SessionEnded(refusal) => refusal.error.as_ref(),
            _ => None,
        };
        if let Some(error) = refusal {
            return format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"error":{error}}}"#);
        }
        let words = format!("the local server {}", self.words());
        let error = match self {
            Self::Refused | Self::Unreachable(_) => RpcError::tunnel("server.unreachable", words),
            Self::Broken(_) | Self::SessionEnded(_) | Self::StreamEnded => RpcError::tunnel("server.lost", words),
            Self::Redirect(_) => RpcError::tunnel("server.redirect", words),
            Self::Status(_) => RpcError::tunnel("server.refused", words),
            Self::Nonsense(_) => RpcError::new(INTERNAL_ERROR, "server.invalid_answer", words),
            Self::ForeignEndpoint(_) => RpcError::tunnel("server.foreign_endpoint", words),
        };
        error.answer(raw_id)
    }

    /// The end of the conversation with `url` over it.
    pub(super) fn into_exit(self, url: &ServerUrl) -> Exit {
        let status = self.words();
        let url = url.to_string();
        let first = self.cause(url.clone());
        Exit::of_url(url, status, first)
    }

    /// The cause, for a server that has never worked.
    fn cause(self, url: String) -> Cause {
        match self {
            Self::Refused => Cause::ServerUnreachable { url, detail: "connection refused".to_owned() },
            Self::Unreachable(detail) => Cause::ServerUnreachable { url, detail: text::clean(&detail, 300) },
            Self::Redirect(to) => Cause::ServerRedirect { url, to: text::clean(&to, 200) },
            Self::SessionEnded(Refusal { status, words, .. }) | Self::Status(Refusal { status, words, .. }) => {
                Cause::ServerRefused { url, status: status.as_u16(), detail: because(&words) }
            }
            Self::ForeignEndpoint(endpoint) => {
                Cause::ServerForeignEndpoint { url, endpoint: text::clean(&endpoint, 200) }
            }
            Self::Broken(_) | Self::Nonsense(_) | Self::StreamEnded => {
                Cause::ServerHandshake { detail: format!("it {}", self.words()) }
            }
        }
    }
}
