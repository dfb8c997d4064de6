//! A small HTTP/1.1 client for one origin: connections are kept and used again, redirects are not followed, and an
//! error answer becomes a [`Trouble`] with the server's words in it.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::message;
use http::header::{CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::Place;
use super::body::{Gather, Outgoing};
use super::connect::connect;
use super::headers::Credentials;
use super::trouble::{Refusal, Trouble};
use super::url::ServerUrl;
use crate::lines::Line;

/// How long an idle connection is used again: Node and uvicorn close theirs after 5 s, and a request that is just on
/// its way then would be lost.
const IDLE: Duration = Duration::from_secs(4);

/// How long a connection that has carried its answer may take to be ready for the next request.
const READY: Duration = Duration::from_millis(200);

/// How much of an error answer is read, and for how long.
const ERROR_BODY: usize = 64 * 1024;
const ERROR_TIME: Duration = Duration::from_secs(5);

/// How much is read of an answer that means nothing, so that its connection can be used again.
const REST: usize = 64 * 1024;

/// How we introduce ourselves, unless the user's headers do it.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("culvert/", env!("CARGO_PKG_VERSION")));

/// Speaks to one local server.
#[derive(Debug)]
pub(super) struct Client {
    place: Place,
    idle: Mutex<Vec<(SendRequest<Outgoing>, Instant)>>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: &'a ServerUrl,
    /// What the transport says in headers.
    pub(super) headers: HeaderMap,
    /// The caller's, for a server that may see them.
    pub(super) credentials: Option<&'a Credentials>,
    pub(super) body: Outgoing,
}

/// A good answer whose body is still to be read. Dropped before its end, its connection is closed.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    client: &'a Client,
    connection: Option<SendRequest<Outgoing>>,
}

impl Client {
    pub(super) fn new(place: Place) -> Self {
        Self { place, idle: Mutex::default() }
    }

    /// Where the server is.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Sends a request and waits for the head of its answer. The wait has no end of its own: a call takes as long as it
    /// takes.
    ///
    /// # Errors
    /// [`Trouble`], also for every answer whose status is not 2xx.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Answer<'_>, Trouble> {
        let mut request = self.request(ask)?;
        loop {
            let (mut connection, fresh) = match self.kept().await {
                Some(connection) => (connection, false),
                None => (self.connect().await?, true),
            };
            match connection.try_send_request(request).await {
                Ok(response) => return self.judge(response, connection).await,
                // A kept connection that was closed meanwhile gives the request back untouched.
                Err(mut failed) => match failed.take_message() {
                    Some(again) if !fresh => request = again,
                    _ => return Err(Trouble::Broken(because(failed.error()))),
                },
            }
        }
    }

    fn request(&self, ask: Ask<'_>) -> Result<Request<Outgoing>, Trouble> {
        let bad = |error: &dyn std::fmt::Display| Trouble::Unreachable(format!("its URL makes no request: {error}"));
        let mut request = Request::new(ask.body);
        *request.method_mut() = ask.method;
        *request.uri_mut() = Uri::try_from(ask.url.path_and_query()).map_err(|error| bad(&error))?;
        let host = HeaderValue::try_from(ask.url.authority()).map_err(|error| bad(&error))?;
        let headers = request.headers_mut();
        *headers = ask.headers;
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, AGENT);
        self.place.headers.apply(headers);
        if let Some(credentials) = ask.credentials {
            credentials.apply(headers);
        }
        Ok(request)
    }

    /// A connection that can be used again.
    async fn kept(&self) -> Option<SendRequest<Outgoing>> {
        loop {
            let (mut connection, since) = self.idle().pop()?;
            if since.elapsed() < IDLE && matches!(timeout(READY, connection.ready()).await, Ok(Ok(()))) {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Outgoing>, Trouble> {
        let stream = connect(&self.place).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| Trouble::Broken(because(&error)))?;
        // It ends by itself when its sender and the body of its last answer are gone.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!("a connection to the local server failed: {}", because(&error));
            }
        });
        Ok(sender)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(SendRequest<Outgoing>, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a good answer, and reads the words of a bad one.
    async fn judge(
        &self,
        response: Response<Incoming>,
        connection: SendRequest<Outgoing>,
    ) -> Result<Answer<'_>, Trouble> {
        let (head, body) = response.into_parts();
        let mut answer =
            Answer { status: head.status, headers: head.headers, body, client: self, connection: Some(connection) };
        if head.status.is_success() {
            return Ok(answer);
        }
        if let Some(to) = answer.headers.get(LOCATION).filter(|_| head.status.is_redirection()) {
            // Its query may hold a key.
            let to = String::from_utf8_lossy(to.as_bytes());
            return Err(Trouble::Redirect(to.split('?').next().unwrap_or_default().to_owned()));
        }
        let body = timeout(ERROR_TIME, answer.read(ERROR_BODY)).await.ok().and_then(Result::ok).flatten();
        let Some(Line::Whole(body)) = body else { return Err(Trouble::Status(Refusal::bare(head.status))) };
        let text = String::from_utf8_lossy(&body);
        Err(Trouble::Status(match answer.is("application/json") {
            true => refusal_in_json(head.status, &text),
            false => refusal_in_words(head.status, text),
        }))
    }
}

