//! The gateway's half of a link over SSE + POST: events of `text/event-stream`, written and read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use memchr::memchr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::MAX_MESSAGE;
use crate::Secret;

/// What one line, or the data of one event, may have in bytes: the largest message as base64, and some room.
const MAX_DATA: usize = MAX_MESSAGE / 3 * 4 + 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first: how the client's POSTs find the connection.
    Open {
        /// Names it in the path of POSTs.
        connection: String,
        /// Proves that a POST belongs to it.
        key: Secret,
    },
    /// A text message. A CR in it arrives as LF: in JSON both are white space.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// The gateway closes the connection.
    Close {
        /// As in a WebSocket's close frame.
        code: u16,
        /// As in a WebSocket's close frame.
        reason: String,
    },
}

/// Why a stream of events is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadStream {
    /// An event without end.
    #[error("an event is longer than {MAX_DATA} bytes")]
    TooLong,
    /// The data of a `bin` event.
    #[error("an event's data is no base64")]
    Base64,
    /// The data of a `text` event.
    #[error("an event's data is no UTF-8")]
    Utf8,
    /// The data of an `open` or `close` event.
    #[error("an event's data cannot be read")]
    Data,
}

#[derive(Serialize, Deserialize)]
struct Opening<'a> {
    #[serde(borrow)]
    connection: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    key: std::borrow::Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct Closing<'a> {
    code: u16,
    #[serde(borrow, default)]
    reason: std::borrow::Cow<'a, str>,
}

/// Appends the first event.
pub fn put_open(connection: &str, key: &Secret, out: &mut BytesMut) {
    put_json("open", &Opening { connection: connection.into(), key: key.expose().into() }, out);
}

/// Appends a text message.
pub fn put_text(text: &str, out: &mut BytesMut) {
    out.put_slice(b"event: text\n");
    for line in text.split(['\n', '\r']) {
        out.put_slice(b"data: ");
        out.put_slice(line.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
}

/// Appends a binary message.
pub fn put_binary(bytes: &[u8], out: &mut BytesMut) {
    out.put_slice(b"event: bin\ndata: ");
    let at = out.len();
    out.resize(at + bytes.len().div_ceil(3) * 4, 0);
    // The room is what base64 takes, so this cannot fail.
    let written = STANDARD.encode_slice(bytes, &mut out[at..]).unwrap_or_default();
    out.truncate(at + written);
    out.put_slice(b"\n\n");
}

/// Appends the last event.
pub fn put_close(code: u16, reason: &str, out: &mut BytesMut) {
    put_json("close", &Closing { code, reason: reason.into() }, out);
}

/// Appends what means nothing, to show that the connection lives.
pub fn put_comment(out: &mut BytesMut) {
    out.put_slice(b":\n\n");
}

fn put_json(event: &str, value: &impl Serialize, out: &mut BytesMut) {
    // Texts and numbers: there is no value that JSON could not hold, and its text is one line.
    let data = serde_json::to_string(value).unwrap_or_default();
    out.put_slice(format!("event: {event}\ndata: {data}\n\n").as_bytes());
}

/// Reads events out of bytes, wherever those are cut. Holds at most one event that is not complete.
#[derive(Debug, Default)]
pub struct EventReader {
    partial: Vec<u8>,
    kind: Kind,
    data: Option<Vec<u8>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Text,
    Binary,
    Close,
    /// Unnamed, or unknown: skipped.
    #[default]
    Other,
}

impl EventReader {
    /// Takes bytes in and appends the events that they complete. What is no event of ours is skipped.
    ///
    /// # Errors
    /// [`BadStream`]; nothing that follows is of use.
    pub fn read(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), BadStream> {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.partial.is_empty() {
                self.line(line, events)?;
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, events)?;
                whole.clear();
                self.partial = whole;
            }
        }
        if self.partial.len() + bytes.len() > MAX_DATA {
            return Err(BadStream::TooLong);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<(), BadStream> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            let (kind, data) = (std::mem::take(&mut self.kind), self.data.take());
            return data.map_or(Ok(()), |data| finish(kind, data, events));
        }
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => {
                self.kind = match value {
                    b"open" => Kind::Open,
                    b"text" => Kind::Text,
                    b"bin" => Kind::Binary,
                    b"close" => Kind::Close,
                    _ => Kind::Other,
                }
            }
            b"data" => match &mut self.data {
                _ if value.len() > MAX_DATA => return Err(BadStream::TooLong),
                Some(data) if data.len() + value.len() >= MAX_DATA => return Err(BadStream::TooLong),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            _ => {}
        }
        Ok(())
    }
}

