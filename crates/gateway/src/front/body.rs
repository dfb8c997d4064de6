//! Reading a POST's body: whole, within a size and a time.

use std::fmt::Display;
use std::pin::pin;

use bytes::Bytes;
use culvert_protocol::message::{Message, Shape};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::timeout;

use super::Limits;
use super::refusal::Refusal;
use crate::backend::Backend;
use crate::body::Arrived;

/// Reads it all; a body that arrives in one piece is not copied.
pub(super) async fn read<B>(body: B, limits: &Limits) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let limit = limits.max_body;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Refusal::too_large(limit));
    }
    let whole = async {
        let mut body = pin!(body);
        let mut arrived = Arrived::default();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| Refusal::body(&error.to_string()))?.into_data() else { continue };
            if arrived.len() + data.len() > limit {
                return Err(Refusal::too_large(limit));
            }
            arrived.push(data);
        }
        Ok(arrived.whole())
    };
    timeout(limits.arrival, whole).await.unwrap_or_else(|_| Err(Refusal::body_timeout()))
}

/// Whether the tunnel to the server takes a message.
pub(super) fn fits(message: &[u8], backend: &Backend) -> Result<(), Refusal> {
    let most = backend.takes();
    if message.len() > most { Err(Refusal::too_large_for_tunnel(most)) } else { Ok(()) }
}

/// The refusal, saying which request it is about where the body holds one that can be read.
pub(super) async fn refused<B>(body: B, limits: &Limits, refusal: Refusal) -> Refusal
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let Ok(body) = read(body, limits).await else { return refusal };
    match std::str::from_utf8(&body).map(Message::parse) {
        Ok(Ok(message)) if matches!(message.shape(), Shape::Request(_)) => refusal.of(message.raw_id()),
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    fn limits(max_body: usize) -> Limits {
        Limits { max_body, ..Limits::default() }
    }

    async fn chunks(chunks: &[&'static str], limit: usize) -> Result<Bytes, Refusal> {
        let frames =
            chunks.iter().map(|chunk| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(chunk.as_bytes()))));
        read(StreamBody::new(stream::iter(frames.collect::<Vec<_>>())), &limits(limit)).await
    }

    fn status(outcome: Result<Bytes, Refusal>) -> u16 {
        outcome.unwrap_err().response().status().as_u16()
    }

    #[tokio::test]
    async fn pieces_are_put_together_and_one_piece_is_not_copied() {
        assert_eq!(chunks(&["a", "", "bc", "d"], 4).await.unwrap(), "abcd");
        assert_eq!(chunks(&[], 4).await.unwrap(), "");
        let whole = Bytes::from("abcd".to_owned());
        assert_eq!(read(Full::new(whole.clone()), &limits(4)).await.unwrap().as_ptr(), whole.as_ptr());
    }

    #[tokio::test]
    async fn the_limit_holds_with_and_without_a_length() {
        assert_eq!(status(chunks(&["abc", "de"], 4).await), 413);
        assert_eq!(status(read(Full::new(Bytes::from_static(b"abcde")), &limits(4)).await), 413);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_breaks_or_never_ends_is_refused() {
        let broken = stream::iter([Err::<Frame<Bytes>, _>(std::io::Error::other("reset"))]);
        assert_eq!(status(read(StreamBody::new(broken), &limits(4)).await), 400);
        let silent = stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
        assert_eq!(status(read(StreamBody::new(silent), &limits(4)).await), 408);
    }
}
