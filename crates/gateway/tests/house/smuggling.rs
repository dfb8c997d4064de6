//! No request hides in another: where a proxy in front could take a request's end to be elsewhere, the connection is
//! closed behind what was read of it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::gateway::{PATIENCE, TestGateway, token};

/// Sends `more` headers and `body` with what must not be read as a second request behind it; all that is answered until
/// the connection is closed.
async fn answered(gateway: &TestGateway, more: &str, body: &str) -> String {
    let bearer = token("me");
    let head = format!("Host: {}\r\nAuthorization: Bearer {}\r\n", gateway.address, bearer.expose());
    let sent = format!("POST /tokens HTTP/1.1\r\n{head}{more}\r\n\r\n{body}GET /servers HTTP/1.1\r\n{head}\r\n");
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    // A server that does not want the rest may reset the connection after its answer.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    drop(read.unwrap_or_else(|_| panic!("{more:?}: the connection stays open")));
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn no_request_hides_in_another() {
    let gateway = TestGateway::start().await;
    let chunks = "0\r\n\r\n";
    for (more, body, statuses) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", chunks, [201, 400]),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", chunks, [201, 400]),
        ("Content-Length: 0\r\nContent-Length: 44", "", [400; 2]),
        ("Content-Length: 0, 0", "", [400; 2]),
        ("Content-Length: +2", "{}", [400; 2]),
        ("Content-Length: -1", "", [400; 2]),
        ("Transfer-Encoding: identity\r\nContent-Length: 0", "", [400; 2]),
        ("Transfer-Encoding: xchunked", chunks, [400; 2]),
        ("Transfer-Encoding: chunked, identity", chunks, [400; 2]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", chunks, [400; 2]),
        ("Transfer-Encoding: \u{b}chunked", chunks, [400; 2]),
        ("Content-Length : 0", "", [400; 2]),
        ("X: a\r\n Content-Length: 0", "", [400; 2]),
        ("X: a\rContent-Length: 44", "", [400; 2]),
        ("X: a\0b", "", [400; 2]),
        ("Transfer-Encoding: chunked", "2\n{}\n0\n\n", [400; 2]),
        ("Transfer-Encoding: chunked", "10000000000000002\r\n{}\r\n0\r\n\r\n", [400; 2]),
    ] {
        let said = answered(&gateway, more, body).await;
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{more:?}: {said}");
        assert!(statuses.iter().any(|status| said.starts_with(&format!("HTTP/1.1 {status} "))), "{more:?}: {said}");
        assert!(!said.contains("\"servers\":["), "{more:?}: {said}");
    }
}
