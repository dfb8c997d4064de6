//! Why a tunnel is not online: one typed cause with a sentence that says what happened. What the user can do about it
//! is in `explain`, what the program does in `remedy`.
//!
//! Tray, window, command line, `doctor` and documentation all show these words and no others.

mod explain;
mod remedy;

use std::time::Duration;

use thiserror::Error;

pub use self::explain::Explain;
pub use self::remedy::Remedy;

/// Why a tunnel is down, waits or has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Cause {
    /// TCP was refused.
    #[error("Connection refused: nothing listens at {gateway}")]
    Refused {
        /// The gateway as the user named it.
        gateway: String,
    },
    /// The gateway's name has no address, or the look-up failed.
    #[error("the name of the gateway {gateway} cannot be looked up: {detail}")]
    Lookup {
        /// The gateway as the user named it.
        gateway: String,
        /// What the resolver said.
        detail: String,
    },
    /// Any other failure on the way to the gateway.
    #[error("the gateway {gateway} cannot be reached: {detail}")]
    Unreachable {
        /// The gateway as the user named it.
        gateway: String,
        /// What the network said.
        detail: String,
    },
    /// TLS failed: certificate, name, expiry, protocol.
    #[error("no secure connection to {gateway}: {detail}")]
    Tls {
        /// The gateway as the user named it.
        gateway: String,
        /// What the check of the certificate said.
        detail: String,
    },
    /// A file with certificates or a key at this end cannot be used.
    #[error("a certificate or key at this end cannot be used: {detail}")]
    Certificate {
        /// Which file, and what is wrong with it.
        detail: String,
    },
    /// The proxy cannot be reached, or opens no way to the gateway.
    #[error("the proxy {proxy} opens no way to the gateway: {detail}")]
    Proxy {
        /// The proxy, without user and password.
        proxy: String,
        /// What it said, or the network.
        detail: String,
    },
    /// The proxy asks who we are, or does not take what we say.
    #[error("the proxy {proxy} lets nobody through: {detail}")]
    ProxyRejected {
        /// The proxy, without user and password.
        proxy: String,
        /// What it said.
        detail: String,
    },
    /// The upgrade to WebSocket was answered with something else.
    #[error("WebSocket connection failed: {gateway} answered {status}{detail}")]
    Upgrade {
        /// The gateway as the user named it.
        gateway: String,
        /// HTTP status, or what was wrong instead of one.
        status: String,
        /// A reason, beginning with a separator, or nothing.
        detail: String,
    },
    /// The gateway is there and has no tunnel endpoint.
    #[error("WebSocket connection failed: {gateway} has no tunnel endpoint (404)")]
    NoEndpoint {
        /// The gateway as the user named it.
        gateway: String,
    },
    /// The gateway takes no link over SSE + POST, or something on the way holds its event stream back.
    #[error("no link over SSE to {gateway}: {detail}")]
    NoSse {
        /// The gateway as the user named it.
        gateway: String,
        /// What came instead.
        detail: String,
    },
    /// The gateway asks for patience: 429 or 5xx.
    #[error("the gateway {gateway} is not ready ({status})")]
    Unavailable {
        /// The gateway as the user named it.
        gateway: String,
        /// The HTTP status.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// 401: the token.
    #[error("401 Unauthorized: the gateway {gateway} rejected the token{detail}")]
    TokenRejected {
        /// The gateway as the user named it.
        gateway: String,
        /// The gateway's reason, beginning with a separator, or nothing.
        detail: String,
    },
    /// 401, and no token was given.
    #[error("401 Unauthorized: the gateway {gateway} asks for a token and none is set")]
    TokenMissing {
        /// The gateway as the user named it.
        gateway: String,
    },
    /// 403: the token's rights; on the released ContextForge any failed authentication.
    #[error("403 Forbidden: the gateway {gateway} refuses this token{detail}")]
    Forbidden {
        /// The gateway as the user named it.
        gateway: String,
        /// The gateway's reason, beginning with a separator, or nothing.
        detail: String,
    },
    /// The token's own `exp` has passed.
    #[error("the token for {gateway} has expired")]
    TokenExpired {
        /// The gateway as the user named it.
        gateway: String,
    },
    /// A secret that the configuration refers to cannot be had now.
    #[error("{what}")]
    Secret {
        /// The problem's own stable code.
        code: &'static str,
        /// What happened, in its own words.
        what: String,
        /// What to do about it.
        action: String,
    },
    /// The gateway's registration was refused for a stated reason, or too often.
    #[error("the gateway refused to register this server: {reason}")]
    RegisterRefused {
        /// The gateway's words.
        reason: String,
    },
    /// The gateway said that the registration failed and nothing more: its own trouble.
    #[error("the gateway could not register this server: {reason}")]
    RegisterFailed {
        /// The gateway's words.
        reason: String,
    },
    /// The gateway took `register` and did not come to an end with it.
    #[error("the gateway did not finish the registration within {} s", after.as_secs())]
    RegisterTimeout {
        /// How long it had.
        after: Duration,
    },
    /// Another client holds the name, and takes it back each time.
    #[error("another client registers the name {name:?} on this gateway; the two displace each other")]
    Displaced {
        /// The name in question.
        name: String,
    },
    /// The gateway ended the session on purpose: deleted, evicted or displaced once.
    #[error("the gateway ended this session{detail}")]
    Removed {
        /// Its reason, beginning with a separator, or nothing.
        detail: String,
    },
    /// The link broke.
    #[error("the link to the gateway was lost: {detail}")]
    LinkLost {
        /// What the network or the close frame said.
        detail: String,
    },
    /// Nothing came for too long, not even the answer to a ping.
    #[error("the gateway has not answered for {} s", after.as_secs())]
    LinkSilent {
        /// How long nothing came.
        after: Duration,
    },
    /// The gateway closed the link because a frame was too large (1009).
    #[error("the gateway closed the link because a message was too large for it")]
    FrameTooLarge,
    /// As many tries as `--max-retries` allows have failed.
    #[error("Max retries exceeded: gave up after {}; the last: {last}", counted(*tries))]
    RetriesExhausted {
        /// How many tries were made.
        tries: u32,
        /// Why the last one failed.
        last: Box<Cause>,
    },
    /// The command of the local server is not on this machine.
    #[error("the command {program:?} was not found{searched}")]
    CommandNotFound {
        /// The program asked for.
        program: String,
        /// Where was looked, beginning with a separator, or nothing.
        searched: String,
        /// How to get it on this machine, if known.
        remedy: Option<String>,
    },
    /// The command of the local server cannot be read.
    #[error("the command of the local server cannot be read: {detail}")]
    CommandInvalid {
        /// What is wrong with it.
        detail: String,
    },
    /// The command is there and the system does not run it.
    #[error("the command {program:?} cannot be started: {detail}")]
    CommandRefused {
        /// The program asked for.
        program: String,
        /// What the system said.
        detail: String,
    },
    /// What would run is not what its user agreed to.
    #[error("the command of the local server was changed, and the new one was not agreed to")]
    CommandChanged,
    /// The local server's process ended.
    #[error("Subprocess not running: the local server {status}{stderr}")]
    ServerExited {
        /// "exited with code 3", "was killed by signal 9".
        status: String,
        /// Its last line on stderr, beginning with a separator, or nothing.
        stderr: String,
    },
    /// The local server's process ended before it ever worked.
    #[error("Subprocess not running: the local server {status} before it answered{stderr}")]
    ServerFailedToStart {
        /// As in [`Cause::ServerExited`].
        status: String,
        /// As in [`Cause::ServerExited`].
        stderr: String,
    },
    /// The local server runs and has never answered `initialize`.
    #[error("the local server did not answer within {} s{stderr}", after.as_secs())]
    ServerSilent {
        /// How long it had.
        after: Duration,
        /// Its last line on stderr, beginning with a separator, or nothing.
        stderr: String,
    },
    /// The local server answered `initialize` with an error or something unusable.
    #[error("the local server does not speak MCP: {detail}")]
    ServerHandshake {
        /// What it answered.
        detail: String,
    },
    /// Nothing at the local server's URL takes connections.
    #[error("the local server at {url} cannot be reached: {detail}")]
    ServerUnreachable {
        /// The URL as the user gave it, without its query.
        url: String,
        /// What the network, the resolver or the check of the certificate said.
        detail: String,
    },
    /// The local server's URL redirects. Whoever runs it could send calls and credentials anywhere.
    #[error("the local server at {url} points elsewhere, to {to}; redirects are not followed")]
    ServerRedirect {
        /// As in [`Cause::ServerUnreachable`].
        url: String,
        /// Where it points, cleaned for display.
        to: String,
    },
    /// The local server's URL answers with an HTTP error.
    #[error("the local server at {url} refused with {status}{detail}")]
    ServerRefused {
        /// As in [`Cause::ServerUnreachable`].
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its words, beginning with a separator, or nothing.
        detail: String,
    },
    /// A server of the older HTTP+SSE transport wants its messages sent to another origin.
    #[error("the local server at {url} wants messages sent to another place, {endpoint}; that is not done")]
    ServerForeignEndpoint {
        /// As in [`Cause::ServerUnreachable`].
        url: String,
        /// The endpoint that it named, cleaned for display.
        endpoint: String,
    },
    /// The conversation with a local server's URL is over; a new one may be begun.
    #[error("the local server at {url} {status}")]
    ServerLost {
        /// As in [`Cause::ServerUnreachable`].
        url: String,
        /// "ended the session (404)", "cannot be reached: connection refused".
        status: String,
    },
    /// A fault in Culvert itself.
    #[error("an internal error: {detail}")]
    Internal {
        /// What went wrong.
        detail: String,
    },
}

