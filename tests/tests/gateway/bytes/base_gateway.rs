//! A gateway of the base dialect by hand, toward `culvert run`: payloads are given and taken as text. What such gateways
//! refuse (rich ids, members that JSON-RPC does not know) is not among them; what becomes of it is another test's.

use culvert_tests::raw_json::member;
use culvert_tests::{CulvertCommand, Fixture};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::far_end::FarEnd;
use super::messages::Messages;
use super::rounds::{assert_same, one_line, part};

/// One tunnel of `culvert run`, seen from the gateway.
struct Link(WebSocketStream<TcpStream>);

impl Link {
    /// The next envelope of one of these types.
    async fn next(&mut self, kinds: &[&str]) -> String {
        loop {
            let Message::Text(frame) = self.0.next().await.unwrap().unwrap() else { continue };
            let kind: String = serde_json::from_str(part(&frame, &["type"]).unwrap()).unwrap();
            if kinds.contains(&&*kind) {
                return frame.to_string();
            }
        }
    }

    async fn pass(&mut self, message: &str) {
        let envelope = format!(r#"{{"type":"request","sessionId":"theirs","payload":{message}}}"#);
        self.0.send(Message::text(envelope)).await.unwrap();
    }
}

/// So many rounds through `culvert run` alone.
pub(super) async fn run(mut messages: Messages, rounds: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let replies = tempfile::NamedTempFile::new().unwrap();
    let fixture = Fixture::new(&["--replies", replies.path().to_str().unwrap()]);
    let tunnel = CulvertCommand::run().server(&fixture).args(["--server-name", "bytes", "--gateway", &url]).start();
    let (stream, _) = listener.accept().await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut link = Link(accept_async(stream).await.unwrap());
    link.next(&["register"]).await;
    // "success" at once: this gateway asks nothing of its own, and takes large frames.
    let ack = r#"{"type":"register_ack","sessionId":"theirs","status":"success"}"#;
    link.0.send(Message::text(ack)).await.unwrap();
    tunnel.online().await;
    let mut far_end = FarEnd::process(&fixture, replies);
    for number in 0..rounds {
        let round = messages.round();
        let told = format!("seed {}, round {number}, toward a base gateway", messages.seed);
        far_end.will_reply(&round.replies);
        link.pass(&round.request).await;
        assert_same(&far_end.next().await, &one_line(&round.request), &told);
        let id = part(&round.request, &["id"]).unwrap();
        let token = part(&round.request, &["params", "_meta", "progressToken"]).unwrap_or("null");
        for reply in &round.replies {
            let envelope = link.next(&["response", "notification"]).await;
            let payload = &envelope[member(&envelope, &["payload"]).unwrap()];
            assert_same(payload, &one_line(&reply.replace("@ID@", id).replace("@TOKEN@", token)), &told);
        }
        if let Some(notification) = &round.notification {
            link.pass(notification).await;
            assert_same(&far_end.next().await, &one_line(notification), &told);
        }
    }
    tunnel.stop().await;
}
