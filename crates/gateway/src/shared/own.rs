//! What the gateway itself says to a shared child: the handshake, its own calls, answers and cancellations.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::message::{self, Message, Shape};
use culvert_protocol::revision::MODERN;
use culvert_protocol::rpc_error::RpcError;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::initialized::{self, Initialized};
use super::table::{Owner, Refusal};
use super::{CallError, Core, INITIALIZE_LIMIT, Phase, splicing};
use crate::conversation::ToServer;
use crate::progress;

/// The code of an answer that no server of a modern revision gives.
pub(crate) const LEGACY: &str = "server.legacy";

/// The code of a child that did not say what it speaks.
pub(crate) const SILENT: &str = "server.silent";

/// Carries the gateway's own messages to the child, so that nobody else has to wait for a child that does not read.
pub(super) async fn post(core: Arc<Core>, mut mail: mpsc::Receiver<Bytes>, raw: ToServer) {
    let deliver = async {
        while let Some(message) = mail.recv().await {
            if raw.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = deliver => {}
        () = core.stop.cancelled() => {}
    }
}

/// How long a fresh child may take to say whether it speaks a modern revision: as long as a local server may take to
/// start unless told otherwise. Legacy ones may keep silent; nobody has to wait for all of it.
pub(crate) const DISCOVER_LIMIT: Duration = Duration::from_secs(120);

/// How long a child that has answered other things may still owe the answer to what it speaks.
const OWED: Duration = Duration::from_secs(2);

/// When a child that has not said what it speaks is asked for a sign of life: most have answered by then.
const DOUBT: Duration = Duration::from_secs(1);

/// The same for one that has just refused `initialize`, and so has started.
const AFTER_REFUSAL: Duration = Duration::from_secs(15);

/// What the gateway says first to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// `initialize`; and `server/discover` to a server that refuses it.
    Initialize,
    /// `server/discover` and nothing else: it is a modern child or none.
    Discover,
}

/// The first words with the child.
pub(super) async fn handshake(core: Arc<Core>, opening: Opening) {
    let talk = async {
        match opening {
            Opening::Discover => discover(&core, DISCOVER_LIMIT).await,
            Opening::Initialize => initialize(&core).await,
        }
    };
    let outcome = tokio::select! {
        outcome = talk => outcome,
        () = core.stop.cancelled() => return,
    };
    match outcome {
        Ok(answer) => core.phase.send_modify(|phase| {
            if matches!(phase, Phase::Starting) {
                *phase = Phase::Ready(Arc::new(answer));
            }
        }),
        Err(why) => core.end(why),
    }
}

async fn initialize(core: &Core) -> Result<Initialized, RpcError> {
    let request = wrap("initialize", Some(&initialized::params()));
    let answer = core.exchange(&request, INITIALIZE_LIMIT).await.map_err(|error| match error {
        CallError::Ended(why) => why,
        other => RpcError::tunnel("server.handshake", format!("the local server could not be initialised: {other}")),
    })?;
    let text = std::str::from_utf8(&answer).unwrap_or_default();
    let answer = match Initialized::of(text) {
        Err(refused) if Message::parse(text).is_ok_and(|answer| answer.error().is_some()) => {
            return discover(core, AFTER_REFUSAL).await.map_err(|_| refused);
        }
        other => other?,
    };
    let raw = core.raw().ok_or_else(|| core.why_ended())?;
    raw.send(Bytes::from_static(initialized::INITIALIZED.as_bytes())).await.map_err(|_| super::gone())?;
    Ok(answer)
}

