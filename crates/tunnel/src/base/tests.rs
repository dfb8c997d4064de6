//! A base tunnel with a gateway and a server that a test plays, on paused time: its account, its server's health, its
//! end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use culvert_link::{Carriage, Dialled, Frame, FrameSender, LinkEnd, accept, connect, queue};
use culvert_protocol::address::Endpoint;
use culvert_protocol::tool_policy::{Feature, ToolPolicy};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::activity::{Call, Outcome};
use crate::config::sample;
use crate::handshake::Era;
use crate::http::HttpServer;
use crate::ledger::Ledger;
use crate::lines::Line;
use crate::local::Letter;
use crate::output::Output;
use crate::policy::LivePolicy;
use crate::status::{Online, Server};

/// A registered tunnel.
struct Scene {
    gateway: FrameSender,
    said: mpsc::UnboundedReceiver<Value>,
    told: queue::Receiver<Letter>,
    says: queue::Sender<Output>,
    ledger: Arc<Ledger>,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
    running: JoinHandle<End>,
    hung_up: JoinHandle<LinkEnd>,
    policy: LivePolicy,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut TunnelConfig)) -> Self {
        let (gateway, client) = tokio::io::duplex(16 * 1024);
        let ((gateway, mut from_client), (sender, receiver)) =
            tokio::join!(accept(gateway, 1 << 20), connect(client, 1 << 20));
        let (heard, said) = mpsc::unbounded_channel();
        let hung_up = tokio::spawn(async move {
            loop {
                match from_client.recv().await {
                    Ok(Frame::Text(text)) => _ = heard.send(serde_json::from_str(&text).unwrap()),
                    Ok(Frame::Binary(_)) => panic!("the base dialect has none"),
                    Err(end) => return end,
                }
            }
        });
        let (server, told, says) = HttpServer::played();
        let result = json!({"protocolVersion": "2025-11-25", "capabilities": {}}).to_string();
        let greeting =
            Greeting { era: Era::Legacy, result: RawValue::from_string(result).unwrap(), tools: None, listed: None };
        let ledger = Arc::<Ledger>::default();
        ledger.pulse().beat(Instant::now());
        let (sender_of_status, status) = watch::channel(Status::Off);
        let report = Report::new(sender_of_status, ledger.clone());
        let mut config = sample();
        change(&mut config);
        let policy = LivePolicy::default();
        policy.set(config.policy.clone());
        let gate = Gate::new(policy.clone());
        let mut served = Served { child: Local::Http(server), greeting, pending: Pending::default(), gate };
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let running = tokio::spawn(async move {
            let link = Dialled { sender, receiver, endpoint: Endpoint::Plain, carriage: Carriage::WebSocket };
            let turn = crate::outside::Turnstile::default().turn().await;
            let registration = Registration { id: "s".to_owned(), progress: Progress::Processing, turn };
            serve(link, &mut served, &config, &Outside::default(), registration, &report, &stopping).await
        });
        let mut scene = Self { gateway, said, told, says, ledger, status, stop, running, hung_up, policy };
        scene.send(json!({"type": "register_complete", "sessionId": "s", "status": "success"})).await;
        scene.until("ready").await;
        scene
    }

    async fn send(&self, frame: Value) {
        self.gateway.send(frame.to_string()).await.unwrap();
    }

    async fn ask(&self, payload: Value) {
        self.send(json!({"type": "request", "sessionId": "s", "payload": payload})).await;
    }

    async fn told(&mut self) -> Value {
        serde_json::from_slice(&self.told.recv().await.unwrap().item.line).unwrap()
    }

    async fn say(&self, message: Value) {
        self.says.send(Output::Line(Line::Whole(Bytes::from(message.to_string())))).await.unwrap();
    }

    /// The next frame that is no heartbeat.
    async fn heard(&mut self) -> Value {
        loop {
            let frame = self.said.recv().await.expect("the link is up");
            if frame["type"] != "heartbeat" {
                return frame;
            }
        }
    }

    async fn until(&mut self, word: &str) {
        let is = |status: &Status| matches!(status, Status::Online(online) if online.server.word() == word);
        self.status.wait_for(is).await.unwrap();
    }

    fn calls(&self) -> Vec<Call> {
        self.ledger.activity().calls().read(0).items
    }
}

fn call(id: impl Into<Value>, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": {"name": tool}})
}

fn answer(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "result": {}})
}

