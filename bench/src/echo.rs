//! What the local server behind every measured tunnel answers. It scans instead of parsing, so that its own cost stays
//! far below that of what is measured.

use memchr::memchr2;

/// Writes the answer to one line into `out`; false where none is due (a notification,
/// a response, or no JSON object at all).
pub(crate) fn reply(line: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut id, mut method, mut params) = (None, None, None);
    for (key, value) in Members::of(line) {
        match key {
            b"id" => id = Some(value),
            b"method" => method = Some(value),
            b"params" => params = Some(value),
            _ => {}
        }
    }
    let (Some(id), Some(method)) = (id, method) else { return false };
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id);
    match method {
        br#""tools/call""# => {
            let text = params.and_then(|p| member(p, b"arguments")).and_then(|a| member(a, b"text"));
            out.extend_from_slice(br#","result":{"content":[{"type":"text","text":"#);
            out.extend_from_slice(text.unwrap_or(br#""""#));
            out.extend_from_slice(br#"}],"isError":false}}"#);
        }
        br#""initialize""# => {
            let version = params.and_then(|p| member(p, b"protocolVersion"));
            out.extend_from_slice(br#","result":{"protocolVersion":"#);
            out.extend_from_slice(version.unwrap_or(br#""2025-06-18""#));
            out.extend_from_slice(
                br#","capabilities":{"tools":{}},"serverInfo":{"name":"bench-echo","version":"1"}}}"#,
            );
        }
        br#""tools/list""# => out.extend_from_slice(
            br#","result":{"tools":[{"name":"echo","description":"Returns its text.","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}]}}"#,
        ),
        br#""ping""# => out.extend_from_slice(br#","result":{}}"#),
        _ => out.extend_from_slice(br#","error":{"code":-32601,"message":"Method not found"}}"#),
    }
    out.push(b'\n');
    true
}

fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    Members::of(object).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The members of a JSON object as (key between its quotes, value as written). Ends
/// early where the text is not JSON.
struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Members<'a> {
    fn of(object: &'a [u8]) -> Self {
        Self { rest: object.trim_ascii_start().strip_prefix(b"{").unwrap_or_default() }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.trim_ascii_start();
        let (key, text) = text.split_at_checked(string_length(text)?)?;
        let text = text.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, text) = text.split_at_checked(value_length(text)?)?;
        let text = text.trim_ascii_start();
        self.rest = text.strip_prefix(b",").unwrap_or_default();
        Some((key.strip_prefix(b"\"")?.strip_suffix(b"\"")?, value))
    }
}

/// Length of the string that `text` begins with, quotes included.
fn string_length(text: &[u8]) -> Option<usize> {
    text.strip_prefix(b"\"")?;
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Length of the value that `text` begins with.
fn value_length(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string_length(text),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0_usize);
            loop {
                match text.get(at)? {
                    b'"' => {
                        at += string_length(text.get(at..)?)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => text.iter().position(|b| b",}] \t\r\n".contains(b)),
    }
}

#[cfg(test)]
mod tests {
    use super::reply;

    fn answer(line: &str) -> Option<String> {
        let mut out = Vec::new();
        reply(line.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn returns_the_text_as_it_was_written() {
        let call = r#"{"method":"tools/call","params":{"_meta":{"progressToken":1},"name":"echo","arguments":{"n":[1,{"}":"]"}],"text":"a\"}\\"}},"id":"x\"y","jsonrpc":"2.0"}"#;
        assert_eq!(
            answer(call).unwrap(),
            concat!(
                r#"{"jsonrpc":"2.0","id":"x\"y","result":{"content":[{"type":"text","text":"a\"}\\"}],"isError":false}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn takes_spaces_between_tokens() {
        let call = " { \"id\" : 7 , \"method\" : \"ping\" , \"params\" : { } } \r";
        assert_eq!(answer(call).unwrap(), "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n");
    }

    #[test]
    fn speaks_the_protocol_version_it_is_asked_for() {
        let said =
            answer(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#);
        assert!(said.unwrap().contains(r#""protocolVersion":"2025-11-25""#));
    }

    #[test]
    fn refuses_unknown_methods_and_ignores_what_is_no_request() {
        assert!(answer(r#"{"id":1,"method":"server/discover"}"#).unwrap().contains("-32601"));
        for line in
            ["", "[]", "hello", r#"{"id":"#, r#"{"method":"notifications/initialized"}"#, r#"{"id":1,"result":{}}"#]
        {
            assert_eq!(answer(line), None, "{line}");
        }
    }
}
