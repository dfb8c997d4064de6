//! A glance at the head of a request: its id, its method and the one member of `params` that says what it is about.
//!
//! It allocates nothing, stops as soon as it knows enough, and jumps over texts, so that it can be had for every
//! message that passes. It judges nothing: what it says of a text that is no JSON is of no meaning. Use
//! [`Message`](crate::message::Message) where it matters whether a message is one.

use std::borrow::Cow;

use memchr::memchr2;

/// What a glance tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glance<'a> {
    /// The id as JSON text.
    pub id: Option<&'a str>,
    /// The method. None: it is an answer, or nothing that is known here.
    pub method: Option<Cow<'a, str>>,
    /// The text in the member of `params` that was asked for.
    pub about: Option<Cow<'a, str>>,
}

/// Looks at one JSON object. `member_for` says which member of `params` is of interest for a method. Should a member be
/// there twice, one of them counts. `None`: it is no object.
pub fn glance(line: &[u8], member_for: impl Fn(&str) -> Option<&'static str>) -> Option<Glance<'_>> {
    let mut scan = Scan { text: line, at: 0 };
    scan.blanks();
    scan.take(b'{').then(|| {
        let mut found = Glance { id: last_id(line), ..Glance::default() };
        // Cut off or no JSON: what was found until then stands.
        let _ = look(&mut scan, &mut found, member_for);
        found
    })
}

/// The id, where it is a number and the last member, as the TypeScript SDK writes it: then `params` need not be read to
/// its end. A number right before the brace that ends the whole object belongs to that object.
fn last_id(line: &[u8]) -> Option<&str> {
    let inside = line.trim_ascii_end().strip_suffix(b"}")?;
    let digits = inside.iter().rev().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let (before, id) = inside.split_at(inside.len() - digits);
    (digits > 0 && before.ends_with(b",\"id\":")).then(|| std::str::from_utf8(id).ok()).flatten()
}

/// The text under `member` of a JSON object. `None`: there is no such member, or it is no text.
pub fn text_of<'a>(object: &'a str, member: &str) -> Option<Cow<'a, str>> {
    Scan { text: object.as_bytes(), at: 0 }.text_of(member)
}

fn look<'a>(
    scan: &mut Scan<'a>,
    found: &mut Glance<'a>,
    member_for: impl Fn(&str) -> Option<&'static str>,
) -> Option<()> {
    let (mut params, mut searched) = (None, false);
    let mut member = None;
    while let Some(key) = scan.key() {
        let start = scan.at;
        match &*name_of(key) {
            b"result" | b"error" => {
                found.method = None;
                return None;
            }
            b"id" => {
                scan.skip()?;
                found.id = std::str::from_utf8(&scan.text[start..scan.at]).ok().map(str::trim_end);
            }
            b"method" => {
                found.method = unescaped(scan.string()?);
                member = found.method.as_deref().and_then(&member_for);
            }
            b"params" => {
                params = Some(start);
                let is_enough = found.id.is_some() && found.method.is_some();
                if !is_enough {
                    scan.skip()?;
                }
            }
            _ => scan.skip()?,
        }
        if found.method.is_none() {
            continue;
        }
        // Each `params` is searched once, lest many members make it many times.
        if let (Some(member), Some(start)) = (member, params.take()) {
            found.about = Scan { text: scan.text, at: start }.text_of(member);
            searched = true;
        }
        if found.id.is_some() && (searched || member.is_none()) {
            return None;
        }
    }
    None
}

/// A place in a JSON text.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Within an object: the next key, quotes included; then it stands before the value.
    fn key(&mut self) -> Option<&'a [u8]> {
        self.blanks();
        if self.take(b',') {
            self.blanks();
        }
        let key = self.string()?;
        self.blanks();
        if !self.take(b':') {
            return None;
        }
        self.blanks();
        Some(key)
    }

    /// A text, quotes included.
    fn string(&mut self) -> Option<&'a [u8]> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at;
        let mut at = self.at + 1;
        loop {
            at += memchr2(b'"', b'\\', self.text.get(at..)?)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Some(&self.text[start..self.at]);
            }
            at += 2;
        }
    }

    /// Skips a value.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.peek()? {
                b'"' => _ = self.string()?,
                b'{' | b'[' => {
                    depth = depth.saturating_add(1);
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b'}' | b']' | b',' if depth == 0 => return Some(()),
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// The text under `member` of the object here.
    fn text_of(mut self, member: &str) -> Option<Cow<'a, str>> {
        if !self.take(b'{') {
            return None;
        }
        while let Some(key) = self.key() {
            if &*name_of(key) == member.as_bytes() {
                return self.string().and_then(unescaped);
            }
            self.skip()?;
        }
        None
    }
}

/// What a key says: `"\u0069d"` is `id`.
fn name_of(quoted: &[u8]) -> Cow<'_, [u8]> {
    let plain = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    match plain.contains(&b'\\').then(|| serde_json::from_slice::<String>(quoted)) {
        Some(Ok(name)) => Cow::Owned(name.into_bytes()),
        // One that is no text is none of ours.
        Some(Err(_)) | None => Cow::Borrowed(plain),
    }
}

