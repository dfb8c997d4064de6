//! A rolling update: the new process of a name comes while the old one still runs. Calls go on, one tunnel is online at
//! the end, and the old one's end takes nothing from the new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use culvert_tests::http::Request;
use culvert_tests::mcp::{ACCEPT, McpSession};
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::watched::Watched;
use culvert_tests::{Culvert, Fixture};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What became of a caller's calls.
#[derive(Debug, Default)]
struct Calls {
    /// Those with their result.
    done: usize,
    /// Those that were under way when their tunnel was displaced, and were told so.
    cut: usize,
}

/// Calls without a pause, as a client does that keeps to the rules: after a 503 it comes back when it is told to, after a
/// 404 it begins a new session. Anything else is a failure.
struct Caller {
    post: Request,
    calls: Arc<Watched<Calls>>,
}

impl Caller {
    fn start(gateway: &OwnGateway, token: &str, until: Arc<AtomicBool>) -> (Arc<Watched<Calls>>, JoinHandle<()>) {
        let post = gateway.request("POST", "/servers/fixture/mcp", token).header("accept", ACCEPT);
        let caller = Self { post, calls: Arc::default() };
        let calls = caller.calls.clone();
        let task = tokio::spawn(async move {
            while !until.load(Ordering::Relaxed) {
                if let Some(session) = caller.begin().await {
                    caller.call_on(&session, &until).await;
                }
            }
        });
        (calls, task)
    }

    /// A session of its own, unless the server is just not there.
    async fn begin(&self) -> Option<Request> {
        let welcome = self.post.clone().json(&McpSession::hello()).send().await;
        if welcome.status == 503 {
            let after = welcome.header("retry-after").and_then(|after| after.parse().ok()).unwrap();
            tokio::time::sleep(Duration::from_secs(after)).await;
            return None;
        }
        assert_eq!(welcome.status, 200, "{welcome:?}");
        let [message] = &welcome.messages()[..] else { panic!("{welcome:?}") };
        let message: Value = serde_json::from_str(message).unwrap();
        if message.get("error").is_some() {
            self.was_cut(&message);
            return None;
        }
        Some(self.post.clone().header("mcp-session-id", welcome.header("mcp-session-id").unwrap()))
    }

    /// Calls until the session is over.
    async fn call_on(&self, session: &Request, until: &AtomicBool) {
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        if session.clone().json(&ready).send().await.status == 404 {
            return;
        }
        while !until.load(Ordering::Relaxed) {
            let number = self.calls.look().done;
            let params = json!({"name": "echo", "arguments": {"text": format!("call {number}")}});
            let call = json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params});
            let answer = session.clone().json(&call).send().await;
            if answer.status == 404 {
                return;
            }
            assert_eq!(answer.status, 200, "{answer:?}");
            let message: Value = serde_json::from_str(&answer.messages().pop().unwrap()).unwrap();
            assert_eq!(message["id"], number, "{message}");
            if message.get("error").is_some() {
                return self.was_cut(&message);
            }
            assert_eq!(message["result"]["content"][0]["text"], format!("call {number}"));
            self.calls.change(|calls| calls.done += 1);
        }
    }

    fn was_cut(&self, message: &Value) {
        let code = message["error"]["data"]["code"].as_str().unwrap_or_default();
        assert_eq!(code, "tunnel.closed", "{message}");
        self.calls.change(|calls| calls.cut += 1);
    }
}

/// Waits until a caller has had so many more results.
async fn more(calls: &Watched<Calls>, count: usize) {
    let wanted = calls.look().done + count;
    calls.until(&format!("{wanted} calls done"), |calls| (calls.done >= wanted).then_some(())).await;
}

async fn only_session(gateway: &OwnGateway, token: &str) -> Value {
    let list = gateway.request("GET", "/reverse-proxy/sessions", token).send().await.json();
    assert_eq!(list["total"], 1, "{list}");
    list["sessions"][0]["session_id"].clone()
}

fn was_always_up(tunnel: &Culvert) {
    let down: Vec<_> = tunnel.events().into_iter().filter(|event| event["status"] == "waiting").collect();
    assert!(down.is_empty(), "{down:#?}");
}

#[tokio::test]
async fn a_new_process_takes_the_name_over_while_calls_go_on() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me", SECRET).await);
    let (before, after) = (Fixture::default(), Fixture::default());
    let old = gateway.tunnel(&before, "fixture", &token).start();
    old.online().await;
    let enough = Arc::new(AtomicBool::new(false));
    let callers = [0, 1].map(|_| Caller::start(&gateway, &token, enough.clone()));
    for (calls, _) in &callers {
        more(calls, 5).await;
    }

    let new = gateway.tunnel(&after, "fixture", &token).start();
    let online = new.online().await;
    let waiting = old.waiting("register.displaced").await;
    assert!(waiting["retry_in_ms"].as_u64().unwrap() >= 60_000, "it does not fight: {waiting}");
    for (calls, _) in &callers {
        more(calls, 5).await;
    }
    old.stop().await;
    for (calls, _) in &callers {
        more(calls, 5).await;
    }

    assert_eq!(only_session(&gateway, &token).await, online["session"], "the new one, and only that");
    gateway.server_becomes("fixture", "online", &token).await;
    was_always_up(&new);
    enough.store(true, Ordering::Relaxed);
    for (calls, task) in callers {
        task.await.unwrap();
        assert!(calls.look().cut <= 1, "at most the one that was under way: {:?}", calls.look());
    }
    assert!(!after.received("tools/call").is_empty());
    new.stop().await;
    gateway.server_becomes("fixture", "offline", &token).await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn whenever_the_old_process_ends_the_new_one_stays() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me", SECRET).await);
    let mut old = gateway.tunnel(&Fixture::default(), "fixture", &token).start();
    old.online().await;
    let moments = ["starting", "connecting", "registering", "online"];
    for (number, moment) in moments.iter().enumerate() {
        let new = gateway.tunnel(&Fixture::default(), "fixture", &token).start();
        // A short one may pass unseen.
        new.event(moment, |event| moments[number..].iter().any(|moment| event["status"] == *moment)).await;
        old.signal(Signal::SIGTERM);
        let online = new.online().await;
        let ended = old.end().await;
        assert_eq!(ended.code, Some(0), "{moment}: {ended:#?}");
        let entry = gateway.server_becomes("fixture", "online", &token).await;
        assert_eq!(entry["name"], "fixture");
        assert_eq!(only_session(&gateway, &token).await, online["session"], "{moment}");
        was_always_up(&new);
        old = new;
    }
    old.stop().await;
    gateway.culvert.stop().await;
}
