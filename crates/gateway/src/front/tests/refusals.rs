//! Every status code that the transport asks for.

use super::*;

#[tokio::test]
async fn what_a_post_must_be() {
    let mut scene = Scene::with(Limits { max_body: 1000, ..Limits::default() });
    let (client, mut server) = scene.session("2025-06-18").await;
    let code = async |client: Client, text: &str| refused(client.post_text(text.to_owned()).await).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let no = |status, code: &str| (status, code.to_owned());

    assert_eq!(
        code(client.with("accept", "application/json"), ping).await,
        no(StatusCode::NOT_ACCEPTABLE, "http.accept")
    );
    assert_eq!(
        code(client.with("content-type", "text/plain"), ping).await,
        no(StatusCode::UNSUPPORTED_MEDIA_TYPE, "http.content_type")
    );
    assert_eq!(
        code(client.clone(), &format!("{ping}{}", " ".repeat(1000))).await,
        no(StatusCode::PAYLOAD_TOO_LARGE, "message.too_large")
    );
    for bad in ["", "{", "7", "{}", r#"{"id":1,"id":2,"method":"a"}"#, r#"{"id":{},"method":"a"}"#] {
        assert_eq!(code(client.clone(), bad).await, no(StatusCode::BAD_REQUEST, "message.invalid"), "{bad}");
    }
    let response = client.post_text(Bytes::from_static(b"{\"id\":1,\"method\":\"\xff\"}")).await;
    assert_eq!(json_body(response).await["error"]["code"], -32700);
    let tokens = r#"{"id":1,"method":"a","params":{"_meta":{"progressToken":1,"progressToken":2}}}"#;
    assert_eq!(code(client.clone(), tokens).await, no(StatusCode::BAD_REQUEST, "message.invalid"));
    assert!(server.is_quiet());
}

#[tokio::test]
async fn sessions_are_named_known_and_ones_own() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
    let response = scene.client().post(ping.clone()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let error = json_body(response).await;
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&json!(7), &json!("session.missing")));

    let unknown = (StatusCode::NOT_FOUND, "session.unknown".to_owned());
    for id in ["", "x", "00000000000000000000000000000000"] {
        assert_eq!(refused(client.with("mcp-session-id", id).post(ping.clone()).await).await, unknown, "{id}");
    }
    let thief = Client { caller: Caller { subject: "eve".to_owned(), ..Caller::default() }, ..client.clone() };
    assert_eq!(refused(thief.post(ping.clone()).await).await, unknown);
    assert_eq!(refused(thief.get().await).await, unknown);
    assert_eq!(refused(thief.delete().await).await, unknown);
    assert_eq!(refused(client.post(initialize("2025-06-18")).await).await.1, "session.initialized");
    assert_eq!(refused(scene.client().get().await).await.1, "session.missing");
    assert_eq!(refused(scene.client().delete().await).await.1, "session.missing");
    assert!(server.is_quiet());
}

#[tokio::test]
async fn a_session_is_bound_to_its_tunnel() {
    let (one, mut child) = crate::shared::tests::shared().await;
    let (two, _other) = crate::shared::tests::shared().await;
    let scene = Scene::new();
    let mut client = Client { backend: Backend::Shared(one), ..scene.client() };
    let response = client.post(initialize("2025-06-18")).await;
    client.header("mcp-session-id", response.headers()["mcp-session-id"].to_str().unwrap());
    let elsewhere = Client { backend: Backend::Shared(two), ..client.clone() };
    assert_eq!(refused(elsewhere.post(call(1)).await).await.0, StatusCode::NOT_FOUND);
    let posted = client.spawn(call(1));
    let id = child.next().await["id"].clone();
    child.say(answer(id, 1)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
}

#[tokio::test]
async fn revisions_in_the_header_are_legacy_ones() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let note = json!({"jsonrpc": "2.0", "method": "notifications/custom"});
    for fine in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let response = client.with("mcp-protocol-version", fine).post(note.clone()).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{fine}");
        server.next().await;
    }
    for bad in ["bad", "", "2024-10-07"] {
        let bad = client.with("mcp-protocol-version", bad);
        let refusal = (StatusCode::BAD_REQUEST, "version.unsupported".to_owned());
        assert_eq!(refused(bad.post(note.clone()).await).await, refusal);
        assert_eq!(refused(bad.get().await).await, refusal);
    }
    let posted = scene.client().with("mcp-protocol-version", "2030-01-01").spawn(initialize("2025-06-18"));
    let mut server = scene.server().await;
    assert_eq!(server.next().await["method"], "initialize", "the handshake itself settles the revision");
    posted.abort();
}

