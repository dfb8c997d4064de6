//! The processes behind a tunnel: one for each client, as many as are allowed, who has one, and what is said when there
//! is none.

use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{CulvertCommand, Fixture, http};
use serde_json::{Value, json};

const USER: &str = "me@example.com";

struct Client<'g> {
    gateway: &'g OwnGateway,
    token: &'g str,
}

impl Client<'_> {
    async fn post(&self, message: Value, session: Option<&str>) -> http::Response {
        let request = self.gateway.request("POST", "/servers/fixture/mcp", self.token);
        let request = request.header("accept", "application/json, text/event-stream").json(&message);
        match session {
            Some(session) => request.header("mcp-session-id", session).send().await,
            None => request.send().await,
        }
    }

    async fn hello(&self) -> http::Response {
        let info = json!({"name": "inspector", "version": "2.12"});
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info});
        self.post(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}), None).await
    }

    async fn session(&self) -> String {
        let welcome = self.hello().await;
        assert_eq!(welcome.status, 200, "{welcome:?}");
        welcome.header("mcp-session-id").unwrap().to_owned()
    }

    async fn stream(&self) -> http::Response {
        let request = self.gateway.request("GET", "/servers/fixture/sse", self.token);
        request.header("accept", "text/event-stream").send().await
    }

    async fn leave(&self, session: &str) {
        let request = self.gateway.request("DELETE", "/servers/fixture/mcp", self.token);
        assert_eq!(request.header("mcp-session-id", session).send().await.status, 204);
    }
}

fn reason(refusal: &http::Response) -> (u16, String) {
    assert!(refusal.header("mcp-session-id").is_none(), "{refusal:?}");
    (refusal.status, refusal.json()["error"]["data"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_client_beyond_the_cap_is_told_to_come_back_and_whose_the_places_are_is_known() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token(USER, SECRET).await);
    let fixture = Fixture::default();
    let tunnel = gateway.tunnel(&fixture, "fixture", &token).args(["--max-sessions", "2"]).start();
    let own = tunnel.online().await["session"].as_str().unwrap().to_owned();
    let client = Client { gateway: &gateway, token: &token };
    let (first, _second) = (client.session().await, client.session().await);
    let users = tunnel.event("two in use", |event| event["callers"].as_array().is_some_and(|all| all.len() == 2)).await;
    assert_eq!(users["callers"], Value::from(vec!["inspector 2.12 (me@example.com)"; 2]));
    assert!(!tunnel.words().contains(&token) && !format!("{:?}", tunnel.events()).contains(&token));

    for refusal in [client.hello().await, client.stream().await] {
        assert_eq!(reason(&refusal), (503, "tunnel.full".to_owned()), "{refusal:?}");
        assert!(refusal.header("retry-after").unwrap().parse::<u32>().unwrap() > 0, "{refusal:?}");
        assert!(refusal.body.contains("at most 2 sessions"), "{refusal:?}");
    }
    // The gateway's own process takes no place, and has one for whatever it is asked.
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let path = format!("/reverse-proxy/sessions/{own}/request");
    assert_eq!(gateway.request("POST", &path, &token).json(&ping).send().await.json()["result"], json!({}));
    assert_eq!(fixture.events("start").len(), 3, "one for each client and the gateway's own");

    client.leave(&first).await;
    tunnel.event_number("one left", 2, |event| event["callers"].as_array().is_some_and(|all| all.len() == 1)).await;
    client.session().await;
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_server_that_can_no_longer_be_started_is_a_bad_gateway_and_serves_whom_it_has() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token(USER, SECRET).await);
    let fixture = Fixture::default();
    let command = fixture.stand_ins(&["server"]).join("server");
    let tunnel = CulvertCommand::run().arg("--local-stdio").arg(&command).env("REVERSE_PROXY_TOKEN", &token);
    let tunnel = tunnel.args(["--server-name", "fixture", "--gateway", &gateway.url]).start();
    tunnel.online().await;
    let client = Client { gateway: &gateway, token: &token };
    let session = client.session().await;
    std::fs::remove_file(&command).unwrap();
    for refusal in [client.hello().await, client.stream().await] {
        assert_eq!(reason(&refusal), (502, "server.failed_to_start".to_owned()), "{refusal:?}");
        assert!(refusal.body.contains("was not found"), "{refusal:?}");
    }
    let ping = client.post(json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}), Some(&session)).await;
    assert_eq!(ping.json()["result"], json!({}));
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_warm_spare_waits_for_the_next_client_and_is_followed_by_another() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token(USER, SECRET).await);
    let fixture = Fixture::default();
    let tunnel = gateway.tunnel(&fixture, "fixture", &token).arg("--warm-spare").start();
    tunnel.online().await;
    let starts = async |number| {
        let enough = |record: &[Value]| record.iter().filter(|event| event["event"] == "start").count() == number;
        fixture.until("starts", |record| enough(record).then_some(())).await;
    };
    starts(2).await;
    let client = Client { gateway: &gateway, token: &token };
    client.session().await;
    starts(3).await;
    assert_eq!(fixture.received("initialize").len(), 2, "the gateway's own and the client's, the spare untouched");
    let ended = tunnel.stop().await;
    assert_eq!(ended.code, Some(0));
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn who_shares_the_one_process_of_a_server_is_known_too() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token(USER, SECRET).await);
    let fixture = Fixture::default();
    let tunnel = gateway.tunnel(&fixture, "fixture", &token).arg("--single-child").start();
    tunnel.online().await;
    let client = Client { gateway: &gateway, token: &token };
    let session = client.session().await;
    client.session().await;
    let users = tunnel.event("two in use", |event| event["callers"].as_array().is_some_and(|all| all.len() == 2)).await;
    assert_eq!(users["callers"], Value::from(vec!["inspector 2.12 (me@example.com)"; 2]));
    client.leave(&session).await;
    tunnel.event("one left", |event| event["callers"].as_array().is_some_and(|all| all.len() == 1)).await;
    assert_eq!(fixture.events("start").len(), 1);
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

/// A longer line would end the whole session, where only one call is at fault.
#[tokio::test]
async fn what_a_tunnel_does_not_take_is_refused_before_it_is_sent() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token(USER, SECRET).await);
    for more in [&[][..], &["--single-child"]] {
        let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token);
        let tunnel = tunnel.args(["--max-message-size", "65536"]).args(more).start();
        tunnel.online().await;
        let client = Client { gateway: &gateway, token: &token };
        let session = client.session().await;
        let echo = |id: u32, length: usize| {
            let params = json!({"name": "echo", "arguments": {"text": "x".repeat(length)}});
            json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
        };
        let refused = client.post(echo(2, 65_536), Some(&session)).await;
        assert_eq!(reason(&refused), (413, "message.too_large".to_owned()), "{refused:?}");
        assert_eq!(refused.json()["id"], 2);
        let answered = client.post(echo(3, 60_000), Some(&session)).await;
        assert_eq!(answered.status, 200, "{answered:?}");
        assert!(answered.json()["result"].is_object(), "the session goes on");
        tunnel.stop().await;
    }
    gateway.culvert.stop().await;
}
