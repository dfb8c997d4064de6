//! Tunnels through a proxy that knows no WebSocket: the client's engine and the gateway, real sockets between them.

use culvert_protocol::{Cause, Explain as _, Secret};
use culvert_tunnel::{Carriage, Status, Transport};
use serde_json::json;

use crate::gateway::{TestGateway, narrow, token};
use crate::mcp_client::Client;
use crate::narrow_proxy::{Manner, NarrowProxy};
use crate::tunnel::Tunnel;

#[tokio::test]
async fn auto_falls_back_where_websocket_is_refused_and_goes_back_without_losing_a_call() {
    for manner in [Manner::Answers("403 Forbidden"), Manner::Answers("426 Upgrade Required"), Manner::Drops] {
        let gateway = TestGateway::start().await;
        let me = token("me");
        let proxy = NarrowProxy::before(gateway.address, manner).await;
        let mut tunnel = Tunnel::start(&proxy.url, &me, Transport::Auto);
        let before = tunnel.online(|online| online.transport == Carriage::Sse).await;
        let listed = gateway.get("/reverse-proxy/sessions", &me).await.json();
        assert_eq!(listed["sessions"][0]["transport"], "sse", "{manner:?}");

        let client = Client::begin(&gateway, &me).await;
        assert_eq!(client.call("echo").await, "echo");
        let meanwhile = async {
            tunnel.waiting(1).await;
            // Each try that fails leaves all as it is.
            proxy.sees("/reverse-proxy/ws", proxy.count("/reverse-proxy/ws") + 2).await;
            proxy.become_one_that(Manner::Passes);
            let after = tunnel.online(|online| online.transport == Carriage::WebSocket).await;
            assert_eq!((after.since, after.session), (before.since, before.session), "it was online all the time");
            let listed = gateway.get("/reverse-proxy/sessions", &me).await.json();
            assert_eq!((&listed["total"], &listed["sessions"][0]["transport"]), (&json!(1), &json!("ws")));
            tunnel.go();
        };
        let (answer, ()) = tokio::join!(client.call("wait"), meanwhile);
        assert_eq!(answer, "waited");
        assert_eq!(client.call("echo").await, "echo");
        assert_eq!(tunnel.starts(), 2, "the gateway's own child and the client's, neither started anew");
        assert_eq!(proxy.count("/reverse-proxy/sse"), 1);
        tunnel.stop().await;
    }
}

#[tokio::test]
async fn a_session_over_sse_outlives_its_connections() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let proxy = NarrowProxy::before(gateway.address, Manner::Drops).await;
    let mut tunnel = Tunnel::start(&proxy.url, &me, Transport::Sse);
    let before = tunnel.online(|online| online.transport == Carriage::Sse).await;
    let client = Client::begin(&gateway, &me).await;
    let meanwhile = async {
        tunnel.waiting(1).await;
        for cut in 1..=3 {
            proxy.cut();
            proxy.sees("/reverse-proxy/sse", cut + 1).await;
            // The answer to a call tells that the session goes on.
            assert_eq!(client.call("echo").await, "echo");
        }
        tunnel.go();
    };
    let (answer, ()) = tokio::join!(client.call("wait"), meanwhile);
    assert_eq!(answer, "waited");
    let after = tunnel.online(|_| true).await;
    assert_eq!(after.session, before.session);
    assert_eq!(tunnel.starts(), 2);
    assert_eq!(proxy.count("/reverse-proxy/ws"), 0, "who was told to use SSE tries nothing else");
    tunnel.stop().await;
    let gone = |answer: &crate::http::Answer| answer.json()["servers"][0]["status"] == "offline";
    gateway.until("/servers", &me, gone).await;
}

#[tokio::test]
async fn a_session_that_loses_its_websocket_for_good_goes_on_over_sse() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let proxy = NarrowProxy::before(gateway.address, Manner::Passes).await;
    let mut tunnel = Tunnel::start(&proxy.url, &me, Transport::Auto);
    let before = tunnel.online(|online| online.transport == Carriage::WebSocket).await;
    let client = Client::begin(&gateway, &me).await;
    let meanwhile = async {
        tunnel.waiting(1).await;
        proxy.become_one_that(Manner::Drops);
        proxy.cut();
        tunnel.online(|online| online.transport == Carriage::Sse).await;
        tunnel.go();
    };
    let (answer, ()) = tokio::join!(client.call("wait"), meanwhile);
    assert_eq!(answer, "waited");
    assert_eq!(tunnel.online(|_| true).await.session, before.session);
    assert_eq!(tunnel.starts(), 2);
    tunnel.stop().await;
}

#[tokio::test]
async fn nobody_falls_back_who_was_told_not_to_or_whom_the_gateway_refuses() {
    let gateway = TestGateway::start().await;
    let proxy = NarrowProxy::before(gateway.address, Manner::Answers("426 Upgrade Required")).await;
    let mut tunnel = Tunnel::start(&proxy.url, &token("me"), Transport::WebSocket);
    let waiting = tunnel.until(|status| matches!(status, Status::Waiting { .. })).await;
    assert_eq!(waiting.cause().map(Cause::code), Some("gateway.upgrade"));
    tunnel.stop().await;

    proxy.become_one_that(Manner::Passes);
    let caller = narrow("me", &[culvert_protocol::claims::Right::Call], &["sh"]);
    let mut refused = Tunnel::start(&proxy.url, &caller, Transport::Auto);
    let stopped = refused.until(|status| matches!(status, Status::Stopped { .. })).await;
    assert_eq!(stopped.cause().map(Cause::code), Some("auth.forbidden"));
    assert_eq!(proxy.count("/reverse-proxy/sse"), 0);

    // Behind a proxy that refuses the upgrade, what the gateway says of the token is worth more.
    proxy.become_one_that(Manner::Answers("400 Bad Request"));
    let mut rejected = Tunnel::start(&proxy.url, &Secret::new("no token of ours"), Transport::Auto);
    let stopped = rejected.until(|status| matches!(status, Status::Stopped { .. })).await;
    assert_eq!(stopped.cause().map(Cause::code), Some("auth.rejected"));
}

#[tokio::test]
async fn where_the_gateway_has_no_sse_the_websockets_own_trouble_is_told() {
    // A proxy in front of nothing that answers: the event stream is refused as well.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = NarrowProxy::before(closed, Manner::Answers("426 Upgrade Required")).await;
    let mut tunnel = Tunnel::start(&proxy.url, &token("me"), Transport::Auto);
    let waiting = tunnel.until(|status| matches!(status, Status::Waiting { .. })).await;
    assert_eq!(waiting.cause().map(Cause::code), Some("gateway.upgrade"));
    assert!(proxy.count("/reverse-proxy/sse") > 0, "it was tried");
    tunnel.stop().await;
}
