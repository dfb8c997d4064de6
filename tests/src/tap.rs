//! A byte tap: a TCP proxy in front of a real gateway that reads the WebSocket frames passing through, in both
//! directions, and changes nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::watched::Watched;

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The one that dialled.
    Client,
    /// The one that was dialled.
    Gateway,
}

/// A text message that passed.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Who sent it.
    pub from: Sender,
    /// What it says.
    pub value: Value,
}

/// The proxy; it ends with the test.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    passed: Arc<Watched<Vec<Passed>>>,
    accepting: JoinHandle<()>,
}

impl Tap {
    /// Starts one in front of this address.
    pub async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let passed = Arc::new(Watched::default());
        let accepting = tokio::spawn(accept(listener, target, passed.clone()));
        Self { address, passed, accepting }
    }

    /// The base URL to give to a client.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the answer of the client to the request with this id.
    pub async fn answer(&self, id: &Value) -> Value {
        let is_it = |passed: &&Passed| {
            passed.from == Sender::Client && passed.value["type"] == "response" && passed.value["payload"]["id"] == *id
        };
        self.passed
            .until(&format!("the answer to {id}"), |all| {
                all.iter().find(is_it).map(|passed| passed.value["payload"].clone())
            })
            .await
    }

    /// All messages so far, in the order in which they passed.
    pub fn passed(&self) -> Vec<Passed> {
        self.passed.look().clone()
    }

    /// How many messages of one type one side has sent.
    pub fn count(&self, from: Sender, kind: &str) -> usize {
        count(&self.passed.look(), from, kind)
    }

    /// Waits until one side has sent that many messages of one type.
    pub async fn count_reaches(&self, from: Sender, kind: &str, wanted: usize) {
        let what = format!("{wanted} times {kind} from {from:?}");
        self.passed.until(&what, |all| (count(all, from, kind) >= wanted).then_some(())).await;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn count(all: &[Passed], from: Sender, kind: &str) -> usize {
    all.iter().filter(|passed| passed.from == from && passed.value["type"] == kind).count()
}

async fn accept(listener: TcpListener, target: SocketAddr, passed: Arc<Watched<Vec<Passed>>>) {
    while let Ok((client, _)) = listener.accept().await {
        let passed = passed.clone();
        tokio::spawn(async move {
            // A gateway that is down refuses; so does the tap, by hanging up.
            let Ok(gateway) = TcpStream::connect(target).await else { return };
            let _ = client.set_nodelay(true);
            let _ = gateway.set_nodelay(true);
            let (client_read, client_write) = client.into_split();
            let (gateway_read, gateway_write) = gateway.into_split();
            tokio::join!(
                copy(client_read, gateway_write, Sender::Client, &passed),
                copy(gateway_read, client_write, Sender::Gateway, &passed),
            );
        });
    }
}

async fn copy(
    mut read: impl AsyncReadExt + Unpin,
    mut write: impl AsyncWriteExt + Unpin,
    from: Sender,
    passed: &Watched<Vec<Passed>>,
) {
    let mut frames = Frames::default();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = read.read(&mut buffer).await {
        frames.feed(&buffer[..count], |text| {
            let value = serde_json::from_slice(text).unwrap_or_else(|_| String::from_utf8_lossy(text).into());
            passed.change(|all| all.push(Passed { from, value }));
        });
        if write.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = write.shutdown().await;
}

/// Finds the text messages in one direction of a connection: an HTTP head, then WebSocket frames.
#[derive(Debug, Default)]
struct Frames {
    bytes: Vec<u8>,
    upgraded: bool,
    message: Vec<u8>,
}

impl Frames {
    fn feed(&mut self, bytes: &[u8], mut text: impl FnMut(&[u8])) {
        self.bytes.extend_from_slice(bytes);
        if !self.upgraded {
            let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return };
            self.bytes.drain(..end + 4);
            self.upgraded = true;
        }
        while let Some((frame, size)) = frame(&self.bytes) {
            self.bytes.drain(..size);
            match frame.opcode {
                0 | 1 => self.message.extend(frame.payload),
                _ => continue,
            }
            if frame.is_last {
                text(&std::mem::take(&mut self.message));
            }
        }
    }
}

struct Frame {
    is_last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

/// The first whole frame (RFC 6455, 5.2) and its size.
fn frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (length, mut at) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        mask.copy_from_slice(bytes.get(at..at + 4)?);
        at += 4;
    }
    let masked = bytes.get(at..at + length)?;
    let payload = masked.iter().enumerate().map(|(n, byte)| byte ^ mask[n % 4]).collect();
    Some((Frame { is_last: first & 0x80 != 0, opcode: first & 0x0f, payload }, at + length))
}

#[cfg(test)]
mod tests {
    use super::Frames;

    #[test]
    fn masked_and_split_messages_are_read() {
        let mut wire = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        wire.extend([0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2]);
        wire.extend([0x01, 0x02, b'a', b'b', 0x89, 0x00, 0x80, 0x01, b'c']);
        let mut seen = vec![];
        let mut frames = Frames::default();
        for byte in wire {
            frames.feed(&[byte], |text| seen.push(String::from_utf8(text.to_vec()).unwrap_or_default()));
        }
        assert_eq!(seen, ["hi", "abc"]);
    }
}
