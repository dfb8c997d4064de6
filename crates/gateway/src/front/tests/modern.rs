//! Stateless requests (2026-07-28): one child for each principal, and nothing else shared.

mod eras;

use tokio::time::{Instant, advance};

use super::*;

const REVISION: &str = "2026-07-28";

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A modern request; `extra` goes into its `_meta`.
fn ask(id: impl Into<Value>, method: &str, extra: Value) -> Value {
    let mut meta = meta();
    meta.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": {"_meta": meta}})
}

fn list(id: impl Into<Value>) -> Value {
    ask(id, "tools/list", json!({}))
}

fn discovered() -> Value {
    json!({"supportedVersions": [REVISION, "2025-11-25"], "capabilities": {"tools": {}}, "resultType": "complete"})
}

impl Client {
    /// With the headers that go with `message`.
    fn modern(&self, message: &Value) -> Self {
        let client = self.with("mcp-protocol-version", REVISION);
        client.with("mcp-method", message["method"].as_str().unwrap())
    }

    async fn ask(&self, message: Value) -> Response<Body> {
        self.modern(&message).post(message).await
    }

    fn spawn_ask(&self, message: Value) -> JoinHandle<Response<Body>> {
        self.modern(&message).spawn(message)
    }

    fn of(&self, subject: &str) -> Self {
        Self { caller: Caller { subject: subject.to_owned(), ..Caller::default() }, ..self.clone() }
    }
}

