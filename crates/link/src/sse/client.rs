//! The client's end: the event stream in, POSTs out, and one task that ends both together.

use bytes::Bytes;
use culvert_protocol::sse::{Event, EventReader};
use culvert_protocol::text;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::DEAD;
use super::http_connection::HttpConnection;
use super::posts::Posts;
use crate::carriage::{Frame, FrameReceiver, FrameSender, LAST_WORDS, LinkEnd};
use crate::handed::handed;
use crate::queue;

/// An event stream that is being read.
#[derive(Debug)]
pub(super) struct Listening {
    body: Incoming,
    reader: EventReader,
    events: std::collections::VecDeque<Event>,
    /// The stream ends with its connection.
    _connection: HttpConnection,
}

impl Listening {
    /// To the body of an answer that came over `connection`.
    pub(super) fn new(body: Incoming, connection: HttpConnection) -> Self {
        Self { body, reader: EventReader::default(), events: Default::default(), _connection: connection }
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> Result<Event, LinkEnd> {
        let mut read = Vec::new();
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let bytes = self.bytes().await?;
            self.reader.read(&bytes, &mut read).map_err(|bad| LinkEnd::Protocol(bad.to_string()))?;
            self.events.extend(read.drain(..));
        }
    }

    async fn bytes(&mut self) -> Result<Bytes, LinkEnd> {
        loop {
            match timeout(DEAD, self.body.frame()).await {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => return Ok(bytes),
                    Err(_trailers) => continue,
                },
                Ok(Some(Err(error))) => return Err(LinkEnd::Lost(error.to_string())),
                Ok(None) => return Err(LinkEnd::Lost("the gateway ended the event stream".to_owned())),
                Err(_) => return Err(LinkEnd::Silent(DEAD)),
            }
        }
    }

    /// Hands the messages over until there are no more.
    async fn pass_on(mut self, frames: queue::Sender<Frame>) -> LinkEnd {
        loop {
            let frame = match self.next().await {
                Ok(Event::Text(text)) => Frame::Text(text.into()),
                Ok(Event::Binary(bytes)) => Frame::Binary(bytes),
                Ok(Event::Close { code, reason }) => {
                    return LinkEnd::Closed { code, reason: text::clean(&reason, 200) };
                }
                Ok(Event::Open { .. }) => return LinkEnd::Protocol("a connection was opened twice".to_owned()),
                Err(end) => return end,
            };
            if frames.send(frame).await.is_err() {
                // Nobody receives, and whoever did knows.
                return std::future::pending().await;
            }
        }
    }
}

/// Makes a link of an event stream whose opening was read, and of POSTs.
pub(super) fn carry(listening: Listening, posts: Posts) -> (FrameSender, FrameReceiver) {
    let (sender, outgoing) = FrameSender::new();
    let (receiver, frames, over, unwanted) = handed();
    tokio::spawn(async move {
        let posting = posts.run(outgoing);
        let listening = listening.pass_on(frames);
        tokio::pin!(posting, listening);
        let mut is_posting = true;
        loop {
            tokio::select! {
                end = &mut listening => return over.end(end),
                end = &mut posting, if is_posting => match end {
                    Some(end) => return over.end(end),
                    // The gateway ends the stream now; should it not, silence does.
                    None => is_posting = false,
                },
                () = unwanted.cancelled() => {
                    if is_posting {
                        let _ = timeout(LAST_WORDS, posting).await;
                    }
                    return;
                }
            }
        }
    });
    (sender, receiver.into())
}
