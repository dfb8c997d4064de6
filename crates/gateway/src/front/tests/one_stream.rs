//! The older HTTP+SSE transport: one stream, and POSTs that are answered on it.

use tokio::time::Instant;

use super::*;

/// A session's stream, the way to POST to it, and its server.
struct Old {
    client: Client,
    stream: Events,
    address: String,
    server: Child,
}

impl Client {
    async fn sse(&self, method: Method) -> Response<Body> {
        let request = self.http(method, "/pre/servers/s/sse", Bytes::new());
        self.front.handle_sse(request, "/pre/servers/s/messages", &self.backend, self.caller.clone()).await
    }

    async fn message(&self, address: &str, message: Value) -> Response<Body> {
        let request = self.http(Method::POST, address, message.to_string());
        self.front.handle_message(request, &self.backend, self.caller.clone()).await
    }
}

impl Old {
    async fn open(scene: &mut Scene) -> Self {
        let client = scene.client();
        let mut stream = Events::of(client.sse(Method::GET).await);
        let first = stream.block().await.unwrap();
        let address = first.strip_prefix("event: endpoint\ndata: ").unwrap().to_owned();
        assert!(address.starts_with("/pre/servers/s/messages?session="), "{address}");
        Self { client, stream, address, server: scene.server().await }
    }

    async fn say(&self, message: Value) -> StatusCode {
        self.client.message(&self.address, message).await.status()
    }

    /// The next message on the stream; none of them has a number.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let block = self.stream.block().await?;
            if block != ":" {
                return Some(serde_json::from_str(block.strip_prefix("event: message\ndata: ").unwrap()).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn everything_comes_on_the_one_stream() {
    let mut scene = Scene::new();
    let mut old = Old::open(&mut scene).await;
    assert_eq!(old.say(initialize("2024-11-05")).await, StatusCode::ACCEPTED);
    assert_eq!(old.server.next().await, initialize("2024-11-05"));
    old.server.say(answer("init", json!({"protocolVersion": "2024-11-05"}))).await;
    assert_eq!(old.next().await.unwrap()["id"], "init");
    assert_eq!(old.say(call_with_token(1, "t")).await, StatusCode::ACCEPTED);
    assert_eq!(old.say(call(2)).await, StatusCode::ACCEPTED);
    assert_eq!(old.say(call(2)).await, StatusCode::BAD_REQUEST, "in flight");
    assert_eq!(old.server.next().await, call_with_token(1, "t"));
    assert_eq!(old.server.next().await, call(2));
    let asked = json!({"jsonrpc": "2.0", "id": "s", "method": "sampling/createMessage"});
    for said in [answer(2, "two"), progress("t", 1), told("hello"), asked.clone(), answer(1, "one")] {
        old.server.say(said.clone()).await;
        assert_eq!(old.next().await, Some(said));
    }
    assert_eq!(old.say(answer("s", "sampled")).await, StatusCode::ACCEPTED);
    assert_eq!(old.server.next().await, answer("s", "sampled"));
    assert_eq!(old.say(call(2)).await, StatusCode::ACCEPTED, "no longer in flight");
    assert_eq!(scene.front.counts().sessions, 1);
}

#[tokio::test]
async fn the_session_is_its_callers_and_ends_with_the_stream() {
    let mut scene = Scene::new();
    let mut old = Old::open(&mut scene).await;
    let bob = Client { caller: Caller { subject: "bob".to_owned(), ..Caller::default() }, ..old.client.clone() };
    assert_eq!(bob.message(&old.address, call(1)).await.status(), StatusCode::NOT_FOUND);
    let id = old.address.split('=').nth(1).unwrap().to_owned();
    let streamable = old.client.with("mcp-session-id", id);
    assert_eq!(streamable.post(call(1)).await.status(), StatusCode::NOT_FOUND, "no session of that kind");
    assert_eq!(streamable.get().await.status(), StatusCode::NOT_FOUND);
    let Old { client, stream, address, ref mut server } = old;
    drop(stream);
    server.end.to_client.closed().await;
    crate::shared::tests::until(|| scene.front.counts().sessions == 0).await;
    assert_eq!(client.message(&address, call(1)).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_server_that_ends_answers_what_is_in_flight_and_ends_the_stream() {
    let mut scene = Scene::new();
    let mut old = Old::open(&mut scene).await;
    assert_eq!(old.say(call(1)).await, StatusCode::ACCEPTED);
    let Old { server, .. } = &mut old;
    server.next().await;
    let (_, gone) = crate::conversation::conversation();
    drop(std::mem::replace(server, Child { end: gone }));
    let error = old.next().await.unwrap();
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(1), &json!("tunnel.closed")));
    assert_eq!(old.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_is_given_up_and_the_stream_goes_on() {
    let mut scene = Scene::new();
    let mut old = Old::open(&mut scene).await;
    let since = Instant::now();
    assert_eq!(old.say(call(1)).await, StatusCode::ACCEPTED);
    let error = old.next().await.unwrap();
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(1), &json!("call.timeout")));
    assert!(since.elapsed().abs_diff(Limits::default().request_timeout) < Duration::from_millis(10));
    old.server.next().await;
    assert_eq!(old.server.next().await["method"], "notifications/cancelled");
    old.server.say(answer(1, "late")).await;
    old.server.say(told("after")).await;
    assert_eq!(old.next().await, Some(told("after")));
    assert_eq!(scene.front.counts().late, 1);
}

#[tokio::test]
async fn what_does_not_belong_here_is_refused() {
    let mut scene = Scene::with(Limits { max_sessions: 1, ..Limits::default() });
    let old = Old::open(&mut scene).await;
    let response = old.client.sse(Method::GET).await;
    assert_eq!(refused(response).await, (StatusCode::SERVICE_UNAVAILABLE, "sessions.too_many".to_owned()));
    let response = old.client.sse(Method::POST).await;
    assert_eq!(
        (response.status(), &response.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap())
    );
    assert_eq!(old.client.with("accept", "text/html").sse(Method::GET).await.status(), StatusCode::NOT_ACCEPTABLE);
    let away = Client { backend: Backend::Offline { retry_after: Duration::from_secs(7) }, ..old.client.clone() };
    assert_eq!(away.sse(Method::GET).await.headers()["retry-after"], "7");
    for (address, status) in [
        ("/messages", StatusCode::BAD_REQUEST),
        ("/messages?session=7", StatusCode::NOT_FOUND),
        ("/messages?session=00000000000000000000000000000007", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(old.client.message(address, call(1)).await.status(), status, "{address}");
    }
    assert_eq!(old.say(json!([call(1)])).await, StatusCode::BAD_REQUEST);
    let meta = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    let modern = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": meta});
    assert_eq!(old.say(modern).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_tunnel_that_takes_no_more_sessions_says_so_before_the_stream() {
    let mut scene = Scene::new();
    let client = scene.client();
    let opened = tokio::spawn(async move { client.sse(Method::GET).await });
    drop(scene.server().await);
    let response = opened.await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refused(response).await, (StatusCode::SERVICE_UNAVAILABLE, "tunnel.closed".to_owned()));
}
