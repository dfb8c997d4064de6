//! What happens on a link: registration, its refusals, and the ways in which it ends.

use culvert_link::LinkEnd;
use culvert_protocol::claims::Right;
use serde_json::{Value, json};

use crate::base_client::{BaseClient, closed};
use crate::gateway::{TestGateway, make, narrow, revoke, token};

/// Waits for the close of a link that answers nothing any more.
async fn end(client: &mut BaseClient) -> (Vec<Value>, LinkEnd) {
    let mut frames = Vec::new();
    loop {
        match client.recv().await {
            Ok(frame) => frames.push(frame),
            Err(end) => return (frames, end),
        }
    }
}

fn close(code: u16, reason: &str) -> LinkEnd {
    LinkEnd::Closed { code, reason: reason.to_owned() }
}

#[tokio::test]
async fn a_server_is_online_while_its_link_lives_and_known_ever_after() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    assert_eq!(gateway.get("/servers", &me).await.json(), json!({"total": 0, "servers": []}));
    let client = gateway.register(&me, "git").await;
    let listed = gateway.get("/servers", &me).await.json();
    let server = &listed["servers"][0];
    assert_eq!((&listed["total"], &server["status"], &server["tools"]), (&json!(1), &json!("online"), &json!(2)));
    assert_eq!((&server["name"], &server["owner"]), (&json!("git"), &json!("me")));
    assert_eq!(server["description"], "the git server");
    let url = format!("{}/servers/{}/mcp", gateway.url, server["id"].as_str().unwrap());
    assert_eq!(server["url"], json!(url));

    client.send(json!({"type": "unregister"})).await;
    assert_eq!(closed(client.serve()).await, (1000, String::new()));
    let offline = |answer: &crate::http::Answer| answer.json()["servers"][0]["status"] == "offline";
    gateway.until("/servers", &me, offline).await;

    let gateway = gateway.restart().await;
    let again = gateway.get("/servers", &me).await.json();
    assert_eq!(again["servers"][0]["id"], server["id"], "the id survives a restart");
    assert!(again["servers"][0]["status"] == "offline" && again["servers"][0]["tools"] == 2);
    let gone = gateway.ask("POST", "/servers/git/mcp", &me, "{}").await;
    assert_eq!(gone.status, 503);
    let wait: u64 = gone.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");

    let _client = gateway.register(&me, "git").await;
    let back = gateway.get("/servers", &me).await.json();
    assert_eq!((&back["total"], &back["servers"][0]["id"]), (&json!(1), &server["id"]));
    assert_eq!(back["servers"][0]["first_seen"], server["first_seen"]);
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_a_catalog_behind() {
    let gateway = TestGateway::start().await;
    let _client = gateway.register(&token("me"), "git").await;
    let written = std::fs::read_to_string(gateway.state_dir().join("catalog.json")).unwrap();
    assert!(written.contains("\"git\""), "the catalog must be on disk when the registration is complete: {written}");
}

#[tokio::test]
async fn the_oddities_of_existing_clients_do_no_harm() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let mut client = BaseClient::dial(&gateway.url, &me).await.unwrap();
    let early = json!({"jsonrpc": "2.0", "id": "init-1", "result": {"protocolVersion": "2024-11-05"}});
    client.send(json!({"type": "response", "sessionId": "x", "payload": early})).await;
    client.send(json!({"type": "heartbeat", "sessionId": "x"})).await;
    client.sender.send("not json".to_owned()).await.unwrap();
    client.register("odd").await;
    client.serve_until_complete().await;

    // A request of the server under the label of a response, a notification without one, a type from the future.
    let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
    client.send(json!({"type": "response", "sessionId": "x", "payload": ping})).await;
    client.send(json!({"type": "later", "payload": {"jsonrpc": "2.0", "method": "notifications/x"}})).await;
    client.sender.send("{}".to_owned()).await.unwrap();
    let answered = client.next("request").await;
    assert_eq!(answered["payload"], json!({"jsonrpc": "2.0", "id": 7, "result": {}}));

    // Heartbeats without pause: one answer, and the link lives on.
    for _ in 0..50 {
        client.send(json!({"type": "heartbeat", "sessionId": "x"})).await;
    }
    client.send(json!({"type": "response", "payload": {"jsonrpc": "2.0", "id": 8, "method": "ping"}})).await;
    let mut acks = 0;
    loop {
        let frame = client.recv().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "heartbeat" => {
                assert!(frame["timestamp"].as_str().unwrap().ends_with('Z'), "{frame}");
                acks += 1;
            }
            _ if frame["payload"]["id"] == 8 => break,
            _ => {}
        }
    }
    assert_eq!(acks, 1);
    assert_eq!(gateway.get("/reverse-proxy/sessions", &me).await.json()["total"], 1);
}