/// Asks the child what it speaks; each answer may take `limit`.
async fn discover(core: &Core, limit: Duration) -> Result<Initialized, RpcError> {
    let mut revision = MODERN.to_owned();
    let legacy = || RpcError::tunnel(LEGACY, "the local server speaks no revision of MCP without initialize");
    for _ in 0..2 {
        let params = format!(r#"{{"_meta":{}}}"#, initialized::meta(&revision));
        let request = wrap("server/discover", Some(&params));
        let answer = tokio::select! {
            biased;
            answer = core.exchange(&request, limit) => answer,
            () = passed_over(core, limit) => Err(CallError::Timeout(OWED)),
        };
        let answer = answer.map_err(|error| match error {
            CallError::Ended(why) => why,
            CallError::Timeout(_) => RpcError::tunnel(SILENT, "the local server did not say what it speaks"),
            CallError::Refused(_) | CallError::Malformed(_) => legacy(),
        })?;
        let answer = Message::parse(std::str::from_utf8(&answer).unwrap_or_default()).map_err(|_| legacy())?;
        if let Some(found) = answer.result().and_then(Initialized::discovered) {
            return Ok(found);
        }
        let error = answer.error().filter(|error| error_code(error) == Some(initialized::UNSUPPORTED_VERSION));
        let listed = error
            .and_then(|error| message::member(error, "data").ok()?)
            .and_then(|data| message::member(data, "supported").ok()?);
        revision = listed.and_then(initialized::newest_modern).ok_or_else(legacy)?;
    }
    Err(legacy())
}

/// Completes when the child has answered a later request and goes on to owe the first answer: some legacy servers keep
/// silent at what they do not know, and are not just slow to start.
async fn passed_over(core: &Core, limit: Duration) {
    tokio::time::sleep(DOUBT).await;
    if core.exchange(&wrap("ping", None), limit).await.is_err() {
        // The first request's own limit, or the child's end, says the rest.
        return std::future::pending().await;
    }
    tokio::time::sleep(OWED).await;
}

/// The number of a JSON-RPC error.
fn error_code(error: &RawValue) -> Option<i32> {
    serde_json::from_str(message::member(error, "code").ok()??.get()).ok()
}

/// A request with an id that is replaced before it leaves.
fn wrap(method: &str, params: Option<&str>) -> String {
    let method = serde_json::Value::from(method);
    match params {
        Some(params) => format!(r#"{{"jsonrpc":"2.0","id":0,"method":{method},"params":{params}}}"#),
        None => format!(r#"{{"jsonrpc":"2.0","id":0,"method":{method}}}"#),
    }
}

/// `notifications/cancelled` for the call that the child knows by `number`.
pub(super) fn cancellation(number: u64, reason: &'static str) -> Bytes {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number},"reason":"{reason}"}}}}"#
    )
    .into()
}

impl Core {
    /// Puts a message of the gateway's own on its way; one that does not fit is counted as astray, for a child that
    /// asks and asks without reading the answers must not fill memory.
    pub(super) fn say(&self, message: impl Into<Bytes>) {
        if self.outbox.try_send(message.into()).is_err() {
            self.count(|counts| &counts.stray);
        }
    }

    pub(super) async fn request(
        &self,
        method: &str,
        params: Option<&str>,
        limit: Duration,
    ) -> Result<String, CallError> {
        let ready = self.ready().await.map_err(CallError::Ended)?;
        self.ask(&wrap(method, ready.own_params(params).as_deref()), limit).await
    }

    pub(super) async fn request_as(&self, method: &str, params: &str, limit: Duration) -> Result<String, CallError> {
        self.ask(&wrap(method, Some(params)), limit).await
    }

    /// One request of the gateway's own, and its result.
    async fn ask(&self, request: &str, limit: Duration) -> Result<String, CallError> {
        let answer = self.exchange(request, limit).await?;
        let text = std::str::from_utf8(&answer).unwrap_or_default();
        let answer = Message::parse(text).map_err(CallError::Malformed)?;
        match (answer.result(), answer.error()) {
            (Some(result), None) => Ok(result.get().to_owned()),
            (_, Some(error)) => Err(CallError::Refused(error.get().to_owned())),
            (None, None) => Err(CallError::Refused("null".to_owned())),
        }
    }

    pub(super) async fn relay(&self, text: &str, limit: Duration) -> Result<Option<Bytes>, CallError> {
        let message = Message::parse(text).map_err(CallError::Malformed)?;
        let ready = self.ready().await.map_err(CallError::Ended)?;
        match (message.shape(), &*message.method()) {
            (Shape::Request(_), "initialize") => ready.answer(&message).map(Some).map_err(CallError::Ended),
            (Shape::Request(_), _) => self.exchange(text, limit).await.map(Some),
            (Shape::Notification, "notifications/initialized" | "notifications/cancelled")
            | (Shape::Response(_), _) => Ok(None),
            (Shape::Notification, _) => {
                let raw = self.raw().ok_or_else(|| CallError::Ended(self.why_ended()))?;
                let sent = tokio::time::timeout(limit, raw.send(Bytes::copy_from_slice(text.as_bytes()))).await;
                sent.map_err(|_| CallError::Timeout(limit))?.map_err(|_| CallError::Ended(self.why_ended()))?;
                Ok(None)
            }
        }
    }

    /// One request and its answer, whose id is the request's again.
    async fn exchange(&self, text: &str, limit: Duration) -> Result<Bytes, CallError> {
        let request = Message::parse(text).map_err(CallError::Malformed)?;
        let token = progress::asked(&request).map_err(CallError::Malformed)?;
        let raw = self.raw().ok_or_else(|| CallError::Ended(self.why_ended()))?;
        let (answer, waits) = oneshot::channel();
        // No token is kept: nobody here listens to progress.
        let number = self.table().begin(Owner::Gateway(answer), request.raw_id().unwrap_or("null"), None);
        let number = number.map_err(|refusal| CallError::Ended(refused(refusal)))?;
        let _pending = Pending { core: self, number };
        let sent = splicing::request(&request, token, number);
        let exchange = async {
            raw.send(sent).await.map_err(|_| ())?;
            waits.await.map_err(|_| ())
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(())) => Err(CallError::Ended(self.why_ended())),
            Err(_) => Err(CallError::Timeout(limit)),
        }
    }
}

/// The words for a call that is not taken.
pub(super) fn refused(refusal: Refusal) -> RpcError {
    match refusal {
        Refusal::Duplicate => RpcError::new(
            culvert_protocol::rpc_error::INVALID_REQUEST,
            "request.duplicate_id",
            "a request with this id is still in flight",
        ),
        Refusal::Full => RpcError::tunnel("calls.too_many", "too many calls are in flight on this server; try later"),
        Refusal::Left => super::gone(),
    }
}

/// A call of the gateway's own. Given up without an answer, it is cancelled towards the child.
struct Pending<'c> {
    core: &'c Core,
    number: u64,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.core.table().end(self.number).is_some() {
            self.core.say(cancellation(self.number, "the gateway gave the call up"));
        }
    }
}
