//! One line of the log.

use std::time::{Duration, SystemTime};

use crate::clock;

/// A call that is over, or something that was turned away. Texts from outside must have been cleaned and cut; no token
/// and nothing of what was said belongs here.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When it began.
    pub time: SystemTime,
    /// Which end tells: `tunnel` or `gateway`.
    pub at: &'static str,
    /// The server that it was for.
    pub server: Option<&'a str>,
    /// The gateway that it came through, where a tunnel tells.
    pub gateway: Option<&'a str>,
    /// Who called, as the gateway's authentication has it.
    pub caller: Option<&'a str>,
    /// The caller's program, as it named itself.
    pub client: Option<&'a str>,
    /// MCP's method.
    pub method: Option<&'a str>,
    /// The tool or prompt, or the resource's URI.
    pub tool: Option<&'a str>,
    /// Whether it was let pass.
    pub verdict: Verdict,
    /// How it ended, in a word.
    pub outcome: &'a str,
    /// The code of the error that it ended with: JSON-RPC's number, or a word of ours.
    pub code: Option<Code<'a>>,
    /// How long it took.
    pub took: Duration,
    /// The bytes of the request.
    pub bytes_in: usize,
    /// The bytes of the answer.
    pub bytes_out: usize,
}

/// The code of an error.
#[derive(Debug, Clone, Copy)]
pub enum Code<'a> {
    /// JSON-RPC's.
    Number(i64),
    /// Ours.
    Word(&'a str),
}

/// Whether something was let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Allowed,
    /// It was not.
    Denied,
}

impl Entry<'_> {
    /// Appends it as a JSON line.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        clock::write(out, self.time);
        out.push(b'"');
        text(out, "at", Some(self.at));
        text(out, "server", self.server);
        text(out, "gateway", self.gateway);
        text(out, "caller", self.caller);
        text(out, "client", self.client);
        text(out, "method", self.method);
        text(out, "tool", self.tool);
        let verdict = match self.verdict {
            Verdict::Allowed => "allowed",
            Verdict::Denied => "denied",
        };
        text(out, "verdict", Some(verdict));
        text(out, "outcome", Some(self.outcome));
        match self.code {
            Some(Code::Number(code)) => member(out, "code", &code.to_string()),
            Some(Code::Word(code)) => text(out, "code", Some(code)),
            None => {}
        }
        let micros = self.took.as_micros();
        member(out, "ms", &format!("{}.{:03}", micros / 1000, micros % 1000));
        member(out, "bytes_in", &self.bytes_in.to_string());
        member(out, "bytes_out", &self.bytes_out.to_string());
        out.extend_from_slice(b"}\n");
    }
}

/// A line that says that others are missing.
pub(crate) fn lost(out: &mut Vec<u8>, time: SystemTime, count: u64) {
    out.extend_from_slice(b"{\"time\":\"");
    clock::write(out, time);
    out.push(b'"');
    member(out, "lost", &count.to_string());
    out.extend_from_slice(b"}\n");
}

fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value.as_bytes());
}

fn text(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    member(out, name, "\"");
    // Nearly all are plain, and are copied whole.
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x7f)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
pub(crate) fn sample(tool: &str) -> Entry<'_> {
    Entry {
        time: SystemTime::UNIX_EPOCH,
        at: "tunnel",
        server: Some("git"),
        gateway: Some("https://gw"),
        caller: None,
        client: None,
        method: Some("tools/call"),
        tool: Some(tool),
        verdict: Verdict::Allowed,
        outcome: "ok",
        code: None,
        took: Duration::from_micros(1_234),
        bytes_in: 10,
        bytes_out: 20,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parsed(entry: &Entry<'_>) -> Value {
        let mut out = Vec::new();
        entry.write(&mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_line_tells_who_called_what_and_how_it_ended() {
        assert_eq!(
            parsed(&sample("echo")),
            json!({
                "time": "1970-01-01T00:00:00.000Z", "at": "tunnel", "server": "git", "gateway": "https://gw",
                "method": "tools/call", "tool": "echo", "verdict": "allowed", "outcome": "ok", "ms": 1.234,
                "bytes_in": 10, "bytes_out": 20
            })
        );
        let denied = Entry {
            verdict: Verdict::Denied,
            outcome: "refused",
            code: Some(Code::Word("policy.denied")),
            caller: Some("ann"),
            ..sample("rm")
        };
        let denied = parsed(&denied);
        assert_eq!(
            (&denied["verdict"], &denied["code"], &denied["caller"]),
            (&json!("denied"), &json!("policy.denied"), &json!("ann"))
        );
        assert_eq!(parsed(&Entry { code: Some(Code::Number(-32602)), ..sample("x") })["code"], -32602);
    }

    proptest! {
        #[test]
        fn any_text_stays_itself_and_one_line(tool in any::<String>()) {
            prop_assert_eq!(&parsed(&sample(&tool))["tool"], &json!(tool));
        }
    }
}