/// What a quoted text says. `None`: it is none.
fn unescaped(quoted: &[u8]) -> Option<Cow<'_, str>> {
    if quoted.contains(&b'\\') {
        return serde_json::from_slice(quoted).ok().map(Cow::Owned);
    }
    std::str::from_utf8(quoted.get(1..quoted.len() - 1)?).ok().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, Shape};
    use proptest::prelude::*;

    fn look_at(text: &str) -> Option<Glance<'_>> {
        glance(text.as_bytes(), |method| match method {
            "tools/call" => Some("name"),
            "resources/read" => Some("uri"),
            _ => None,
        })
    }

    fn told(text: &str) -> (Option<&str>, Option<String>, Option<String>) {
        let glance = look_at(text).unwrap();
        (glance.id, glance.method.map(Cow::into_owned), glance.about.map(Cow::into_owned))
    }

    #[test]
    fn the_head_is_found_in_whatever_order_it_stands() {
        let all = |id, method: &str, about: &str| (Some(id), Some(method.to_owned()), Some(about.to_owned()));
        for text in [
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"name":"no"}}}"#,
            r#"{"method":"tools/call","params":{"arguments":{"name":"no","x":["]"]},"name":"echo"},"jsonrpc":"2.0","id":7}"#,
            r#" { "params" : {"name" : "echo"} , "id" : 7 , "method" : "tools/call" } "#,
            r#"{"id":7,"params":{"name":"\u0065cho"},"method":"tools\/call"}"#,
        ] {
            assert_eq!(told(text), all("7", "tools/call", "echo"), "{text}");
        }
        assert_eq!(
            told(r#"{"id":"a\"}","method":"resources/read","params":{"uri":"file:///x"}}"#),
            all(r#""a\"}""#, "resources/read", "file:///x")
        );
    }

    #[test]
    fn an_id_at_the_end_is_the_objects_own_and_saves_the_way_there() {
        assert_eq!(last_id(br#"{"method":"ping","id":42} "#), Some("42"));
        for other in [
            r#"{"method":"x","params":{"a":1,"id":42}}"#,
            r#"{"method":"x","a":",\"id\":42"}"#,
            r#"{"method":"x","x_id":42}"#,
            r#"{"method":"x","id":-42}"#,
            r#"{"method":"x","id":4.2}"#,
            r#"{"method":"x","id":"42"}"#,
            "42",
            "",
        ] {
            assert_eq!(last_id(other.as_bytes()), None, "{other}");
        }
        let cut = r#"{"method":"tools/call","params":{"name":"a","rest":["id":7}"#;
        assert_eq!(told(&cut.replace("[", "[,")).2.as_deref(), Some("a"), "what lies between is not looked at");
    }

    #[test]
    fn what_is_not_there_is_not_told() {
        let none = |id, method: Option<&str>| (id, method.map(str::to_owned), None);
        assert_eq!(told(r#"{"id":1,"method":"ping","params":{"name":"x"}}"#), none(Some("1"), Some("ping")));
        assert_eq!(told(r#"{"method":"notifications/x"}"#), none(None, Some("notifications/x")));
        assert_eq!(told(r#"{"id":1,"method":"tools/call","params":{"name":5}}"#), none(Some("1"), Some("tools/call")));
        assert_eq!(told(r#"{"id":1,"method":"tools/call","params":["name"]}"#), none(Some("1"), Some("tools/call")));
        assert_eq!(told(r#"{"id":1,"result":{"method":"x"}}"#), none(Some("1"), None));
        assert_eq!(told(r#"{"error":{},"method":"x","id":1}"#).1, None);
        let escaped = r#"{"\u0069d":1,"met\u0068od":"tools/call","\ud800":0,"p\u0061rams":{"n\u0061me":"x"}}"#;
        assert_eq!(told(escaped), (Some("1"), Some("tools/call".to_owned()), Some("x".to_owned())));
        assert_eq!(look_at(r#"[{"id":1,"method":"ping"}]"#), None);
        assert_eq!(look_at("Listening on :80"), None);
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_parser(
            members in Just(vec![0, 1, 2, 3]).prop_shuffle(),
            id in "-?[0-9]{1,6}|\"[a-z\\\\\"{}:,]{0,6}\"",
            name in "\\PC{0,12}",
            noise in "\\PC{0,12}",
            blank in " ?",
        ) {
            let (name, noise) = (serde_json::Value::from(name), serde_json::Value::from(noise));
            let parts = [
                format!(r#""jsonrpc"{blank}:{blank}"2.0""#),
                format!(r#""id"{blank}:{id}{blank}"#),
                r#""method":"tools/call""#.to_owned(),
                format!(r#""params":{blank}{{"a":[{noise},{{"name":1}}],{noise}:-1.5e3,"name"{blank}:{name}}}"#),
            ];
            let text = format!("{{{}}}", members.into_iter().map(|at| parts[at].as_str()).collect::<Vec<_>>().join(","));
            // Such a key would be the member itself.
            prop_assume!(noise != "name");
            if let Ok(message) = Message::parse(&text) && matches!(message.shape(), Shape::Request(_)) {
                let glance = look_at(&text).unwrap();
                prop_assert_eq!(glance.id, message.raw_id());
                prop_assert_eq!(glance.method.as_deref(), Some("tools/call"));
                prop_assert_eq!(glance.about.as_deref(), name.as_str());
            }
        }

        #[test]
        fn no_bytes_upset_it(bytes: Vec<u8>, noise in "[\\[\\]{}:,\"\\\\a1 ]{0,30}") {
            glance(&bytes, |_| Some("name"));
            glance(noise.as_bytes(), |_| Some("name"));
            glance(format!("{{\"method\":\"x\",\"params\":{noise}").as_bytes(), |_| Some("name"));
        }
    }
}