impl Scene {
    /// The next child, which has said that it speaks the modern way.
    async fn modern_server(&mut self) -> Child {
        let mut server = self.server().await;
        let asked = server.next().await;
        assert_eq!(asked["method"], "server/discover");
        assert_eq!(asked["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], REVISION);
        server.say(answer(asked["id"].clone(), discovered())).await;
        server
    }
}

#[tokio::test]
async fn a_request_stands_alone_and_only_its_id_changes() {
    let mut scene = Scene::new();
    let client = scene.client();
    let posted = client.spawn_ask(list("a"));
    let mut server = scene.modern_server().await;
    let mut heard = server.next().await;
    let number = heard["id"].take();
    heard["id"] = json!("a");
    assert_eq!(heard, list("a"));
    server.say(answer(number, json!({"tools": [], "resultType": "complete"}))).await;
    let response = posted.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("mcp-session-id"));
    assert_eq!(json_body(response).await["id"], "a");
    // The next one finds the child that is there, the same id in flight twice included.
    let posted = [client.spawn_ask(list("a")), client.spawn_ask(list("a"))];
    for text in ["one", "two"] {
        let heard = server.next().await;
        server.say(answer(heard["id"].clone(), text)).await;
    }
    for posted in posted {
        assert_eq!(json_body(posted.await.unwrap()).await["id"], "a");
    }
}

#[tokio::test]
async fn each_principal_has_a_child_of_its_own() {
    let mut scene = Scene::new();
    let client = scene.client();
    let ann = client.of("ann").spawn_ask(list(1));
    let mut anns = scene.modern_server().await;
    let bob = client.of("bob").spawn_ask(list(1));
    let mut bobs = scene.modern_server().await;
    for (server, result) in [(&mut anns, "ann's"), (&mut bobs, "bob's")] {
        let heard = server.next().await;
        server.say(answer(heard["id"].clone(), result)).await;
    }
    assert_eq!(json_body(ann.await.unwrap()).await, answer(1, "ann's"));
    assert_eq!(json_body(bob.await.unwrap()).await, answer(1, "bob's"));
    assert_eq!(scene.front.counts().principals, 2);
}

#[tokio::test]
async fn errors_of_the_protocol_have_their_status() {
    let mut scene = Scene::new();
    let client = scene.client();
    let mut server = None;
    for (number, status) in
        [(-32020, 400), (-32021, 400), (-32022, 400), (-32602, 400), (-32601, 404), (-32603, 200), (7, 200)]
    {
        let posted = client.spawn_ask(list(1));
        if server.is_none() {
            server = Some(scene.modern_server().await);
        }
        let server = server.as_mut().unwrap();
        let heard = server.next().await;
        let error = json!({"code": number, "message": "m", "data": {"supported": ["x"]}});
        server.say(json!({"jsonrpc": "2.0", "id": heard["id"], "error": error})).await;
        let response = posted.await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{number}");
        assert_eq!(json_body(response).await, json!({"jsonrpc": "2.0", "id": 1, "error": error}));
    }
}

#[tokio::test]
async fn what_the_headers_get_wrong_reaches_no_child() {
    let mut scene = Scene::new();
    let client = scene.client();
    let right = client.modern(&list(1));
    for (wrong, message, status, number) in [
        (client.with("mcp-protocol-version", REVISION), list(1), 400, -32020),
        (right.with("mcp-method", "prompts/list"), list(1), 400, -32020),
        (right.with("mcp-protocol-version", "2025-11-25"), list(1), 400, -32020),
        (client.clone(), list(1), 400, -32020),
        (right.clone(), json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}), 400, -32602),
        (client.modern(&ask(1, "initialize", json!({}))), ask(1, "initialize", json!({})), 404, -32601),
    ] {
        let response = wrong.post(message).await;
        assert_eq!(response.status().as_u16(), status);
        let error = json_body(response).await;
        assert_eq!((&error["id"], &error["error"]["code"]), (&json!(1), &json!(number)));
    }
    let note = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(right.post(note).await.status(), StatusCode::ACCEPTED);
    let reply = json!({"jsonrpc": "2.0", "id": 1, "result": {}, "method": null});
    assert_eq!(right.post(reply).await.status(), StatusCode::BAD_REQUEST);
    for method in [Method::GET, Method::DELETE] {
        let response = right.request(method, Bytes::new()).await;
        assert_eq!(
            (response.status(), &response.headers()["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
        );
    }
    assert!(scene.servers.try_recv().is_err(), "no child was asked for");
}

#[tokio::test]
async fn progress_and_logs_go_to_the_request_that_asked_for_them() {
    let mut scene = Scene::new();
    let client = scene.client();
    let noisy = client.spawn_ask(ask(
        1,
        "tools/list",
        json!({"progressToken": "p", "io.modelcontextprotocol/logLevel": "info"}),
    ));
    let mut server = scene.modern_server().await;
    let heard = server.next().await;
    let quiet = client.spawn_ask(ask("q", "tools/list", json!({"progressToken": "p"})));
    let other = server.next().await;
    let token = heard["params"]["_meta"]["progressToken"].clone();
    assert_ne!(token, other["params"]["_meta"]["progressToken"]);
    server.say(progress(token, 1)).await;
    server.say(told("log")).await;
    server.say(answer(other["id"].clone(), 2)).await;
    server.say(answer(heard["id"].clone(), 1)).await;
    let mut events = Events::of(noisy.await.unwrap());
    assert_eq!(events.message().await, Some(progress("p", 1)));
    assert_eq!(events.message().await, Some(told("log")));
    assert_eq!(events.message().await, Some(answer(1, 1)));
    assert_eq!(events.message().await, None);
    assert_eq!(json_body(quiet.await.unwrap()).await, answer("q", 2));
    server.say(told("nobody's")).await;
    let posted = client.spawn_ask(list(3));
    let heard = server.next().await;
    server.say(answer(heard["id"].clone(), 3)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(3, 3));
    assert_eq!(scene.front.counts().late, 1);
}

fn of_subscription(id: impl Into<Value>, method: &str) -> Value {
    let meta = json!({"io.modelcontextprotocol/subscriptionId": id.into()});
    json!({"jsonrpc": "2.0", "method": method, "params": {"_meta": meta}})
}

#[tokio::test(start_paused = true)]
async fn a_subscription_stays_open_and_each_gets_its_own() {
    let mut scene = Scene::new();
    let client = scene.client();
    let listen = |id: Value| ask(id, "subscriptions/listen", json!({}));
    let one = client.spawn_ask(listen(json!("one")));
    let mut server = scene.modern_server().await;
    let first = server.next().await["id"].clone();
    server.say(of_subscription(first.clone(), "notifications/subscriptions/acknowledged")).await;
    let mut one = Events::of(one.await.unwrap());
    let two = client.spawn_ask(listen(json!(2)));
    let second = server.next().await["id"].clone();
    server.say(of_subscription(second.clone(), "notifications/subscriptions/acknowledged")).await;
    let mut two = Events::of(two.await.unwrap());
    assert_eq!(one.message().await, Some(of_subscription("one", "notifications/subscriptions/acknowledged")));
    assert_eq!(two.message().await, Some(of_subscription(2, "notifications/subscriptions/acknowledged")));
    // No deadline, and no idle end, while one is open.
    let since = Instant::now();
    let limits = Limits::default();
    while since.elapsed() < (limits.request_timeout + limits.idle) * 2 {
        assert_eq!(two.block().await.unwrap(), ":");
    }
    server.say(of_subscription(first.clone(), "notifications/tools/list_changed")).await;
    assert_eq!(one.message().await, Some(of_subscription("one", "notifications/tools/list_changed")));
    let result = |id: Value| json!({"resultType": "complete", "_meta": {"io.modelcontextprotocol/subscriptionId": id}});
    server.say(answer(first.clone(), result(first))).await;
    assert_eq!(one.message().await, Some(answer("one", result(json!("one")))));
    assert_eq!(one.message().await, None);
    let torn = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": second}});
    server.say(torn).await;
    assert_eq!(two.message().await, None);
    assert!(server.is_quiet(), "what the server has ended needs no cancelling");
}

#[tokio::test]
async fn a_client_that_goes_away_has_cancelled() {
    let mut scene = Scene::new();
    let client = scene.client();
    let held = client.spawn_ask(list("held"));
    let mut server = scene.modern_server().await;
    let held_number = server.next().await["id"].clone();
    held.abort();
    let cancelled = server.next().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], held_number);
    let streamed = client.spawn_ask(ask(1, "tools/list", json!({"progressToken": 1})));
    let heard = server.next().await;
    server.say(progress(heard["params"]["_meta"]["progressToken"].clone(), 1)).await;
    drop(streamed.await.unwrap());
    assert_eq!(server.next().await["params"]["requestId"], heard["id"]);
    server.say(answer(held_number, "late")).await;
    let posted = client.spawn_ask(list(2));
    let heard = server.next().await;
    server.say(answer(heard["id"].clone(), 2)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(2, 2));
    assert_eq!(scene.front.counts().late, 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_is_given_up_and_progress_gives_it_time() {
    let mut scene = Scene::new();
    let limit = Limits::default().request_timeout;
    let posted = scene.client().spawn_ask(ask(1, "tools/list", json!({"progressToken": 1})));
    let mut server = scene.modern_server().await;
    let heard = server.next().await;
    let since = Instant::now();
    let mut events = Events::of(posted.await.unwrap());
    for at in 0..3 {
        advance(limit - Duration::from_secs(60)).await;
        server.say(progress(heard["params"]["_meta"]["progressToken"].clone(), at)).await;
        assert_eq!(events.message().await, Some(progress(1, at)));
    }
    let error = events.message().await.unwrap();
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(1), &json!("call.timeout")));
    assert!(since.elapsed() > limit * 3, "{:?}", since.elapsed());
    assert_eq!(events.message().await, None);
    assert_eq!(server.next().await["params"]["requestId"], heard["id"]);
}

