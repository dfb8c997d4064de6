//! The endpoints beside the link: sessions, requests to them, the catalog, names.

use serde_json::json;

use crate::base_client::closed;
use crate::gateway::{TestGateway, admin, token};

#[tokio::test]
async fn a_request_to_a_session_is_answered_by_its_server() {
    let gateway = TestGateway::start_with(|config| config.limits.answer = std::time::Duration::from_millis(300)).await;
    let me = token("me");
    let client = gateway.register(&me, "git").await;
    let path = format!("/reverse-proxy/sessions/{}/request", client.session);
    let _serving = client.serve();

    let call = r#"{"jsonrpc":"2.0", "id":"\u0061\"1","method":"echo","params":{"x":1.50,"x":2,"é":"\u00e9"}}"#;
    let answer = gateway.ask("POST", &path, &me, call).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "id": "a\"1", "result": {"x": 2, "é": "é"}}));

    let handshake = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#;
    let answer = gateway.ask("POST", &path, &me, handshake).await.json();
    assert_eq!(answer["result"]["serverInfo"]["name"], "test");

    let told = gateway.ask("POST", &path, &me, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#).await;
    assert_eq!(told.status, 202);
    let silent = gateway.ask("POST", &path, &me, r#"{"jsonrpc":"2.0","id":1,"method":"silence"}"#).await;
    assert_eq!((silent.status, silent.code()), (504, "server.silent".to_owned()));
    for bad in ["", "{}", "[]", "x", "\u{feff}{}"] {
        let answer = gateway.ask("POST", &path, &me, bad).await;
        assert_eq!((answer.status, answer.code()), (400, "request.body".to_owned()), "{bad:?}");
    }
}

#[tokio::test]
async fn sessions_are_listed_with_what_contextforge_tells_and_ended_on_request() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let client = gateway.register(&me, "git").await;
    let listed = gateway.get("/reverse-proxy/sessions", &me).await.json();
    assert_eq!(listed["total"], 1);
    let session = &listed["sessions"][0];
    assert_eq!(session["session_id"], json!(client.session));
    assert_eq!(session["server_info"]["name"], "git");
    assert_eq!((&session["user"], &session["tools"]), (&json!("me"), &json!(2)));
    assert!(session["connected_at"].as_str().unwrap().ends_with('Z'));
    assert!(session["last_activity"].as_str().unwrap().ends_with('Z'));
    assert!(session["message_count"].as_u64().unwrap() >= 5 && session["bytes_transferred"].as_u64().unwrap() > 500);
    assert!(session["remote"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(session["client"].as_str().unwrap().starts_with("culvert/"));

    let path = format!("/v1/reverse-proxy/sessions/{}", client.session);
    let online = gateway.ask("DELETE", "/servers/git", &me, "").await;
    assert_eq!((online.status, online.code()), (409, "server.online".to_owned()));
    let serving = client.serve();
    assert_eq!(gateway.ask("DELETE", &path, &me, "").await.status, 200);
    assert_eq!(closed(serving).await, (1000, "session.deleted".to_owned()));
    gateway.until("/reverse-proxy/sessions", &me, |answer| answer.json()["total"] == 0).await;
    assert_eq!(gateway.ask("DELETE", &path, &me, "").await.code(), "session.unknown");

    let forgotten = gateway.ask("DELETE", "/servers/git", &me, "").await;
    assert_eq!((forgotten.status, &forgotten.json()["status"]), (200, &json!("forgotten")));
    let gone = gateway.ask("POST", "/servers/git/mcp", &me, "{}").await;
    assert_eq!((gone.status, gone.code()), (404, "server.unknown".to_owned()));
    assert_eq!(gateway.restart().await.get("/servers", &me).await.json()["total"], 0);
}

#[tokio::test]
async fn owners_see_their_own_and_admins_see_all() {
    let gateway = TestGateway::start().await;
    let (me, them, root) = (token("me"), token("them"), admin());
    let mine = gateway.register(&me, "git").await;
    let theirs = gateway.register(&them, "git").await;
    let only = gateway.register(&them, "their time").await;
    let names = |answer: crate::http::Answer| {
        let servers = answer.json()["servers"].as_array().unwrap().clone();
        servers.iter().map(|server| server["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(gateway.get("/servers", &me).await), ["git"]);
    assert_eq!(names(gateway.get("/servers", &root).await), ["git", "git", "their time"]);
    assert_eq!(gateway.get("/reverse-proxy/sessions", &root).await.json()["total"], 3);

    // What is another's looks like what is not there, by name, by id and by session.
    let id = gateway.get("/servers", &them).await.json()["servers"][1]["id"].as_str().unwrap().to_owned();
    for server in ["their%20time", "nothing", &id] {
        let answer = gateway.ask("POST", &format!("/servers/{server}/mcp"), &me, "{}").await;
        assert_eq!((answer.status, answer.code()), (404, "server.unknown".to_owned()), "{server}");
    }
    let path = format!("/reverse-proxy/sessions/{}", theirs.session);
    for (method, path) in [("DELETE", path.clone()), ("POST", format!("{path}/request"))] {
        let answer = gateway.ask(method, &path, &me, r#"{"jsonrpc":"2.0","id":1,"method":"echo"}"#).await;
        assert_eq!((answer.status, answer.code()), (404, "session.unknown".to_owned()), "{method}");
    }

    // An admin needs the id only where a name is not enough.
    let (_only, _mine) = (only.serve(), mine.serve());
    let twice = gateway.ask("POST", "/servers/git/mcp", &root, "{}").await;
    assert_eq!((twice.status, twice.code()), (409, "server.ambiguous".to_owned()));
    assert_ne!(gateway.ask("POST", "/servers/their%20time/mcp", &root, "{}").await.status, 404);
    assert_eq!(gateway.ask("DELETE", &path, &root, "").await.status, 200);
    assert_eq!(closed(theirs.serve()).await, (1000, "session.deleted".to_owned()));
}
