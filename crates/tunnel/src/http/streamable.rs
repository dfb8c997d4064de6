//! Streamable HTTP, revisions 2025-03-26 to 2025-11-25: one session at one endpoint. What each request says of the
//! session, and what an answer says about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use culvert_protocol::message::{Message, member};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::warn;

use super::body::Outgoing;
use super::client::{Answer, Ask, Client};
use super::headers::Credentials;
use super::inbox::Inbox;
use super::pace::Pace;
use super::trouble::Trouble;
use super::url::ServerUrl;
use crate::local::Letter;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// How long a server may take to accept what has no answer.
const ACCEPT_TIME: Duration = Duration::from_secs(30);

/// How long a server may take to begin a stream of events.
const STREAM_TIME: Duration = Duration::from_secs(30);

/// One session.
#[derive(Debug)]
pub(super) struct Streamable {
    client: Client,
    pub(super) inbox: Arc<Inbox>,
    faults: mpsc::Sender<Trouble>,
    random: Mutex<fastrand::Rng>,
    agreed: Mutex<Agreed>,
}

/// What `initialize` has brought.
#[derive(Debug, Clone, Default)]
struct Agreed {
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum From<'a> {
    /// Now: what the server says by itself.
    Now,
    /// After this event of a stream that was cut.
    After(&'a HeaderValue),
}

impl Streamable {
    pub(super) fn new(client: Client, inbox: Arc<Inbox>, faults: mpsc::Sender<Trouble>, random: fastrand::Rng) -> Self {
        Self { client, inbox, faults, random: Mutex::new(random), agreed: Mutex::default() }
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.client.place().url
    }

    /// The waits of one stream.
    pub(super) fn pace(&self) -> Pace {
        Pace::new(self.random.lock().unwrap_or_else(PoisonError::into_inner).fork())
    }

    /// Ends the conversation. The first reason counts.
    pub(super) fn fail(&self, trouble: Trouble) {
        let _ = self.faults.try_send(trouble);
    }

    /// Whether `initialize` has been answered.
    pub(super) fn is_established(&self) -> bool {
        self.agreed().version.is_some()
    }

    /// Learns from the head of the answer to `initialize`.
    pub(super) fn learn_session(&self, answer: &Answer<'_>) {
        let id = answer.headers.get(SESSION_ID).filter(|id| id.as_bytes().iter().all(u8::is_ascii_graphic));
        if let Some(id) = id {
            let mut id = id.clone();
            id.set_sensitive(true);
            self.agreed().session = Some(id);
        }
    }

    /// Learns from a message that may be the answer to `initialize`.
    pub(super) fn learn_version(&self, line: &[u8]) {
        let text = std::str::from_utf8(line).unwrap_or_default();
        let result = Message::parse(text).ok().and_then(|message| message.result());
        let version = result.and_then(|result| member(result, "protocolVersion").ok().flatten());
        let version = version.and_then(|version| serde_json::from_str::<&str>(version.get()).ok());
        if let Some(version) = version.and_then(|version| HeaderValue::from_str(version).ok()) {
            self.agreed().version = Some(version);
        }
    }

    /// Posts a message. `taken` hears when it is on its way.
    pub(super) async fn post(&self, letter: Letter, taken: Option<oneshot::Sender<()>>) -> Result<Answer<'_>, Trouble> {
        let Letter { line, credentials } = letter;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, BOTH);
        headers.insert(CONTENT_TYPE, JSON);
        self.ask(Method::POST, headers, credentials.as_ref(), Outgoing::new(line, taken)).await
    }

    /// Asks for a stream of events.
    pub(super) async fn stream(
        &self,
        from: From<'_>,
        credentials: Option<&Credentials>,
    ) -> Result<Answer<'_>, Trouble> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, EVENTS);
        if let From::After(id) = from {
            headers.insert(LAST_EVENT_ID, id.clone());
        }
        let answer = self.ask(Method::GET, headers, credentials, Outgoing::default());
        match timeout(STREAM_TIME, answer).await {
            Ok(Ok(answer)) if !answer.is("text/event-stream") => {
                Err(Trouble::Nonsense("answered GET with something that is no stream of events".to_owned()))
            }
            Ok(answered) => answered,
            Err(_) => Err(Trouble::Broken(format!("no answer within {} s", STREAM_TIME.as_secs()))),
        }
    }

    /// Sends what has no answer, and returns whether the server took it.
    pub(super) async fn tell(&self, letter: Letter) -> bool {
        match timeout(ACCEPT_TIME, self.post(letter, None)).await {
            Ok(Ok(answer)) => {
                answer.skip().await;
                return true;
            }
            Ok(Err(trouble)) if trouble.is_final() => self.fail(trouble),
            Ok(Err(trouble)) => warn!("a message was not taken: the local server {}", trouble.words()),
            Err(_) => warn!("the local server did not accept a message within {} s", ACCEPT_TIME.as_secs()),
        }
        false
    }

    /// Ends the server's session, if it has one. Not every server lets clients do that.
    pub(super) async fn goodbye(&self) {
        if self.agreed().session.is_some() {
            let _ = self.ask(Method::DELETE, HeaderMap::new(), None, Outgoing::default()).await;
        }
    }

    async fn ask(
        &self,
        method: Method,
        mut headers: HeaderMap,
        credentials: Option<&Credentials>,
        body: Outgoing,
    ) -> Result<Answer<'_>, Trouble> {
        let Agreed { session, version } = self.agreed().clone();
        let in_session = session.is_some();
        headers.extend(session.map(|id| (SESSION_ID, id)));
        headers.extend(version.map(|version| (PROTOCOL_VERSION, version)));
        let ask = Ask { method, url: self.url(), headers, credentials, body };
        self.client.ask(ask).await.map_err(|trouble| match trouble {
            Trouble::Status(refusal) if in_session && ends_session(refusal.status, &refusal.words) => {
                Trouble::SessionEnded(refusal)
            }
            other => other,
        })
    }

    fn agreed(&self) -> MutexGuard<'_, Agreed> {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error within a session says that there is none. The rule is 404; servers made after the SDK's examples
/// answer 400 and "No valid session ID provided" once they have been restarted.
fn ends_session(status: StatusCode, words: &str) -> bool {
    match status {
        StatusCode::NOT_FOUND => true,
        StatusCode::BAD_REQUEST => words.to_ascii_lowercase().contains("session id"),
        _ => false,
    }
}