/// A reason to append to a sentence: `": reason"`, cleaned for display, or nothing when there is none.
pub fn because(reason: &str) -> String {
    let reason = crate::text::clean(reason, 300);
    if reason.is_empty() { reason } else { format!(": {reason}") }
}

/// A number of tries in words.
fn counted(tries: u32) -> String {
    if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_cleaned_and_optional() {
        assert_eq!(because(" \n"), "");
        assert_eq!(because("no\u{1b}[1m"), ": no [1m");
    }

    #[test]
    fn the_words_of_the_reference_are_kept() {
        let gateway = || "https://gw".to_owned();
        let refused = Cause::Refused { gateway: gateway() };
        assert!(refused.to_string().starts_with("Connection refused"));
        let rejected = Cause::TokenRejected { gateway: gateway(), detail: because("Token has expired") };
        assert_eq!(
            rejected.to_string(),
            "401 Unauthorized: the gateway https://gw rejected the token: Token has expired"
        );
        let once = Cause::RetriesExhausted { tries: 1, last: Box::new(refused.clone()) };
        assert!(once.to_string().starts_with("Max retries exceeded: gave up after 1 try; the last: Conn"), "{once}");
        let exhausted = Cause::RetriesExhausted { tries: 3, last: Box::new(refused) };
        assert!(exhausted.to_string().starts_with("Max retries exceeded: gave up after 3 tries; the last: Conn"));
        assert_eq!(exhausted.remedy(), Remedy::Stop);
    }
}