#[tokio::test]
async fn the_next_request_works_on_the_next_child() {
    let mut scene = Scene::new();
    let client = scene.client();
    let posted = client.spawn_ask(list(1));
    let mut server = scene.modern_server().await;
    server.next().await;
    drop(server);
    let error = json_body(posted.await.unwrap()).await;
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(1), &json!("tunnel.closed")));
    let posted = client.spawn_ask(list(2));
    let mut server = scene.modern_server().await;
    let heard = server.next().await;
    server.say(answer(heard["id"].clone(), 2)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_idle_child_ends() {
    let mut scene = Scene::new();
    let posted = scene.client().spawn_ask(list(1));
    let mut server = scene.modern_server().await;
    let heard = server.next().await;
    server.say(answer(heard["id"].clone(), 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
    let since = Instant::now();
    server.end.to_client.closed().await;
    let (idle, lasted) = (Limits::default().idle, since.elapsed());
    assert!(lasted >= idle && lasted < idle + Duration::from_secs(1), "{lasted:?}");
    assert_eq!(scene.front.counts().principals, 0);
}

/// A call of `tool`, as a client sends it that repeats its argument `region` in a header.
fn call_tool(client: &Client, region: &str, header: Option<&str>) -> JoinHandle<Response<Body>> {
    let mut message = ask(1, "tools/call", json!({}));
    message["params"]["name"] = json!("tool");
    message["params"]["arguments"] = json!({"region": region});
    let client = client.modern(&message).with("mcp-name", "tool");
    match header {
        Some(header) => client.with("mcp-param-region", header).spawn(message),
        None => client.spawn(message),
    }
}

#[tokio::test]
async fn arguments_that_are_repeated_in_headers_must_agree() {
    let mut scene = Scene::new();
    let client = scene.client();
    let schema = json!({"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
    let tools = json!({"tools": [{"name": "tool", "inputSchema": schema}], "resultType": "complete"});
    let right = call_tool(&client, "eu", Some("eu"));
    let mut server = scene.modern_server().await;
    let asked = server.next().await;
    assert_eq!((&asked["method"], &asked["params"]["_meta"]), (&json!("tools/list"), &meta()));
    server.say(answer(asked["id"].clone(), tools.clone())).await;
    let heard = server.next().await;
    assert_eq!((&heard["method"], &heard["params"]["arguments"]["region"]), (&json!("tools/call"), &json!("eu")));
    server.say(answer(heard["id"].clone(), 1)).await;
    assert_eq!(json_body(right.await.unwrap()).await, answer(1, 1));
    // The list is known now, and asked for again only before a refusal.
    let right = call_tool(&client, "us", Some("us"));
    let heard = server.next().await;
    assert_eq!(heard["method"], "tools/call");
    server.say(answer(heard["id"].clone(), 2)).await;
    assert_eq!(json_body(right.await.unwrap()).await, answer(1, 2));
    for header in [None, Some("us")] {
        let wrong = call_tool(&client, "eu", header);
        let asked = server.next().await;
        assert_eq!(asked["method"], "tools/list");
        server.say(answer(asked["id"].clone(), tools.clone())).await;
        let response = wrong.await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_body(response).await["error"]["code"], -32020);
    }
}
