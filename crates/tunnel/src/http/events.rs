//! Server-sent events, read from a stream of bytes that may be cut anywhere.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::HeaderValue;
use memchr::memchr2;

use super::body::Gather;
use crate::lines::Line;

/// The longest name of a field that means something.
const MAX_NAME: usize = 16;

/// The longest value of a field other than `data` that is kept, in bytes.
const MAX_VALUE: usize = 4 * 1024;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) mark: Mark,
    /// How long to wait before that.
    pub(super) retry: Option<Duration>,
    /// Its data as one line.
    pub(super) data: Option<Line>,
}

/// From where its stream can be taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Mark {
    /// From where the event before said.
    #[default]
    Same,
    /// After this event.
    After(HeaderValue),
    /// From nowhere.
    Nowhere,
}

/// What an event says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// A JSON-RPC message.
    #[default]
    Message,
    /// The older transport: where messages are to be posted.
    Endpoint,
    /// Anything else.
    Other,
}

/// Takes events out of pieces of a stream.
#[derive(Debug)]
pub(super) struct Parser {
    place: Place,
    name: Vec<u8>,
    value: Vec<u8>,
    /// A carriage return ended the line; a line feed right after it belongs to it.
    after_return: bool,
    first_line: bool,
    data: Gather,
    has_data: bool,
    kind: Kind,
    mark: Mark,
    retry: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a field's name, or at the start of a line.
    Name,
    /// After its colon; one space there is no part of the value.
    Colon(Field),
    /// In its value.
    Value(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Data,
    Event,
    Id,
    Retry,
    Other,
}

impl Parser {
    /// Data of up to `limit` bytes is kept whole.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            place: Place::Name,
            name: Vec::new(),
            value: Vec::new(),
            after_return: false,
            first_line: true,
            data: Gather::new(limit),
            has_data: false,
            kind: Kind::default(),
            mark: Mark::default(),
            retry: None,
        }
    }

    /// How many bytes of an unfinished event it holds.
    pub(super) fn held(&self) -> usize {
        self.data.held()
    }

    /// Takes bytes from `piece` until an event is complete; `None` when it is used up before.
    pub(super) fn next(&mut self, piece: &mut Bytes) -> Option<Event> {
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_return) && piece[0] == b'\n' {
                piece.advance(1);
                continue;
            }
            match self.place {
                Place::Name => match piece.iter().position(|byte| matches!(byte, b':' | b'\n' | b'\r')) {
                    Some(end) => {
                        let name = piece.split_to(end);
                        self.push_name(&name);
                        if piece[0] == b':' {
                            piece.advance(1);
                            let field = self.field();
                            self.start(field);
                            self.place = Place::Colon(field);
                        } else if self.name.is_empty() {
                            self.end_line(piece);
                            if let Some(event) = self.finish() {
                                return Some(event);
                            }
                        } else {
                            // A name alone is a field without a value.
                            let field = self.field();
                            self.start(field);
                            self.end_field(field);
                            self.end_line(piece);
                        }
                    }
                    None => {
                        let name = piece.split_to(piece.len());
                        self.push_name(&name);
                    }
                },
                Place::Colon(field) => {
                    if piece[0] == b' ' {
                        piece.advance(1);
                    }
                    self.place = Place::Value(field);
                }
                Place::Value(field) => {
                    let end = memchr2(b'\n', b'\r', piece);
                    let part = piece.split_to(end.unwrap_or(piece.len()));
                    self.push_value(field, &part);
                    if end.is_some() {
                        self.end_field(field);
                        self.end_line(piece);
                    }
                }
            }
        }
        None
    }

    fn push_name(&mut self, part: &[u8]) {
        // One byte more than any name that means something tells that this is none.
        let room = (MAX_NAME + 1).saturating_sub(self.name.len());
        self.name.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn field(&mut self) -> Field {
        let name = std::mem::take(&mut self.name);
        let name = if self.first_line { name.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&name) } else { &name };
        match name {
            b"data" => Field::Data,
            b"event" => Field::Event,
            b"id" => Field::Id,
            b"retry" => Field::Retry,
            _ => Field::Other,
        }
    }

    fn start(&mut self, field: Field) {
        self.value.clear();
        if field == Field::Data && std::mem::replace(&mut self.has_data, true) {
            // The lines of one event's data are joined; in JSON a space says the same as a line break.
            self.data.push(b" ");
        }
    }

    fn push_value(&mut self, field: Field, part: &[u8]) {
        match field {
            Field::Data => self.data.push(part),
            Field::Other => {}
            Field::Event | Field::Id | Field::Retry => {
                let room = (MAX_VALUE + 1).saturating_sub(self.value.len());
                self.value.extend_from_slice(&part[..part.len().min(room)]);
            }
        }
    }

    fn end_field(&mut self, field: Field) {
        if self.value.len() > MAX_VALUE {
            return;
        }
        match field {
            Field::Event => {
                self.kind = match &self.value[..] {
                    b"" | b"message" => Kind::Message,
                    b"endpoint" => Kind::Endpoint,
                    _ => Kind::Other,
                };
            }
            Field::Id if self.value.is_empty() => self.mark = Mark::Nowhere,
            Field::Id => {
                if let Ok(id) = HeaderValue::from_bytes(&self.value) {
                    self.mark = Mark::After(id);
                }
            }
            Field::Retry => {
                let digits =
                    std::str::from_utf8(&self.value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                self.retry = digits.and_then(|text| text.parse().ok()).map(Duration::from_millis).or(self.retry);
            }
            Field::Data | Field::Other => {}
        }
    }

    /// Takes the line break at the front of `piece`.
    fn end_line(&mut self, piece: &mut Bytes) {
        self.after_return = piece[0] == b'\r';
        piece.advance(1);
        self.place = Place::Name;
        self.first_line = false;
    }

    /// The event that an empty line completes, if it says anything.
    fn finish(&mut self) -> Option<Event> {
        self.has_data = false;
        let event = Event {
            kind: std::mem::take(&mut self.kind),
            mark: std::mem::take(&mut self.mark),
            retry: self.retry.take(),
            data: self.data.take(),
        };
        (event.data.is_some() || event.mark != Mark::Same || event.retry.is_some()).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(text: &[u8], step: usize, limit: usize) -> Vec<Event> {
        let mut parser = Parser::new(limit);
        let mut events = Vec::new();
        for piece in text.chunks(step) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(event) = parser.next(&mut piece) {
                events.push(event);
            }
            assert!(piece.is_empty());
        }
        events
    }

    fn whole(text: &str) -> Option<Line> {
        Some(Line::Whole(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn message(text: &str) -> Event {
        Event { kind: Kind::Message, mark: Mark::Same, retry: None, data: whole(text) }
    }

    #[test]
    fn fields_mean_what_the_standard_says() {
        let text = "\u{feff}: a comment\n\nid: 7\ndata:\n\nretry: 250\n\nevent: message\r\nid:8\r\ndata:  {\"a\":\rdata: 1}\r\n\r\n\
                    event: endpoint\ndata: /m?x=1\n\nevent: later\nidea: x\ndata\ndata: y\n\nid\n\nretry: soon\ndata: never ended\n";
        let expected = [
            Event { mark: Mark::After(HeaderValue::from_static("7")), data: None, ..message("") },
            Event { retry: Some(Duration::from_millis(250)), data: None, ..message("") },
            Event { mark: Mark::After(HeaderValue::from_static("8")), ..message(" {\"a\": 1}") },
            Event { kind: Kind::Endpoint, ..message("/m?x=1") },
            Event { kind: Kind::Other, ..message(" y") },
            Event { mark: Mark::Nowhere, data: None, ..message("") },
        ];
        for step in [1, 2, 3, 5, 1000] {
            assert_eq!(events(text.as_bytes(), step, 100), expected, "{step}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let text =
            format!("id: {0}\n{0}: x\ndata: {{\"id\":7,\"result\":\"{0}\"}}\n\ndata: next\n\n", "x".repeat(5000));
        let got = events(text.as_bytes(), 100, 1000);
        assert!(
            matches!(&got[0], Event { mark: Mark::Same, data: Some(Line::Oversize { head, .. }), .. } if head.id.as_deref() == Some("7"))
        );
        assert_eq!(got[1], message("next"));
    }

    proptest! {
        #[test]
        fn no_cut_of_the_stream_changes_the_events(
            texts in prop::collection::vec("[a-z{}:]{1,30}", 0..8),
            breaks in "\n|\r\n|\r",
            step in 1_usize..40,
        ) {
            let stream: String = texts.iter().map(|text| format!("data: {text}{breaks}{breaks}")).collect();
            let expected: Vec<_> = texts.iter().map(|text| message(text)).collect();
            prop_assert_eq!(events(stream.as_bytes(), step, 100), expected);
        }

        #[test]
        fn no_bytes_upset_it(bytes: Vec<u8>, step in 1_usize..9) {
            events(&bytes, step, 16);
        }
    }
}