#[tokio::test]
async fn a_second_register_ends_the_link() {
    let gateway = TestGateway::start().await;
    let mut client = gateway.register(&token("me"), "git").await;
    client.register("git").await;
    let (frames, end) = end(&mut client).await;
    assert_eq!(frames.last().unwrap()["type"], "error");
    assert_eq!(end, close(1008, "register.twice"));
}

#[tokio::test]
async fn a_registration_is_refused_with_a_reason() {
    let gateway = TestGateway::start().await;
    let only_git = narrow("me", &[Right::Tunnel], &["git"]);
    for (name, word) in [("time", "may not register"), ("a@b", "'@'"), ("", "empty")] {
        let mut client = BaseClient::dial(&gateway.url, &only_git).await.unwrap();
        client.register(name).await;
        let (frames, end) = end(&mut client).await;
        let refusal = frames.last().unwrap();
        assert_eq!((&refusal["type"], &refusal["status"]), (&json!("register_complete"), &json!("error")));
        assert!(refusal["message"].as_str().unwrap().contains(word), "{refusal}");
        assert_eq!(end, close(1008, "register.refused"));
    }
    assert_eq!(gateway.get("/servers", &token("me")).await.json()["total"], 0);
    gateway.register(&only_git, "git").await;
}

#[tokio::test]
async fn a_server_that_refuses_the_handshake_is_not_registered() {
    let gateway = TestGateway::start().await;
    let mut client = BaseClient::dial(&gateway.url, &token("me")).await.unwrap();
    client.register("git").await;
    let ask = client.next("request").await;
    let error = json!({"jsonrpc": "2.0", "id": ask["payload"]["id"], "error": {"code": -1, "message": "no time"}});
    client.send(json!({"type": "response", "payload": error})).await;
    let (frames, end) = end(&mut client).await;
    let refusal = frames.last().unwrap();
    assert!(refusal["message"].as_str().unwrap().contains("no time"), "{refusal}");
    assert_eq!(end, close(1008, "register.refused"));
}

#[tokio::test]
async fn the_second_link_of_a_name_wins_and_the_first_cannot_take_it_down() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let first = gateway.register(&me, "git").await;
    let foreign = gateway.register(&token("them"), "git").await;
    let second = gateway.register(&me, "git").await;
    assert_eq!(closed(first.serve()).await, (1000, String::new()));
    let sessions = gateway.until("/reverse-proxy/sessions", &me, |answer| answer.json()["total"] == 1).await.json();
    assert_eq!(sessions["sessions"][0]["session_id"], json!(second.session));
    let servers = gateway.get("/servers", &me).await.json();
    assert_eq!(servers["servers"][0]["status"], "online");
    let theirs = gateway.get("/reverse-proxy/sessions", &token("them")).await.json();
    assert_eq!(theirs["sessions"][0]["session_id"], json!(foreign.session), "another owner's link of that name stays");
}

#[tokio::test]
async fn a_link_ends_when_its_token_expires_or_is_revoked() {
    let gateway = TestGateway::start().await;
    let expiring = {
        let key = crate::gateway::secret();
        let new = |now| {
            let new = culvert_gateway::tokens::NewToken {
                subject: "me".into(),
                standing: culvert_gateway::tokens::Standing::User,
                lifetime: culvert_gateway::tokens::Lifetime::Minutes(1),
                can: None,
                servers: None,
            };
            culvert_gateway::tokens::create(&key, &new, now).unwrap()
        };
        // A token for a minute, made 57 s ago.
        new(culvert_gateway::tokens::UnixTime::now().plus(-57))
    };
    let lasting = make("you", |_| ());
    let (expires, revoked) = (gateway.register(&expiring, "a").await, gateway.register(&lasting, "b").await);
    let staying = gateway.register(&token("you"), "c").await.serve();
    let (expires, revoked) = (expires.serve(), revoked.serve());
    revoke(&gateway.state_dir(), &lasting);
    assert_eq!(closed(revoked).await, (4401, "auth.revoked".to_owned()));
    let denied = gateway.get("/servers", &lasting).await;
    assert_eq!((denied.status, denied.code()), (401, "auth.revoked".to_owned()));
    assert_eq!(closed(expires).await, (4401, "auth.expired".to_owned()));
    assert_eq!(gateway.get("/servers", &expiring).await.code(), "auth.expired");
    assert!(!staying.is_finished());
}

#[tokio::test]
async fn links_are_told_that_the_gateway_stops() {
    let gateway = TestGateway::start().await;
    let registered = gateway.register(&token("me"), "git").await.serve();
    let mut idle = BaseClient::dial(&gateway.url, &token("me")).await.unwrap();
    gateway.begin_to_stop();
    assert_eq!(closed(registered).await, (1001, "gateway.stopping".to_owned()));
    assert_eq!(end(&mut idle).await.1, close(1001, "gateway.stopping"));
    drop(idle);
    gateway.stop().await;
}
