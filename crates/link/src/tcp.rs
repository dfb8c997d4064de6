//! TCP to a host by its name: the look-up, and the first of its addresses that answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// The addresses behind a name, or behind an address written out. The resolver's patience is the system's: give it a
/// limit.
///
/// # Errors
/// What the resolver said, in words.
pub async fn look_up(host: String, port: u16) -> Result<Vec<SocketAddr>, String> {
    match lookup_host((host, port)).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => {
            let words = error.to_string();
            Err(words
                .strip_prefix("failed to lookup address information: ")
                .map_or_else(|| words.clone(), str::to_owned))
        }
    }
}

/// A connection to the first of these addresses that answers; each has `patience`.
///
/// # Errors
/// Why the last one did not, [`io::ErrorKind::NotFound`] where there is none.
pub async fn connect(addresses: Vec<SocketAddr>, patience: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small messages must not wait for one another; without the option all still works.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {address}")),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn the_first_address_that_answers_is_taken_and_of_none_the_last_is_told() {
        let (open, closed) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (open_at, closed_at) = (open.local_addr().unwrap(), closed.local_addr().unwrap());
        drop(closed);
        let stream = connect(vec![closed_at, open_at], PATIENCE).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open_at);
        assert!(stream.nodelay().unwrap());
        assert_eq!(connect(vec![closed_at], PATIENCE).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect(Vec::new(), PATIENCE).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn an_address_written_out_is_its_own_and_no_name_says_why() {
        assert_eq!(look_up("::1".to_owned(), 7).await.unwrap(), ["[::1]:7".parse().unwrap()]);
        let words = look_up("not a name".to_owned(), 7).await.unwrap_err();
        assert!(!words.is_empty() && !words.starts_with("failed to"), "{words}");
    }
}