/// What an error answer says: a text, if it is short and for people.
fn refusal_in_words(status: StatusCode, text: Cow<'_, str>) -> Refusal {
    let is_short = !text.trim_start().starts_with('<') && text.len() <= 300;
    if is_short { Refusal { words: text.into_owned(), ..Refusal::bare(status) } } else { Refusal::bare(status) }
}

/// What an error answer says: the message of a JSON-RPC error.
fn refusal_in_json(status: StatusCode, text: &str) -> Refusal {
    let error = serde_json::from_str::<&RawValue>(text).ok().and_then(|body| message::member(body, "error").ok()?);
    let said = error.and_then(|error| message::member(error, "message").ok()?);
    let said = said.and_then(|said| serde_json::from_str::<String>(said.get()).ok());
    match (error, said) {
        (Some(error), Some(words)) if is_rpc_error(error) => Refusal { status, words, error: Some(error.to_owned()) },
        (_, Some(words)) => Refusal { status, words, error: None },
        _ => Refusal::bare(status),
    }
}

fn is_rpc_error(error: &RawValue) -> bool {
    let code = message::member(error, "code").ok().flatten();
    code.is_some_and(|code| serde_json::from_str::<i64>(code.get()).is_ok())
}

impl Answer<'_> {
    /// Whether its body is of this type.
    pub(super) fn is(&self, essence: &str) -> bool {
        let given = self.headers.get(CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
        given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(essence))
    }

    /// The next piece of its body; `None` at the end. Cancel safe.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            match std::future::poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    // Trailers say nothing to us.
                    Err(_) => {}
                },
                Some(Err(error)) => return Err(Trouble::Broken(because(&error))),
                None => {
                    if let Some(connection) = self.connection.take().filter(|connection| !connection.is_closed()) {
                        self.client.idle().push((connection, Instant::now()));
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Its whole body as one line, if it has up to `limit` bytes.
    pub(super) async fn read(&mut self, limit: usize) -> Result<Option<Line>, Trouble> {
        let mut gather = Gather::new(limit);
        while let Some(piece) = self.piece().await? {
            gather.push(&piece);
        }
        Ok(gather.take())
    }

    /// Reads over a body that says nothing, so that the connection can be used again.
    pub(super) async fn skip(mut self) {
        let short = async {
            let mut left = REST;
            while let Ok(Some(piece)) = self.piece().await {
                match left.checked_sub(piece.len()) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        let _ = timeout(ERROR_TIME, short).await;
    }
}

/// What hyper says, with the reason behind it.
fn because(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
