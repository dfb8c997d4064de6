//! One client of a shared child: what it says, until it leaves, is cut off, or the child is gone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use culvert_link::queue::{self, Gone};
use culvert_protocol::message::{Id, Message, Shape};
use culvert_protocol::revision::META_LOG_LEVEL;
use culvert_protocol::rpc_error::{INVALID_REQUEST, PARSE_ERROR, RpcError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::own::{cancellation, refused};
use super::table::{ClientId, Owner};
use super::{Core, Initialized, splicing};
use crate::conversation::ToServer;
use crate::era::{self, Era};
use crate::progress;
use crate::users::Place;

/// How long a client that is cut off may take to fetch the errors that say why.
const FAREWELL: Duration = Duration::from_secs(5);

/// A client, as its task sees it.
pub(super) struct Client {
    pub(super) core: Arc<Core>,
    pub(super) id: ClientId,
    pub(super) to_client: queue::Sender<Bytes>,
    pub(super) raw: ToServer,
    /// Among those who use the child.
    pub(super) _place: Place,
}

/// Why a client's conversation is over.
enum Over {
    /// It has gone away.
    Left,
    /// It took too little of what was sent to it.
    Slow,
    /// The child is gone.
    Ended(RpcError),
}

impl Client {
    /// Serves the client to the end.
    pub(super) async fn run(self, mut from_client: queue::Receiver<Bytes>, cut: CancellationToken) {
        let over = tokio::select! {
            biased;
            why = self.core.closed() => Over::Ended(why),
            () = cut.cancelled() => Over::Slow,
            () = self.to_client.closed() => Over::Left,
            over = self.serve(&mut from_client) => over,
        };
        match over {
            Over::Left => {
                self.cancel_all("the client went away").await;
            }
            Over::Slow => {
                self.core.count(|counts| &counts.cut);
                tracing::warn!("a client takes its messages too slowly; its session ends");
                let why = RpcError::tunnel(
                    "client.slow",
                    "the session ended: the client took too little of what the server sent",
                );
                let calls = self.cancel_all("the client is too slow").await;
                self.farewell(&why, calls, &mut from_client).await;
            }
            Over::Ended(why) => {
                let calls = self.leave();
                self.farewell(&why, calls, &mut from_client).await;
            }
        }
    }
}

impl Client {
    async fn serve(&self, from_client: &mut queue::Receiver<Bytes>) -> Over {
        let answer = match self.core.ready().await {
            Ok(answer) => answer,
            Err(why) => return Over::Ended(why),
        };
        while let Some(line) = from_client.recv().await {
            if self.said(&line.item, &answer).await.is_err() {
                return Over::Ended(self.core.closed().await);
            }
        }
        Over::Left
    }

    /// One message of the client. [`Gone`]: the child is.
    async fn said(&self, line: &Bytes, initialized: &Initialized) -> Result<(), Gone> {
        let message = match std::str::from_utf8(line).map(Message::parse) {
            Ok(Ok(message)) => message,
            Ok(Err(malformed)) => {
                let why = RpcError::new(INVALID_REQUEST, "message.invalid", format!("not a message: {malformed}"));
                return self.answer(why.answer("null")).await;
            }
            Err(_) => {
                let why = RpcError::new(PARSE_ERROR, "message.invalid", "not a message: not UTF-8");
                return self.answer(why.answer("null")).await;
            }
        };
        match (message.shape(), &*message.method()) {
            (Shape::Request(_), "initialize") => {
                match initialized.answer(&message) {
                    Ok(answer) => self.answer(answer).await?,
                    Err(why) => self.answer(why.answer(message.raw_id().unwrap_or("null"))).await?,
                }
                self.core.table().listens(self.id);
                Ok(())
            }
            (Shape::Request(id), _) => self.request(&message, id).await,
            // Said once for all, and the child was told of no roots.
            (Shape::Notification, "notifications/initialized" | "notifications/roots/list_changed") => Ok(()),
            (Shape::Notification, "notifications/cancelled") => self.cancelled(&message).await,
            (Shape::Notification, _) => self.raw.send(line.clone()).await,
            (Shape::Response(_), _) => {
                self.core.count(|counts| &counts.stray);
                Ok(())
            }
        }
    }

    async fn request(&self, message: &Message<'_>, id: &Id) -> Result<(), Gone> {
        let raw_id = message.raw_id().unwrap_or("null");
        let token = match progress::asked(message) {
            Ok(token) => token,
            Err(malformed) => {
                let why = RpcError::new(INVALID_REQUEST, "message.invalid", format!("not a request: {malformed}"));
                return self.answer(why.answer(raw_id)).await;
            }
        };
        if self.core.era() == Some(Era::Modern) && asks_for_logs(message) {
            self.core.table().listens(self.id);
        }
        let owner = Owner::Client(self.id, id.clone());
        let begun = self.core.table().begin(owner, raw_id, token.map(serde_json::value::RawValue::get));
        match begun {
            Ok(number) => self.raw.send(splicing::request(message, token, number)).await,
            Err(refusal) => self.answer(refused(refusal).answer(raw_id)).await,
        }
    }

    async fn cancelled(&self, message: &Message<'_>) -> Result<(), Gone> {
        // MCP: what names no call in flight is ignored.
        let Some(part) = message.param(&["requestId"]).ok().flatten() else { return Ok(()) };
        let Ok(id) = Id::of(part) else { return Ok(()) };
        let number = self.core.table().cancel(self.id, &id, Instant::now());
        let Some(number) = number else { return Ok(()) };
        self.core.cancelled.notify_one();
        self.raw.send(splicing::part(message, part, &number.to_string())).await
    }

    /// Says something to the client itself; that it has gone is noticed elsewhere.
    async fn answer(&self, text: impl Into<Bytes>) -> Result<(), Gone> {
        let _ = self.to_client.send(text.into()).await;
        Ok(())
    }

    /// Takes the client out of the table; returns the calls that it leaves behind.
    fn leave(&self) -> Vec<Left> {
        self.core
            .table()
            .leave(self.id)
            .into_iter()
            .map(|(number, call)| Left { number, id: call.id, cancelled: call.cancelled })
            .collect()
    }

    /// Takes the client out and tells the child that nobody waits any more.
    async fn cancel_all(&self, reason: &'static str) -> Vec<Left> {
        let calls = self.leave();
        for call in calls.iter().filter(|call| !call.cancelled) {
            tokio::select! {
                sent = self.raw.send(cancellation(call.number, reason)) => if sent.is_err() { break },
                () = self.core.stop.cancelled() => break,
            }
        }
        calls
    }

    /// The one answer to each call that is left, and to each request that was never read.
    async fn farewell(&self, why: &RpcError, calls: Vec<Left>, from_client: &mut queue::Receiver<Bytes>) {
        let unread = std::iter::from_fn(|| from_client.try_recv()).filter_map(|line| {
            let message = Message::parse(std::str::from_utf8(&line.item).ok()?).ok()?;
            matches!(message.shape(), Shape::Request(_)).then(|| message.raw_id().unwrap_or("null").into())
        });
        let ids: Vec<Box<str>> = calls.into_iter().map(|call| call.id).chain(unread).collect();
        let told = async {
            for id in &ids {
                if self.to_client.send(why.answer(id).into()).await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(FAREWELL, told).await.is_err() {
            tracing::debug!(calls = ids.len(), "a client did not fetch the reason for its session's end");
        }
    }
}

/// Whether a modern request asks for log messages.
fn asks_for_logs(request: &Message<'_>) -> bool {
    era::may_have(request, "logLevel") && request.param(&["_meta", META_LOG_LEVEL]).is_ok_and(|level| level.is_some())
}

/// A call that its client leaves behind.
struct Left {
    number: u64,
    id: Box<str>,
    cancelled: bool,
}
