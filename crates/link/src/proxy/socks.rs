//! SOCKS 5 as a client (RFC 1928), with user and password where a proxy asks for them (RFC 1929).

use std::io;
use std::net::IpAddr;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Credentials;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Why a proxy opens no way.
#[derive(Debug, Error)]
pub(crate) enum NoWay {
    /// The connection to it broke.
    #[error("the connection to it broke: {0}")]
    Broken(#[from] io::Error),
    /// It wants credentials, or other ones.
    #[error("{0}")]
    Credentials(String),
    /// It says no, or cannot reach the gateway.
    #[error("{0}")]
    Refused(String),
    /// It is no such proxy.
    #[error("{0}")]
    Foreign(&'static str),
}

/// Asks for `host`, a name or an address; names are left to the proxy to look up.
pub(crate) async fn through<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<(), NoWay> {
    let methods: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    stream.write_all(methods).await?;
    stream.flush().await?;
    let [version, method] = read(stream).await?;
    if version != VERSION {
        return Err(NoWay::Foreign("it does not answer as a SOCKS 5 proxy does"));
    }
    match (method, credentials) {
        (NO_AUTHENTICATION, _) => {}
        (USER_AND_PASSWORD, Some(credentials)) => authenticate(stream, credentials).await?,
        (_, None) => return Err(NoWay::Credentials("it asks for a user and a password".to_owned())),
        (_, Some(_)) => {
            return Err(NoWay::Credentials("it asks for another way to log in than user and password".to_owned()));
        }
    }
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| NoWay::Foreign("the gateway's name is too long"))?;
            request.extend([NAME, length]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await?;
    stream.flush().await?;
    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Err(NoWay::Foreign("it does not answer as a SOCKS 5 proxy does"));
    }
    if reply != 0 {
        return Err(NoWay::Refused(words(reply).to_owned()));
    }
    // The address that it connects from: of no use, and in the way of what follows.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(NoWay::Foreign("it does not answer as a SOCKS 5 proxy does")),
    };
    let mut unused = [0; 257];
    stream.read_exact(&mut unused[..length + 2]).await?;
    Ok(())
}

async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    Credentials { user, password }: &Credentials,
) -> Result<(), NoWay> {
    let too_long = |_| NoWay::Credentials("its user or password is too long".to_owned());
    let mut request = vec![1];
    for text in [user, password] {
        request.push(u8::try_from(text.expose().len()).map_err(too_long)?);
        request.extend(text.expose().as_bytes());
    }
    stream.write_all(&request).await?;
    stream.flush().await?;
    let [_, status] = read(stream).await?;
    if status == 0 { Ok(()) } else { Err(NoWay::Credentials("it does not take the user and password".to_owned())) }
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn words(reply: u8) -> &'static str {
    match reply {
        2 => "its rules do not allow this connection",
        3 => "it cannot reach the gateway's network",
        4 => "it cannot reach the gateway",
        5 => "the gateway refused its connection",
        6 => "its connection to the gateway timed out",
        7 | 8 => "it does not support this connection",
        _ => "it failed",
    }
}
