//! Connections whose peer went away without a word: a laptop that was closed, a network that is another one now. Nothing
//! is heard of them, so that the system has to ask, or an open stream would hold its session for as long as the gateway
//! lives.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How long a connection may be quiet until the system asks whether the peer is there.
const QUIET: Duration = Duration::from_secs(60);

/// How often it asks again. On most systems a peer is gone after nine questions.
const INTERVAL: Duration = Duration::from_secs(15);

/// Has the system end `stream` when its peer has vanished: two or three minutes after it last moved. What was sent and is
/// not confirmed for `patience` ends it too; left alone, Linux tries for a quarter of an hour.
///
/// # Errors
/// What the system says; without these options all else still works.
pub(crate) fn end_if_peer_vanishes(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(QUIET).with_interval(INTERVAL))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(patience))?;
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_system_is_told_to_ask() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        end_if_peer_vanishes(&stream, Duration::from_secs(90)).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        let times = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
        assert_eq!(times, (QUIET, INTERVAL));
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(90)));
    }
}
