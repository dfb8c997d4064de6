//! One keep-alive connection of HTTP/1.1: a request out, its response in, piece by piece.
//! It does what the measured bridges send, and costs the driver little.

use std::net::SocketAddr;
use std::str;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::channels::trouble::Failure;

/// Room for one read; more than a socket usually holds.
const READ: usize = 256 * 1024;

/// Longest head of a response, and longest line before a chunk.
const HEAD: usize = 64 * 1024;

pub(crate) struct Connection {
    address: SocketAddr,
    socket: TcpStream,
    /// What was read; up to `taken` it was dealt with.
    input: Vec<u8>,
    taken: usize,
    left: Left,
    closing: bool,
    output: Vec<u8>,
}

/// What of a response's body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Bytes(usize),
    /// The line that begins the next chunk.
    Chunk,
    /// Bytes of this chunk, then its line end.
    OfChunk(usize),
    UntilClosed,
}

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Events,
    Other,
}

/// What the head of a response says.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) kind: Kind,
    pub(crate) session: Option<String>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let socket = connect(address).await?;
        let (input, output) = (Vec::with_capacity(READ), Vec::new());
        Ok(Self { address, socket, input, taken: 0, left: Left::Nothing, closing: false, output })
    }

    /// Sends a request, whose `head` ends just before the value of `Content-Length`, and
    /// reads the head of the response. The last response must have been read to its end.
    pub(crate) async fn send(&mut self, head: &str, body: &[&[u8]]) -> Result<Head, Failure> {
        if self.closing {
            *self = Self::open(self.address).await?;
        }
        self.output.clear();
        self.output.extend_from_slice(head.as_bytes());
        let length: usize = body.iter().map(|part| part.len()).sum();
        self.output.extend_from_slice(length.to_string().as_bytes());
        self.output.extend_from_slice(b"\r\n\r\n");
        body.iter().for_each(|part| self.output.extend_from_slice(part));
        // A server that refuses a body may have said so before it stopped reading.
        let written = self.socket.write_all(&self.output).await;
        let head = self.head().await;
        match (head, written) {
            (Err(Failure::Closed | Failure::Broken(_)), Err(error)) => Err(Failure::Broken(error)),
            (head, _) => head,
        }
    }

    async fn head(&mut self) -> Result<Head, Failure> {
        let length = loop {
            if let Some(at) = memmem::find(self.pending(), b"\r\n\r\n") {
                break at + 4;
            }
            self.fill_within(HEAD).await?;
        };
        let (head, left, closing) = read_head(self.pending().get(..length).unwrap_or_default())?;
        (self.taken, self.left, self.closing) = (self.taken + length, left, closing);
        Ok(head)
    }

    /// Appends the next piece of the body to `into`; false when there is no more.
    pub(crate) async fn more(&mut self, into: &mut Vec<u8>) -> Result<bool, Failure> {
        loop {
            match self.left {
                Left::Nothing => return Ok(false),
                Left::Chunk => self.left = self.chunk().await?,
                Left::Bytes(0) => self.left = Left::Nothing,
                Left::OfChunk(0) => {
                    self.line().await?;
                    self.left = Left::Chunk;
                }
                Left::Bytes(length) => {
                    self.left = Left::Bytes(length - self.take(length, into).await?);
                    return Ok(true);
                }
                Left::OfChunk(length) => {
                    self.left = Left::OfChunk(length - self.take(length, into).await?);
                    return Ok(true);
                }
                Left::UntilClosed => match self.take(usize::MAX, into).await {
                    Err(Failure::Closed) => self.left = Left::Nothing,
                    taken => return taken.map(|_| true),
                },
            }
        }
    }

    /// The length of the next chunk; the last one has none, and trailers, which are skipped.
    async fn chunk(&mut self) -> Result<Left, Failure> {
        let line = self.line().await?;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let length = str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        match length.ok_or(Failure::NotHttp("a chunk without a length"))? {
            0 => {
                while !self.line().await?.is_empty() {}
                Ok(Left::Nothing)
            }
            length => Ok(Left::OfChunk(length)),
        }
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<&[u8], Failure> {
        let length = loop {
            if let Some(at) = memmem::find(self.pending(), b"\r\n") {
                break at;
            }
            self.fill_within(HEAD).await?;
        };
        let begin = self.taken;
        self.taken += length + 2;
        Ok(self.input.get(begin..begin + length).unwrap_or_default())
    }

    /// Moves at most `most` bytes, at least one, to `into`.
    async fn take(&mut self, most: usize, into: &mut Vec<u8>) -> Result<usize, Failure> {
        if self.pending().is_empty() {
            self.fill().await?;
        }
        let piece = self.pending();
        let piece = piece.get(..most).unwrap_or(piece);
        into.extend_from_slice(piece);
        let length = piece.len();
        self.taken += length;
        Ok(length)
    }

    fn pending(&self) -> &[u8] {
        self.input.get(self.taken..).unwrap_or_default()
    }

    async fn fill_within(&mut self, limit: usize) -> Result<(), Failure> {
        if self.pending().len() > limit {
            return Err(Failure::NotHttp("a head or line without an end"));
        }
        self.fill().await
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        if self.taken == self.input.len() {
            self.input.clear();
            self.taken = 0;
        }
        self.input.reserve(READ);
        match self.socket.read_buf(&mut self.input).await {
            Ok(0) => Err(Failure::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::Broken(error)),
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = TcpStream::connect(address).await.map_err(Failure::Broken)?;
    socket.set_nodelay(true).map_err(Failure::Driver)?;
    Ok(socket)
}

fn read_head(text: &[u8]) -> Result<(Head, Left, bool), Failure> {
    let text = str::from_utf8(text).map_err(|_| Failure::NotHttp("a head that is not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or(Failure::NotHttp("no status line of HTTP/1.1"))?;
    let mut head = Head { status, kind: Kind::Other, session: None };
    let (mut left, mut closing) = (Left::UntilClosed, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" if left != Left::Chunk => {
                left = Left::Bytes(value.parse().map_err(|_| Failure::NotHttp("a length that is no number"))?);
            }
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => left = Left::Chunk,
            "content-type" => head.kind = kind(value),
            "connection" => closing |= value.eq_ignore_ascii_case("close"),
            "mcp-session-id" => head.session = Some(value.to_owned()),
            _ => {}
        }
    }
    if status == 204 {
        left = Left::Nothing;
    }
    Ok((head, left, closing || left == Left::UntilClosed))
}

fn kind(content_type: &str) -> Kind {
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => Kind::Json,
        "text/event-stream" => Kind::Events,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A server that gives each connection one response per request, each written in
    /// pieces of `piece` bytes.
    async fn server(responses: Vec<&'static str>, piece: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut responses = responses.into_iter();
            while let Ok((mut socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let mut request = vec![0; 4096];
                while socket.read(&mut request).await.is_ok_and(|got| got > 0) {
                    let Some(response) = responses.next() else { break };
                    for bytes in response.as_bytes().chunks(piece) {
                        socket.write_all(bytes).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    if response.contains("close") {
                        break;
                    }
                }
            }
        });
        address
    }

    async fn whole(connection: &mut Connection) -> (Head, String) {
        let head = connection.send("POST / HTTP/1.1\r\nContent-Length: ", &[b"{}"]).await.unwrap();
        let mut body = Vec::new();
        while connection.more(&mut body).await.unwrap() {}
        (head, String::from_utf8(body).unwrap())
    }

    #[tokio::test]
    async fn reads_bodies_of_every_kind_on_one_connection() {
        let responses = vec![
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: s-1\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata: \r\nB;x=y\r\n{\"id\":1}\n\n\n\r\n0\r\nTrailer: x\r\n\r\n",
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\ntoo large",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ];
        for piece in [1, 7, 4096] {
            let mut connection = Connection::open(server(responses.clone(), piece).await).await.unwrap();
            let (head, body) = whole(&mut connection).await;
            assert_eq!((head.status, head.kind, body.as_str()), (200, Kind::Json, "hello"));
            assert_eq!(head.session.as_deref(), Some("s-1"));
            let (head, body) = whole(&mut connection).await;
            assert_eq!((head.kind, body.as_str()), (Kind::Events, "data: {\"id\":1}\n\n\n"));
            assert_eq!(whole(&mut connection).await.0.status, 202);
            let (head, body) = whole(&mut connection).await;
            assert_eq!((head.status, body.as_str()), (413, "too large"));
            // The server closed; the next request goes out on a new connection.
            assert_eq!(whole(&mut connection).await.0.status, 204);
        }
    }

    #[tokio::test]
    async fn a_response_that_ends_early_is_a_failure() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nclose";
        let mut connection = Connection::open(server(vec![cut], 4096).await).await.unwrap();
        connection.send("POST / HTTP/1.1\r\nContent-Length: ", &[b"{}"]).await.unwrap();
        let mut body = Vec::new();
        assert!(connection.more(&mut body).await.unwrap());
        assert!(matches!(connection.more(&mut body).await, Err(Failure::Closed)));
    }
}
