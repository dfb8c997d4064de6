//! An MCP session over Streamable HTTP, as a client has it: opened, then called in.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use crate::answer::{Answer, excerpt};
use crate::channels::events::Events;
use crate::channels::http::{Connection, Kind};
use crate::channels::trouble::Failure;

/// The newest revision with sessions.
const REVISION: &str = "2025-11-25";

/// The endpoint of one bridge.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) bearer: Option<String>,
}

/// One MCP session, on however many connections.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The head of each request, up to the value of `Content-Length`.
    head: String,
}

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    /// When the answer was whole.
    pub(crate) at: Instant,
    /// Its place in the body.
    pub(crate) answer: Range<usize>,
}

impl Target {
    fn head(&self, session: Option<&str>) -> String {
        let Self { address, path, bearer } = self;
        let bearer = bearer.as_ref().map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let session = session
            .map_or_else(String::new, |id| format!("MCP-Protocol-Version: {REVISION}\r\nMcp-Session-Id: {id}\r\n"));
        format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\n{bearer}{session}Content-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: "
        )
    }
}

impl Session {
    /// `initialize`, its answer, `notifications/initialized`.
    pub(crate) async fn open(target: &Target, connection: &mut Connection) -> Result<Self, Failure> {
        let hello = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{REVISION}","capabilities":{{}},"clientInfo":{{"name":"culvert-bench","version":"1"}}}}}}"#
        );
        let mut body = Vec::new();
        let head = connection.send(&target.head(None), &[hello.as_bytes()]).await?;
        let reply = read(connection, head.status, head.kind, Some(0), &mut body).await?.ok_or(Failure::NoAnswer)?;
        let answer = body.get(reply.answer).unwrap_or_default();
        let answer: Answer<'_> = serde_json::from_slice(answer)?;
        if !answer.result.is_some_and(|result| result.get().contains(REVISION)) {
            return Err(Failure::WrongAnswer(answer.excerpt()));
        }
        let id = head.session.ok_or(Failure::NotHttp("an answer to initialize without Mcp-Session-Id"))?;
        let session = Self { head: target.head(Some(&id)) };
        let initialized = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let head = connection.send(&session.head, &[initialized]).await?;
        read(connection, head.status, head.kind, None, &mut body).await?;
        Ok(session)
    }

    /// The event stream beside it, whose head is read.
    pub(crate) async fn listen(&self, address: SocketAddr) -> Result<Connection, Failure> {
        let mut stream = Connection::open(address).await?;
        let head = stream.send(&self.head.replacen("POST ", "GET ", 1), &[]).await?;
        match (head.status, head.kind) {
            (200, Kind::Events) => Ok(stream),
            (status, _) => Err(Failure::Status { status, said: "no event stream".to_owned() }),
        }
    }

    /// One request, given in parts, on an idle connection; `body` is what it comes back in.
    pub(crate) async fn call(
        &self,
        connection: &mut Connection,
        request: &[&[u8]],
        id: u64,
        body: &mut Vec<u8>,
    ) -> Result<Reply, Failure> {
        let head = connection.send(&self.head, request).await?;
        read(connection, head.status, head.kind, Some(id), body).await?.ok_or(Failure::NoAnswer)
    }
}

/// Reads a response to its end, so that the connection is free again, and finds in it the
/// answer to `id`.
async fn read(
    connection: &mut Connection,
    status: u16,
    kind: Kind,
    id: Option<u64>,
    body: &mut Vec<u8>,
) -> Result<Option<Reply>, Failure> {
    body.clear();
    let (mut events, mut found) = (Events::default(), None);
    while connection.more(body).await? {
        while kind == Kind::Events
            && let Some(data) = events.next(body)
        {
            let at = Instant::now();
            if found.is_none() && id.is_some() && answers(body.get(data.clone()).unwrap_or_default())? == id {
                found = Some(Reply { at, answer: data });
            }
        }
    }
    let at = Instant::now();
    match status {
        200 | 202 | 204 => {}
        _ => return Err(Failure::Status { status, said: excerpt(&untagged(&String::from_utf8_lossy(body))) }),
    }
    Ok(if kind == Kind::Json { Some(Reply { at, answer: 0..body.len() }) } else { found })
}

/// The first words of an error page: some bridges refuse in HTML.
fn untagged(page: &str) -> String {
    let pieces = page.split('<').enumerate().map(|(at, piece)| match at {
        0 => piece,
        _ => piece.split_once('>').map_or("", |(_, words)| words),
    });
    let mut words = pieces.map(str::trim).filter(|words| !words.is_empty() && *words != "Error");
    words.next().unwrap_or_default().to_owned()
}

/// The id that a message answers, if it is an answer.
fn answers(message: &[u8]) -> Result<Option<u64>, Failure> {
    let answer: Answer<'_> = serde_json::from_slice(message)?;
    Ok(answer.id.filter(|_| answer.is_one()).and_then(|id| id.get().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::untagged;

    #[test]
    fn an_error_page_is_told_by_its_words() {
        let page = "<!DOCTYPE html>\n<html><head><title>Error</title></head><body><pre>PayloadTooLargeError: request entity too large<br> &nbsp; at x</pre>";
        assert_eq!(untagged(page), "PayloadTooLargeError: request entity too large");
        assert_eq!(untagged(r#"{"error":"no session"}"#), r#"{"error":"no session"}"#);
        assert_eq!(untagged(""), "");
    }
}