#[tokio::test(start_paused = true)]
async fn each_call_of_the_gateway_is_kept_account_of_by_how_it_ended() {
    let mut scene = Scene::new(|config| config.request_timeout = Duration::from_secs(20)).await;
    for (id, tool) in [("1", "ok"), ("2", "wrong"), ("3", "given up"), ("4", "slow")] {
        scene.ask(call(id, tool)).await;
        scene.told().await;
    }
    assert_eq!(scene.ledger.activity().running().len(), 4);
    scene.say(answer("1")).await;
    scene.say(json!({"jsonrpc": "2.0", "id": "2", "error": {"code": -32602, "message": "no"}})).await;
    scene.ask(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "3"}})).await;
    assert_eq!(scene.told().await["params"]["requestId"], "3");
    scene.say(answer("nobody's")).await;
    for id in ["1", "2", "3", "4"] {
        assert_eq!(scene.heard().await["payload"]["id"], id);
    }
    let calls = scene.calls();
    let told: Vec<_> = calls.iter().map(|call| (call.head.about.as_deref().unwrap(), call.outcome)).collect();
    let expected = [
        ("ok", Outcome::Ok),
        ("wrong", Outcome::Error(-32602)),
        ("given up", Outcome::Cancelled),
        ("slow", Outcome::Ended),
    ];
    for call in expected {
        assert!(told.contains(&call), "{told:?}");
    }
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| *call.head.caller == Caller::Gateway && call.head.method == "tools/call"));
    let figures = scene.ledger.figures().snapshot();
    assert_eq!((figures.late_answers, figures.in_flight, figures.registrations), (1, 0, 1));
    assert!(figures.to_server.messages >= 5 && figures.from_server.messages == 3);
    // A late answer of the slow one is dropped, and counted.
    scene.say(answer("4")).await;
    scene.say(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    assert_eq!(scene.heard().await["payload"]["method"], "notifications/x");
    assert_eq!(scene.ledger.figures().snapshot().late_answers, 2);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_shows_within_a_minute_and_its_answer_stays_here() {
    let mut scene = Scene::new(|_| {}).await;
    let since = Instant::now();
    let question = scene.told().await;
    assert_eq!((since.elapsed().as_secs(), &question["method"]), (30, &json!("ping")));
    scene.until("silent").await;
    assert_eq!(since.elapsed().as_secs(), 50);
    scene.say(answer(question["id"].clone())).await;
    scene.say(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    assert_eq!(scene.heard().await["payload"]["method"], "notifications/x", "the answer did not get through");
    assert_eq!(scene.ledger.figures().snapshot().late_answers, 0);
    scene.ledger.pulse().beat(Instant::now());
    scene.until("ready").await;

    scene.ask(call("culvert-probe-1", "forged")).await;
    let refused = scene.heard().await;
    assert_eq!(refused["payload"]["error"]["data"]["code"], "message.id_reserved");
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_is_to_stop_lets_its_calls_end_and_then_unregisters() {
    let mut scene = Scene::new(|_| {}).await;
    scene.ask(call("1", "slow")).await;
    scene.told().await;
    scene.stop.cancel();
    scene.status.wait_for(|status| *status == Status::Stopping).await.unwrap();
    scene.ask(call("2", "late")).await;
    let refused = scene.heard().await;
    assert_eq!(
        (&refused["payload"]["id"], &refused["payload"]["error"]["data"]["code"]),
        (&json!("2"), &json!("tunnel.stopping"))
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    let answered_at = Instant::now();
    scene.say(answer("1")).await;
    assert_eq!(scene.heard().await["payload"], answer("1"));
    assert_eq!(scene.heard().await["type"], "unregister");
    assert!(answered_at.elapsed() < Duration::from_millis(100), "nothing more is waited for");
    assert!(matches!(scene.hung_up.await.unwrap(), LinkEnd::Closed { code: 1000, .. }));
    assert!(matches!(scene.running.await.unwrap(), End::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_end_is_answered_when_the_time_is_over() {
    let mut scene = Scene::new(|config| config.drain = Duration::from_secs(4)).await;
    scene.ask(call("1", "endless")).await;
    scene.told().await;
    let asked = Instant::now();
    scene.stop.cancel();
    let cut = scene.heard().await;
    assert_eq!(asked.elapsed().as_secs(), 4);
    assert_eq!(
        (&cut["payload"]["id"], &cut["payload"]["error"]["data"]["code"]),
        (&json!("1"), &json!("tunnel.stopped"))
    );
    assert_eq!(scene.heard().await["type"], "unregister");
    assert_eq!(scene.told().await["method"], "notifications/cancelled");
    assert_eq!(scene.calls()[0].outcome, Outcome::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_leaves_no_call_behind_also_while_the_tunnel_stops() {
    for stops in [Some(()), None] {
        let mut scene = Scene::new(|_| {}).await;
        scene.ask(call("1", "fatal")).await;
        scene.told().await;
        if stops.is_some() {
            scene.stop.cancel();
            scene.status.wait_for(|status| *status == Status::Stopping).await.unwrap();
        }
        let trouble = culvert_protocol::Cause::Internal { detail: String::new() };
        let exit = crate::output::Exit::of_url("http://x".to_owned(), "is gone".to_owned(), trouble);
        scene.says.send(Output::Exited(exit)).await.unwrap();
        assert_eq!(scene.heard().await["payload"]["error"]["data"]["code"], "server.exited");
        assert_eq!(scene.heard().await["type"], "unregister");
        assert!(matches!(scene.running.await.unwrap(), End::Server(_)));
        assert!(matches!(
            &*scene.status.borrow(),
            Status::Stopping | Status::Online(Online { server: Server::Ready, .. })
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_policy_holds_before_the_first_list_and_for_the_list() {
    let mut scene = Scene::new(|config| {
        config.policy.deny = vec![culvert_protocol::tool_policy::Pattern::new("drop_*").unwrap()];
    })
    .await;
    scene.ask(call("1", "drop_table")).await;
    let refused = scene.heard().await;
    assert_eq!(
        (&refused["payload"]["id"], &refused["payload"]["error"]["data"]["code"]),
        (&json!("1"), &json!("policy.denied"))
    );
    // The first call waits until the server has said what it lists.
    scene.ask(call("2", "select")).await;
    let question = scene.told().await;
    assert_eq!(question["method"], "tools/list");
    let tools = json!({"tools": [{"name": "select"}, {"name": "drop_table"}]});
    scene.say(json!({"jsonrpc": "2.0", "id": question["id"], "result": tools.clone()})).await;
    assert_eq!(scene.told().await["id"], "2");
    scene.say(answer("2")).await;
    assert_eq!(scene.heard().await["payload"], answer("2"));
    scene.ask(json!({"jsonrpc": "2.0", "id": "3", "method": "tools/list"})).await;
    let asked = scene.told().await;
    scene.say(json!({"jsonrpc": "2.0", "id": asked["id"], "result": tools})).await;
    let listed = scene.heard().await;
    assert_eq!(listed["payload"]["result"]["tools"], json!([{"name": "select"}]));
    scene.ask(call("4", "unlisted")).await;
    assert_eq!(scene.heard().await["payload"]["error"]["data"]["code"], "policy.denied");
    // A server that does not list has no tool called.
    scene.say(json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})).await;
    assert_eq!(scene.heard().await["payload"]["method"], "notifications/tools/list_changed");
    scene.ask(call("5", "select")).await;
    assert_eq!(scene.told().await["method"], "tools/list");
    let refused = scene.heard().await;
    assert_eq!(refused["payload"]["error"]["data"]["code"], "policy.no_list", "after a while: {refused}");
}

fn with_policy(config: &mut TunnelConfig) {
    config.policy.deny = vec![culvert_protocol::tool_policy::Pattern::new("drop_*").unwrap()];
}

#[tokio::test(start_paused = true)]
async fn while_a_call_waits_for_the_list_all_else_goes_on() {
    let mut scene = Scene::new(with_policy).await;
    scene.ask(call("1", "select")).await;
    assert_eq!(scene.told().await["method"], "tools/list", "its answer does not come");
    // Another request, a cancelled one, and a heartbeat.
    scene.ask(json!({"jsonrpc": "2.0", "id": "2", "method": "prompts/list"})).await;
    assert_eq!(scene.told().await["id"], "2");
    scene.say(answer("2")).await;
    assert_eq!(scene.heard().await["payload"], answer("2"));
    scene.ask(call("3", "insert")).await;
    scene.ask(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "3"}})).await;
    let cancelled = scene.heard().await;
    assert_eq!(
        (&cancelled["payload"]["id"], &cancelled["payload"]["error"]["data"]["code"]),
        (&json!("3"), &json!("call.cancelled"))
    );
    let since = Instant::now();
    let refused = scene.heard().await;
    assert_eq!(
        (&refused["payload"]["id"], &refused["payload"]["error"]["data"]["code"]),
        (&json!("1"), &json!("policy.no_list"))
    );
    assert!(since.elapsed() <= Duration::from_secs(61), "a wait has an end");
    let ended: Vec<_> = scene.calls().iter().map(|call| (call.head.about.clone(), call.outcome)).collect();
    assert!(ended.contains(&(Some("select".into()), Outcome::Refused)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_are_answered_when_the_tunnel_stops() {
    let mut scene = Scene::new(with_policy).await;
    scene.ask(call("1", "select")).await;
    assert_eq!(scene.told().await["method"], "tools/list");
    scene.stop.cancel();
    let answered = scene.heard().await;
    assert_eq!(
        (&answered["payload"]["id"], &answered["payload"]["error"]["data"]["code"]),
        (&json!("1"), &json!("tunnel.stopped"))
    );
}

#[tokio::test(start_paused = true)]
async fn another_policy_is_told_to_the_gateway_and_what_it_refuses_is_in_the_account() {
    let mut scene = Scene::new(with_policy).await;
    scene.ask(call("1", "drop_table")).await;
    scene.heard().await;
    let calls = scene.calls();
    assert_eq!((calls[0].outcome, calls[0].head.about.as_deref()), (Outcome::Refused, Some("drop_table")));
    assert_eq!(scene.ledger.figures().snapshot().in_flight, 0);
    scene.policy.set(ToolPolicy { prompts: Feature::Off, ..ToolPolicy::default() });
    let told = [scene.heard().await, scene.heard().await].map(|frame| frame["payload"]["method"].clone());
    assert_eq!(told, ["notifications/tools/list_changed", "notifications/prompts/list_changed"]);
}
