//! The older HTTP+SSE transport of revision 2024-11-05: one stream of events for all that the server says, and an
//! endpoint, named on it, for all that it is told. The stream is the session: its end is the session's.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::warn;

use super::body::Outgoing;
use super::calls::Call;
use super::client::{Ask, Client};
use super::driver::Next;
use super::events::Kind;
use super::inbox::Inbox;
use super::stream::{EventStream, Held};
use super::trouble::Trouble;
use super::url::ServerUrl;
use crate::lines::Line;
use crate::local::Letter;

/// How long a server may take to begin its stream and name its endpoint.
const BEGIN: Duration = Duration::from_secs(30);

/// How long a server may take to accept a message. Its answer comes on the stream, and may take longer.
const ACCEPT_TIME: Duration = Duration::from_secs(30);

/// One session.
#[derive(Debug)]
pub(super) struct Sse {
    client: Client,
    inbox: Arc<Inbox>,
    faults: mpsc::Sender<Trouble>,
    endpoint: OnceLock<ServerUrl>,
}

impl Sse {
    pub(super) fn new(client: Client, inbox: Arc<Inbox>, faults: mpsc::Sender<Trouble>) -> Self {
        Self { client, inbox, faults, endpoint: OnceLock::new() }
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.client.place().url
    }

    /// Reads the stream to its end. `ready` hears when the endpoint is known.
    pub(super) async fn listen(&self, ready: oneshot::Sender<()>) -> Next {
        let trouble = match timeout(BEGIN, self.begin()).await {
            Ok(Ok(events)) => {
                let _ = ready.send(());
                self.follow(events).await
            }
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::Nonsense(format!("named no endpoint within {} s", BEGIN.as_secs())),
        };
        let _ = self.faults.try_send(trouble);
        Next::Nothing
    }

    async fn begin(&self) -> Result<EventStream<'_>, Trouble> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let (method, body) = (Method::GET, Outgoing::default());
        let answer = self.client.ask(Ask { method, url: self.url(), headers, credentials: None, body }).await?;
        if !answer.is("text/event-stream") {
            return Err(Trouble::Nonsense("answered GET with something that is no stream of events".to_owned()));
        }
        let mut events = EventStream::new(answer, &self.inbox);
        while let Some(Held { item, .. }) = events.next().await? {
            if let (Kind::Endpoint, Some(Line::Whole(named))) = (item.kind, item.data) {
                let named = String::from_utf8_lossy(&named);
                let endpoint = self.url().within_origin(named.trim());
                // Its query may hold a key.
                let shown = || named.split('?').next().unwrap_or_default().to_owned();
                let _ = self.endpoint.set(endpoint.ok_or_else(|| Trouble::ForeignEndpoint(shown()))?);
                return Ok(events);
            }
        }
        Err(Trouble::StreamEnded)
    }

    async fn follow(&self, mut events: EventStream<'_>) -> Trouble {
        loop {
            match events.next().await {
                Ok(Some(Held { item, turn })) => {
                    if let Some(line) = item.data.filter(|_| item.kind == Kind::Message) {
                        self.inbox.deliver(line).await;
                    }
                    drop(turn);
                }
                Ok(None) => return Trouble::StreamEnded,
                Err(trouble) => return trouble,
            }
        }
    }

    /// Sends a call and waits for its answer on the stream. `sent` opens the gate for what comes after it.
    pub(super) async fn call(&self, call: &Call, letter: Letter, sent: oneshot::Sender<()>) {
        match self.post(letter, Some(sent)).await {
            Ok(()) => call.answered().await,
            Err(trouble) if trouble.is_final() => _ = self.faults.try_send(trouble),
            Err(trouble) => self.inbox.refuse(call, &trouble).await,
        }
    }

    /// Sends what has no answer, and returns whether the server took it.
    pub(super) async fn tell(&self, letter: Letter) -> bool {
        match self.post(letter, None).await {
            Ok(()) => return true,
            Err(trouble) if trouble.is_final() => _ = self.faults.try_send(trouble),
            Err(trouble) => warn!("a message was not taken: the local server {}", trouble.words()),
        }
        false
    }

    async fn post(&self, letter: Letter, taken: Option<oneshot::Sender<()>>) -> Result<(), Trouble> {
        let Some(endpoint) = self.endpoint.get() else {
            return Err(Trouble::Nonsense("has not named its endpoint yet".to_owned()));
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let Letter { line, credentials } = letter;
        let ask = Ask {
            method: Method::POST,
            url: endpoint,
            headers,
            credentials: credentials.as_ref(),
            body: Outgoing::new(line, taken),
        };
        match timeout(ACCEPT_TIME, self.client.ask(ask)).await {
            Ok(Ok(answer)) => {
                answer.skip().await;
                Ok(())
            }
            Ok(Err(Trouble::Status(refusal))) if refusal.status == StatusCode::NOT_FOUND => {
                Err(Trouble::SessionEnded(refusal))
            }
            Ok(Err(trouble)) => Err(trouble),
            Err(_) => Err(Trouble::Broken(format!("not accepted within {} s", ACCEPT_TIME.as_secs()))),
        }
    }
}
