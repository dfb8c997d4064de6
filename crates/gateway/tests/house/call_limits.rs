//! Calls beyond their number are refused at once, with when to come back; those in flight go on.

use std::time::Duration;

use culvert_tunnel::Transport;
use serde_json::{Value, json};

use crate::gateway::{PATIENCE, TestGateway, token};
use crate::http::Answer;
use crate::mcp_client::Client;
use crate::tunnel::Tunnel;

fn refusal(answer: &Answer) -> (u16, Value, Option<&str>) {
    (answer.status, answer.message()["error"]["data"]["code"].clone(), answer.header("Retry-After"))
}

#[tokio::test]
async fn calls_of_a_session_beyond_their_number_get_429_and_those_in_flight_go_on() {
    let gateway = TestGateway::start_with(|config| config.limits.session_calls = 2).await;
    let me = token("me");
    let mut tunnel = Tunnel::start(&gateway.url, &me, Transport::WebSocket);
    tunnel.online(|_| true).await;
    let (client, other) = (Client::begin(&gateway, &me).await, Client::begin(&gateway, &me).await);
    let (one, two, ()) = tokio::join!(client.call("wait"), client.call("wait"), async {
        tunnel.waiting(2).await;
        let third = client.post(&json!({"jsonrpc": "2.0", "id": 9, "method": "ping"})).await;
        assert_eq!(refusal(&third), (429, json!("calls.too_many"), Some("5")));
        assert_eq!(third.message()["id"], 9, "it says which request it is about");
        assert_eq!(other.call("echo").await, "echo", "another session has its own");
        tunnel.go();
    });
    assert_eq!((one.as_str(), two.as_str()), ("waited", "waited"));
    assert_eq!(client.call("echo").await, "echo");
    tunnel.stop().await;
}

#[tokio::test]
async fn calls_at_a_shared_process_beyond_their_number_get_429_whoever_makes_them() {
    let gateway = TestGateway::start_with(|config| config.limits.shared_calls = 1).await;
    let me = token("me");
    let _serving = gateway.register(&me, "sh").await.serve();
    let (one, two) = (Client::begin(&gateway, &me).await, Client::begin(&gateway, &me).await);
    let echo = json!({"jsonrpc": "2.0", "id": 2, "method": "echo", "params": {}});
    assert_eq!(two.post(&echo).await.status, 200);
    let silence = json!({"jsonrpc": "2.0", "id": 1, "method": "silence"});
    // The two cross until the one that is never answered has got in.
    let stays = async {
        loop {
            let answer = one.post(&silence).await;
            // Two that come at the very same moment: the process has the last word.
            let code = answer.message()["error"]["data"]["code"].clone();
            assert_eq!(code, "calls.too_many", "silence was answered: {answer:?}");
        }
    };
    let refused = async {
        loop {
            let answer = two.post(&echo).await;
            if answer.status != 200 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let sessions = gateway.get("/reverse-proxy/sessions", &me).await.json();
    let path = format!("/reverse-proxy/sessions/{}/request", sessions["sessions"][0]["session_id"].as_str().unwrap());
    let refused = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            () = stays => unreachable!("it never ends"),
            refused = async { (refused.await, gateway.ask("POST", &path, &me, &echo.to_string()).await) } => refused,
        }
    });
    let (refused, beside) = refused.await.expect("nothing is ever refused");
    assert_eq!(refusal(&refused), (429, json!("calls.too_many"), Some("5")));
    assert_eq!((beside.status, beside.code().as_str()), (429, "calls.too_many"), "beside all sessions too");
    assert_eq!(beside.header("Retry-After"), Some("5"));
}
