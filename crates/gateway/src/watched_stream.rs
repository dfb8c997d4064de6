//! Streams end with the bearer that opened them: a token is checked when a request comes in, and an event stream may
//! go on long after it has expired or was revoked.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use crate::clock::UnixTime;
use crate::house::House;
use crate::reply::Body;
use crate::rights::Bearer;

/// How often the bearer of an open stream is judged anew.
const REVIEW: Duration = Duration::from_secs(2);

/// Puts an event stream under watch; other answers pass as they are.
pub(crate) fn watch(response: Response<Body>, house: Arc<House>, bearer: Bearer) -> Response<Body> {
    let content = response.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    if !content.starts_with(b"text/event-stream") {
        return response;
    }
    let mut review = interval_at(tokio::time::Instant::now() + REVIEW, REVIEW);
    review.set_missed_tick_behavior(MissedTickBehavior::Delay);
    response.map(|stream| Watched { stream, house, bearer, review }.boxed_unsync())
}

struct Watched {
    stream: Body,
    house: Arc<House>,
    bearer: Bearer,
    review: Interval,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.review.poll_tick(cx).is_ready() {
            if let Err(why) = self.house.trust.confirm(&self.bearer, UnixTime::now()) {
                tracing::info!(subject = %self.bearer.subject(), %why, "event stream ended");
                return Poll::Ready(None);
            }
        }
        Pin::new(&mut self.stream).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.size_hint()
    }
}