#[tokio::test]
async fn methods_and_what_a_get_must_accept() {
    let mut scene = Scene::new();
    let (client, _server) = scene.session("2025-06-18").await;
    for method in [Method::PUT, Method::HEAD, Method::OPTIONS, Method::PATCH] {
        let response = client.request(method, Bytes::new()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "POST, GET, DELETE");
    }
    assert_eq!(refused(client.with("accept", "application/json").get().await).await.0, StatusCode::NOT_ACCEPTABLE);
    let open = client.get().await;
    assert_eq!(open.status(), StatusCode::OK);
    assert_eq!(refused(client.get().await).await, (StatusCode::CONFLICT, "stream.taken".to_owned()));
    drop(open);
    assert_eq!(client.get().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_server_that_is_away_is_said_to_be_away_whatever_is_asked() {
    let mut scene = Scene::new();
    let (client, _server) = scene.session("2025-06-18").await;
    let away = Client { backend: Backend::Offline { retry_after: Duration::from_secs(7) }, ..client };
    let fresh = Client { headers: Vec::new(), ..away.clone() };
    for response in
        [away.post(call(1)).await, away.get().await, away.delete().await, fresh.post(initialize("2025-06-18")).await]
    {
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(refused(response).await, (StatusCode::SERVICE_UNAVAILABLE, "server.offline".to_owned()));
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_said_to_be_away_to_the_request_that_asked() {
    let scene = Scene::with(Limits { max_body: 1000, ..Limits::default() });
    let away = Client { backend: Backend::Offline { retry_after: Duration::from_secs(7) }, ..scene.client() };
    let long = format!("{}{}", call(1), " ".repeat(1000));
    for (text, id) in [
        (call(1).to_string(), json!(1)),
        (initialize("2025-11-25").to_string(), json!("init")),
        (r#"{"id": 1.50 ,"method":"a"}"#.to_owned(), json!(1.5)),
        (told("x").to_string(), Value::Null),
        (answer(1, 1).to_string(), Value::Null),
        (long, Value::Null),
        ("{".to_owned(), Value::Null),
        (String::new(), Value::Null),
    ] {
        let response = away.post_text(text.clone()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{text}");
        let error = json_body(response).await;
        assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&id, &json!("server.offline")), "{text}");
    }
}

#[tokio::test]
async fn sessions_are_bounded() {
    let mut scene = Scene::with(Limits { max_sessions: 2, ..Limits::default() });
    let (one, _server) = scene.session("2025-06-18").await;
    let (_two, _other) = scene.session("2025-06-18").await;
    let response = scene.client().post(initialize("2025-06-18")).await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refused(response).await, (StatusCode::SERVICE_UNAVAILABLE, "sessions.too_many".to_owned()));
    one.delete().await;
    scene.session("2025-06-18").await;
}

#[tokio::test]
async fn an_id_in_flight_is_refused() {
    let mut scene = Scene::new();
    let (client, mut server) = scene.session("2025-06-18").await;
    let posted = client.spawn(call(1));
    server.next().await;
    let response = client.post(call(1)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let error = json_body(response).await;
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(1), &json!(-32600)));
    let text = client.spawn(call("1"));
    assert_eq!(server.next().await["id"], "1", "a text is no number");
    server.say(answer(1, 1)).await;
    server.say(answer("1", 2)).await;
    assert_eq!(json_body(posted.await.unwrap()).await, answer(1, 1));
    assert_eq!(json_body(text.await.unwrap()).await, answer("1", 2));
}
