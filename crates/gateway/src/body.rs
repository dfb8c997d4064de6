//! Reading the body of a request to its end, within bounds.

use std::error::Error;
use std::mem::take;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::room::Room;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::time::timeout;

use crate::denial::Denial;

/// The whole body: at most `max` bytes, within `limit`.
///
/// # Errors
/// [`Denial::TooLarge`], before anything is read if the length is announced; [`Denial::Slow`]; [`Denial::Body`] when
/// the connection broke.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, max: usize, limit: Duration) -> Result<Bytes, Denial>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max as u64) {
        return Err(Denial::TooLarge(max));
    }
    let read = timeout(limit, gathered(Limited::new(body, max))).await.map_err(|_| Denial::Slow)?;
    read.map_err(|error| match error.is::<LengthLimitError>() {
        true => Denial::TooLarge(max),
        false => Denial::Body("the connection broke".to_owned()),
    })
}

async fn gathered<B: Body<Data = Bytes>>(body: Limited<B>) -> Result<Bytes, <Limited<B> as Body>::Error>
where
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let mut arrived = Arrived::default();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            arrived.push(data);
        }
    }
    Ok(arrived.whole())
}

/// What has arrived of a body. It is not copied if it comes in one piece.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// The first piece, as long as there is no other.
    only: Bytes,
    several: Room,
}

impl Arrived {
    /// How many bytes.
    pub(crate) fn len(&self) -> usize {
        self.only.len() + self.several.len()
    }

    /// One more piece.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.only = piece;
        } else if !piece.is_empty() {
            self.several.push(&take(&mut self.only));
            self.several.push(&piece);
        }
    }

    /// All of it.
    pub(crate) fn whole(mut self) -> Bytes {
        if self.several.is_empty() { self.only } else { self.several.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http_body_util::{Full, StreamBody};

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_size_and_a_time() {
        let none = HeaderMap::new();
        let full = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
        assert_eq!(read(&none, full("1234"), 4, LIMIT).await.unwrap(), "1234");
        assert_eq!(read(&none, full("12345"), 4, LIMIT).await, Err(Denial::TooLarge(4)));
        let pieces = |pieces: &'static [&'static str]| {
            let frames = pieces
                .iter()
                .map(|piece| Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from_static(piece.as_bytes()))));
            StreamBody::new(futures_util::stream::iter(frames))
        };
        assert_eq!(read(&none, pieces(&["12", "", "34"]), 4, LIMIT).await.unwrap(), "1234");
        assert_eq!(read(&none, pieces(&["", "1234"]), 4, LIMIT).await.unwrap(), "1234");
        assert_eq!(read(&none, pieces(&["12", "345"]), 4, LIMIT).await, Err(Denial::TooLarge(4)));
        assert_eq!(read(&none, pieces(&[]), 4, LIMIT).await.unwrap(), "");
        let long = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(5))]);
        let never =
            || StreamBody::new(futures_util::stream::pending::<Result<hyper::body::Frame<Bytes>, std::io::Error>>());
        assert_eq!(read(&long, never(), 4, LIMIT).await, Err(Denial::TooLarge(4)));
        assert_eq!(read(&none, never(), 4, LIMIT).await, Err(Denial::Slow));
    }
}