fn finish(kind: Kind, data: Vec<u8>, events: &mut Vec<Event>) -> Result<(), BadStream> {
    events.push(match kind {
        Kind::Other => return Ok(()),
        Kind::Text => Event::Text(String::from_utf8(data).map_err(|_| BadStream::Utf8)?),
        Kind::Binary => Event::Binary(STANDARD.decode(data).map_err(|_| BadStream::Base64)?.into()),
        Kind::Open => {
            let opening: Opening<'_> = serde_json::from_slice(&data).map_err(|_| BadStream::Data)?;
            Event::Open { connection: opening.connection.into_owned(), key: Secret::new(opening.key) }
        }
        Kind::Close => {
            let closing: Closing<'_> = serde_json::from_slice(&data).map_err(|_| BadStream::Data)?;
            Event::Close { code: closing.code, reason: closing.reason.into_owned() }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(stream: &[u8]) -> Result<Vec<Event>, BadStream> {
        let mut events = Vec::new();
        EventReader::default().read(stream, &mut events).map(|()| events)
    }

    fn put(event: &Event, out: &mut BytesMut) {
        match event {
            Event::Open { connection, key } => put_open(connection, key, out),
            Event::Text(text) => put_text(text, out),
            Event::Binary(bytes) => put_binary(bytes, out),
            Event::Close { code, reason } => put_close(*code, reason, out),
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            "[^\r]{0,200}".prop_map(Event::Text),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Event::Binary(bytes.into())),
            (any::<u16>(), any::<String>()).prop_map(|(code, reason)| Event::Close { code, reason }),
            ("[a-z0-9]{1,32}", "[a-z0-9]{1,32}")
                .prop_map(|(connection, key)| Event::Open { connection, key: Secret::new(key) }),
        ]
    }

    proptest! {
        #[test]
        fn no_cut_changes_events(
            events in prop::collection::vec(any_event(), 0..10),
            cuts in prop::collection::vec(1_usize..100, 1..20),
        ) {
            let mut stream = BytesMut::new();
            put_comment(&mut stream);
            for event in &events {
                put(event, &mut stream);
                put_comment(&mut stream);
            }
            let (mut reader, mut got, mut rest) = (EventReader::default(), Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at(rest.len().min(*cut));
                reader.read(now, &mut got).unwrap();
                rest = later;
            }
            prop_assert_eq!(got, events);
        }

        #[test]
        fn nothing_that_a_peer_sends_is_a_panic(stream in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = read(&stream);
        }
    }

    #[test]
    fn the_dialects_of_event_streams_are_read() {
        let one = vec![Event::Text("{}".to_owned())];
        assert_eq!(read(b"event: text\r\ndata: {}\r\n\r\n"), Ok(one.clone()));
        assert_eq!(read(b"id: 7\nretry: 3\ndata:{}\nevent:text\n\n"), Ok(one.clone()));
        assert_eq!(read(b": hello\n\nevent: later\ndata: x\n\nevent: text\ndata: {}\n\n"), Ok(one));
        assert_eq!(read(b"event: text\n\ndata: unnamed\n\n"), Ok(vec![]));
        let close = Event::Close { code: 1001, reason: String::new() };
        assert_eq!(read(b"event: close\ndata: {\"code\":1001,\"more\":1}\n\n"), Ok(vec![close]));
    }

    #[test]
    fn the_largest_message_passes_and_more_is_refused_before_it_is_held() {
        let mut stream = BytesMut::new();
        put_binary(&[7; MAX_MESSAGE], &mut stream);
        assert_eq!(read(&stream).unwrap().len(), 1);
        for endless in [vec![b'x'; MAX_DATA + 1], b"data: xxxxxxxx\n".repeat(MAX_DATA / 8)] {
            assert_eq!(read(&endless), Err(BadStream::TooLong));
        }
    }

    #[test]
    fn unusable_data_is_named() {
        assert_eq!(read(b"event: bin\ndata: ?\n\n"), Err(BadStream::Base64));
        assert_eq!(read(b"event: text\ndata: \xff\n\n"), Err(BadStream::Utf8));
        assert_eq!(read(b"event: open\ndata: {}\n\n"), Err(BadStream::Data));
        assert_eq!(read(b"event: close\ndata: {\"code\":70000}\n\n"), Err(BadStream::Data));
    }
}
