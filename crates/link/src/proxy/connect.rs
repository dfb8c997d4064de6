//! HTTP's CONNECT (RFC 9110 §9.3.6): asks a proxy for a way through, and reads not a byte more than its answer's head.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use culvert_protocol::text;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Credentials;
use super::socks::NoWay;

/// The most bytes of an answer's head.
const LONGEST_HEAD: usize = 16 * 1024;

/// Asks for `host`, an IPv6 address without its brackets.
pub(crate) async fn through<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<(), NoWay> {
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(Credentials { user, password }) = credentials {
        let both = STANDARD.encode(format!("{}:{}", user.expose(), password.expose()));
        request.push_str(&format!("Proxy-Authorization: Basic {both}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let head = head(stream).await?;
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.splitn(3, ' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().and_then(|status| status.parse().ok()));
    match status {
        Some(200..=299) if version.starts_with("HTTP/1.") => Ok(()),
        // tinyproxy says 401 where 407 is meant.
        Some(status @ (401 | 407)) if version.starts_with("HTTP/1.") => Err(NoWay::Credentials(match credentials {
            Some(_) => format!("it does not take the user and password ({status})"),
            None => format!("it asks for a user and a password ({status})"),
        })),
        Some(status @ 100..=999_u16) if version.starts_with("HTTP/1.") => {
            let reason = text::clean(words.next().unwrap_or_default(), 100);
            Err(NoWay::Refused(format!("it answered {status} {reason}").trim_end().to_owned()))
        }
        _ => Err(NoWay::Foreign("it does not answer as an HTTP proxy does")),
    }
}

/// Bytes one by one: what follows the head belongs to the gateway. The head is short and comes once a link.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, NoWay> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST_HEAD {
            return Err(NoWay::Foreign("its answer has no end"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}
