//! Finding the id of a message that is too large to keep: its bytes are looked at once as they pass.

/// The longest key or id that is kept, in bytes; longer ones are none that we look for.
const KEEP: usize = 256;

/// Watches the bytes of one JSON object for its top-level `id`, `method` and nothing else.
#[derive(Debug, Default)]
pub struct Skimmer {
    depth: u32,
    place: Place,
    /// The text of the key or scalar at hand, at the top level only.
    text: Vec<u8>,
    key: Key,
    id: Option<Vec<u8>>,
    method: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between tokens, before a key or after a value.
    #[default]
    Between,
    /// After a key's colon, in or before the value.
    Value,
    /// In a string.
    Text { escaped: bool, is_key: bool },
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Key {
    Id,
    Method,
    #[default]
    Other,
}

/// What was found of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skimmed {
    /// The id as JSON text, if there was one.
    pub id: Option<String>,
    /// Whether there was a method: then it was a request or notification, else a response.
    pub method: bool,
}

impl Skimmer {
    /// Looks at the next bytes of the message.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    /// What was found, at the end of the message.
    pub fn finish(self) -> Skimmed {
        let id = self.id.and_then(|id| String::from_utf8(id).ok());
        Skimmed { id: id.filter(|id| serde_json::from_str::<serde_json::Value>(id).is_ok()), method: self.method }
    }

    fn step(&mut self, byte: u8) {
        match self.place {
            Place::Text { escaped: true, is_key } => {
                self.keep(byte);
                self.place = Place::Text { escaped: false, is_key };
            }
            Place::Text { is_key, .. } => {
                self.keep(byte);
                match byte {
                    b'\\' => self.place = Place::Text { escaped: true, is_key },
                    b'"' if is_key => {
                        self.key = match &self.text[..] {
                            b"\"id\"" => Key::Id,
                            b"\"method\"" => Key::Method,
                            text if text.contains(&b'\\') => match serde_json::from_slice::<String>(text).as_deref() {
                                Ok("id") => Key::Id,
                                Ok("method") => Key::Method,
                                _ => Key::Other,
                            },
                            _ => Key::Other,
                        };
                        self.place = Place::Between;
                    }
                    b'"' => self.place = Place::Value,
                    _ => {}
                }
            }
            Place::Between | Place::Value => self.token(byte),
        }
    }

    fn token(&mut self, byte: u8) {
        match byte {
            b'"' => {
                let is_key = self.depth == 1 && self.place == Place::Between;
                if self.depth == 1 {
                    self.text.clear();
                }
                self.keep(byte);
                self.place = Place::Text { escaped: false, is_key };
            }
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => {
                if self.depth == 1 {
                    self.value_ended();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if self.depth == 1 => {
                self.text.clear();
                self.method |= self.key == Key::Method;
                self.place = Place::Value;
            }
            b',' if self.depth == 1 => self.value_ended(),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.keep(byte),
        }
    }

    fn value_ended(&mut self) {
        if self.key == Key::Id && self.place == Place::Value {
            self.id = (!self.text.is_empty()).then(|| std::mem::take(&mut self.text));
        }
        self.key = Key::Other;
        self.place = Place::Between;
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.text.len() <= KEEP {
            self.text.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skim(text: &str, step: usize) -> Skimmed {
        let mut skimmer = Skimmer::default();
        for chunk in text.as_bytes().chunks(step) {
            skimmer.push(chunk);
        }
        skimmer.finish()
    }

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        for (text, id, method) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"id":8}}"#, Some("7"), false),
            (r#"{"result":{"id":[{"id":8}]},"jsonrpc":"2.0","id":"a\"}b"}"#, Some(r#""a\"}b""#), false),
            (r#"{ "id" : -1 , "method" : "id" }"#, Some("-1"), true),
            (r#"{"a":"id","b":["id",1],"method":"x"}"#, None, true),
            (r#"{"\u0069d":3,"\ud800":4,"met\u0068od":"x"}"#, Some("3"), true),
            (r#"{"id":{"x":1},"result":1}"#, None, false),
        ] {
            for step in [1, 3, 1000] {
                let expected = Skimmed { id: id.map(str::to_owned), method };
                assert_eq!(skim(text, step), expected, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_parser(id in "[0-9]{1,5}|\"[a-z\\\\{},:]{0,6}\"", noise in "[ -~]{0,40}", first: bool, step in 1_usize..9) {
            let noise = serde_json::Value::from(noise);
            let text = if first {
                format!(r#"{{"id": {id} ,"result":{{"x":[{noise},{{}}],"id":3}}}}"#)
            } else {
                format!(r#"{{"result":{{"x":[{noise},{{}}],"id":3}},"note":{noise},"id":{id}}}"#)
            };
            if let Ok(message) = crate::message::Message::parse(&text) {
                let skimmed = skim(&text, step);
                prop_assert_eq!(skimmed.id.as_deref(), message.raw_id());
            }
        }

        #[test]
        fn no_bytes_upset_it(bytes: Vec<u8>) {
            let mut skimmer = Skimmer::default();
            skimmer.push(&bytes);
            skimmer.finish();
        }
    }
}
