//! One HTTP/1.1 connection of a client, which ends when this is dropped.

use bytes::Bytes;
use culvert_protocol::Cause;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::DEAD;
use crate::activity::{Activity, Watched};
use crate::dial::Way;

/// Bytes of an answer that are read, so that the connection can be used again.
const MAX_ANSWER: usize = 64 * 1024;

/// A connection that can be asked.
#[derive(Debug)]
pub(super) struct HttpConnection {
    requests: SendRequest<Full<Bytes>>,
    activity: Activity,
    task: JoinHandle<()>,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The connection broke, or was closed before.
    Broken(String),
    /// Nothing moved on it for so long that it counts as dead.
    Silent,
}

impl HttpConnection {
    /// Opens one.
    pub(super) async fn open(way: &Way) -> Result<Self, Cause> {
        let lost = |error: hyper::Error| Cause::LinkLost { detail: error.to_string() };
        Self::over(way.open().await?).await.map_err(lost)
    }

    /// Speaks HTTP over a stream.
    pub(super) async fn over(stream: Watched) -> Result<Self, hyper::Error> {
        let activity = stream.activity();
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = tokio::spawn(async move {
            // Whoever asks is told.
            let _ = connection.await;
        });
        Ok(Self { requests, activity, task })
    }

    /// Whether it still looks usable.
    pub(super) fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Sends a request; the answer's body is still to come.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        self.requests.ready().await?;
        self.requests.send_request(request).await
    }

    /// Sends a request and waits for the whole answer, of which only the status matters.
    pub(super) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<StatusCode, Unanswered> {
        let (asked, activity, task) = (Instant::now(), self.activity.clone(), self.task.abort_handle());
        let exchange = async {
            let answer = self.ask(request).await?;
            let (head, body) = answer.into_parts();
            let rest = Limited::new(body, MAX_ANSWER).collect().await;
            Ok((head.status, rest.is_ok()))
        };
        tokio::pin!(exchange);
        let answered: Result<_, hyper::Error> = loop {
            // Bytes count, not whole requests: a slow upload is no silence.
            let dead = asked.max(activity.last_read()).max(activity.last_written()) + DEAD;
            tokio::select! {
                answered = &mut exchange => break answered,
                () = sleep_until(dead) => {
                    if asked.max(activity.last_read()).max(activity.last_written()) + DEAD <= Instant::now() {
                        return Err(Unanswered::Silent);
                    }
                }
            }
        };
        let (status, is_read) = answered.map_err(|error| Unanswered::Broken(error.to_string()))?;
        if !is_read {
            task.abort();
        }
        Ok(status)
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
