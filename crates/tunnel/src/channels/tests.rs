//! Channels with a gateway and a server that a test plays, on paused time: how they are kept account of, and how they
//! end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use culvert_link::channels::{Carrier, Channel, ChannelEnd, Happening, Terms};
use culvert_link::{accept, connect, queue};
use culvert_protocol::channels::control::{Header, Purpose};
use culvert_protocol::channels::{ResetReason, Side};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bridge::{Bridge, Finish, Stop};
use super::own;
use super::passage::Passage;
use crate::activity::{Caller, Outcome};
use crate::base::Served;
use crate::config::sample;
use crate::handshake::{Era, Greeting};
use crate::http::HttpServer;
use crate::ledger::Ledger;
use crate::lines::Line;
use crate::local::{Launcher, Letter, Local};
use crate::output::Output;
use crate::pending::Pending;
use crate::report::Report;
use crate::status::{Server, Status};

const WINDOW: u32 = 2048;
const MAX_LINE: usize = 1 << 20;

/// One channel: the gateway's end of it, and the server behind the other.
struct Scene {
    gateway: Channel,
    told: queue::Receiver<Letter>,
    says: queue::Sender<Output>,
    ledger: Arc<Ledger>,
    status: watch::Receiver<Status>,
    stop: Stop,
    running: JoinHandle<Option<Finish>>,
    _link: (Carrier, Carrier),
}

async fn link() -> (Carrier, Carrier) {
    let terms = |side| Terms { side, window: WINDOW, max_line: MAX_LINE, tap: None };
    let (gateway, client) = tokio::io::duplex(16 * 1024);
    let ((to_client, from_client), (to_gateway, from_gateway)) =
        tokio::join!(accept(gateway, MAX_LINE), connect(client, MAX_LINE));
    (
        Carrier::start(terms(Side::Gateway), to_client, from_client),
        Carrier::start(terms(Side::Client), to_gateway, from_gateway),
    )
}

impl Scene {
    async fn new(purpose: Purpose) -> Self {
        let (gateways, mut clients) = link().await;
        let header = Header { purpose, subject: Some("ann".to_owned()), ..Header::default() };
        let gateway = gateways.opener().open(header).await.unwrap();
        let Some(Happening::Opened(channel, header)) = clients.happens().await else { panic!("no channel") };
        let (server, told, says) = HttpServer::played();
        let ledger = Arc::<Ledger>::default();
        let (sender, status) = watch::channel(Status::Off);
        let report = Arc::new(Report::new(sender, ledger.clone()));
        report.online(culvert_link::Carriage::WebSocket, "s".to_owned(), None, Vec::new());
        let caller = if purpose == Purpose::Gateway { Caller::Gateway } else { Caller::of(&header) };
        let stop = Stop::default();
        let passage = Passage::new(ledger.clone(), caller);
        let bridge = Bridge { channel, max_line: MAX_LINE, passage, gate: Default::default(), stop: stop.clone() };
        let child = Local::Http(server);
        let running = match purpose {
            Purpose::Client => tokio::spawn(async move { Some(bridge.run(child).await) }),
            Purpose::Gateway => {
                let said = json!({"protocolVersion": "2025-11-25", "capabilities": {}}).to_string();
                let greeting = Greeting {
                    era: Era::Legacy,
                    result: RawValue::from_string(said).unwrap(),
                    tools: None,
                    listed: None,
                };
                let served = Served { child, greeting, pending: Pending::default(), gate: Default::default() };
                let (report, ledger) = (report.clone(), ledger.clone());
                ledger.pulse().beat(tokio::time::Instant::now());
                tokio::spawn(async move {
                    let launcher = Launcher::new(&sample(), ledger, Default::default(), fastrand::Rng::with_seed(1));
                    own::serve(bridge, Some(served), &sample(), &launcher, &report).await;
                    None
                })
            }
        };
        Self { gateway, told, says, ledger, status, stop, running, _link: (gateways, clients) }
    }

    async fn ask(&self, message: Value) {
        self.gateway.sender.send(Bytes::from(message.to_string())).await.unwrap();
    }

    async fn told(&mut self) -> Value {
        serde_json::from_slice(&self.told.recv().await.unwrap().item.line).unwrap()
    }

    async fn say(&self, message: Value) {
        self.says.send(Output::Line(Line::Whole(Bytes::from(message.to_string())))).await.unwrap();
    }

    async fn heard(&mut self) -> Value {
        serde_json::from_slice(&self.gateway.receiver.recv().await.expect("the channel is open")).unwrap()
    }

    /// Why the channel ended, after nothing more was said on it.
    async fn ended(&mut self) -> ResetReason {
        assert_eq!(self.gateway.receiver.recv().await, None);
        match self.gateway.receiver.ended() {
            Some(ChannelEnd::Reset(reason, _)) => reason,
            other => panic!("{other:?}"),
        }
    }

    async fn until(&mut self, word: &str) {
        let is = |status: &Status| matches!(status, Status::Online(online) if online.server.word() == word);
        self.status.wait_for(is).await.unwrap();
    }

    fn server(&self) -> Server {
        match &*self.status.borrow() {
            Status::Online(online) => online.server.clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn call(id: impl Into<Value>, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": {"name": tool}})
}

fn answer(id: impl Into<Value>, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "result": result})
}

#[tokio::test(start_paused = true)]
async fn a_carriage_return_hides_no_message_in_another() {
    let mut scene = Scene::new(Purpose::Client).await;
    let hidden = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"bad"}}"#;
    let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"x\":[\r{hidden}\r]}}}}");
    scene.gateway.sender.send(Bytes::from(line.clone())).await.unwrap();
    let told = scene.told.recv().await.unwrap().item.line;
    assert_eq!(told, line.replace('\r', " "), "it is one line to whoever reads it");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_to_end_answers_what_it_was_asked_and_takes_nothing_new() {
    for purpose in [Purpose::Client, Purpose::Gateway] {
        let mut scene = Scene::new(purpose).await;
        scene.ask(call(1, "slow")).await;
        scene.told().await;
        scene.stop.gently.cancel();

        scene.ask(call(2, "late")).await;
        let refused = scene.heard().await;
        assert_eq!((&refused["id"], &refused["error"]["data"]["code"]), (&json!(2), &json!("tunnel.stopping")));
        scene.ask(json!([call(3, "late"), {"jsonrpc": "2.0", "method": "notifications/x"}])).await;
        assert_eq!(scene.heard().await["id"], 3);
        // What the call in flight needs to go on still passes.
        scene.say(json!({"jsonrpc": "2.0", "id": 7, "method": "roots/list"})).await;
        assert_eq!(scene.heard().await["method"], "roots/list");
        scene.ask(answer(7, json!({"roots": []}))).await;
        assert_eq!(scene.told().await["id"], 7);

        // An answer longer than the window: the end must wait for the gateway to take it.
        let long = "x".repeat(20 * WINDOW as usize);
        scene.say(answer(1, json!(long))).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(scene.heard().await["result"], json!(long));
        assert_eq!(scene.ended().await, ResetReason::Stopping);
        let finish = scene.running.await.unwrap();
        assert!(finish.is_none_or(|finish| matches!(finish, Finish::Stopped)));
        let outcomes: Vec<_> = scene.ledger.activity().calls().read(0).items.iter().map(|call| call.outcome).collect();
        assert_eq!(outcomes, [Outcome::Ok], "refused calls never began");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_channel_that_is_to_end_does_so_at_once() {
    let mut scene = Scene::new(Purpose::Client).await;
    scene.stop.gently.cancel();
    assert_eq!(scene.ended().await, ResetReason::Stopping);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_end_is_cut_off_now() {
    let mut scene = Scene::new(Purpose::Client).await;
    scene.ask(call(1, "endless")).await;
    scene.told().await;
    scene.stop.gently.cancel();
    scene.stop.now.cancel();
    assert_eq!(scene.ended().await, ResetReason::Stopping);
    scene.running.await.unwrap();
    assert_eq!(scene.ledger.activity().calls().read(0).items[0].outcome, Outcome::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_nothing_does_not_outlive_its_channel() {
    for purpose in [Purpose::Client, Purpose::Gateway] {
        let scene = Scene::new(purpose).await;
        let Scene { gateway, running, told: _unread, says: _silent, _link, .. } = scene;
        let line =
            Bytes::from(json!({"jsonrpc": "2.0", "method": "x", "params": {"x": "x".repeat(65_536)}}).to_string());
        while timeout(Duration::from_secs(1), gateway.sender.send(line.clone())).await.is_ok() {}
        drop(gateway);
        let finish = timeout(Duration::from_secs(60), running).await.expect("its bridge comes down").unwrap();
        assert!(finish.is_none_or(|finish| matches!(finish, Finish::Left)));
    }
}

#[tokio::test(start_paused = true)]
async fn questions_of_our_own_and_their_answers_stay_at_this_end() {
    let mut scene = Scene::new(Purpose::Gateway).await;
    scene.until("ready").await;
    let question = scene.told().await;
    assert_eq!(question["method"], "ping");
    scene.say(answer(question["id"].clone(), json!({}))).await;
    scene.say(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    assert_eq!(scene.heard().await["method"], "notifications/x", "the answer did not get through");

    scene.ask(call("culvert-probe-1", "forged")).await;
    let refused = scene.heard().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("culvert-probe-1"), &json!(-32600)));
    assert_eq!(refused["error"]["data"]["code"], "message.id_reserved");
}

#[tokio::test(start_paused = true)]
async fn the_gateways_channel_tells_when_its_server_is_silent_and_when_it_is_gone() {
    let mut scene = Scene::new(Purpose::Gateway).await;
    let since = tokio::time::Instant::now();
    scene.until("ready").await;
    scene.until("silent").await;
    assert_eq!(since.elapsed().as_secs(), 50);
    scene.ledger.pulse().beat(tokio::time::Instant::now());
    scene.until("ready").await;

    let trouble = culvert_protocol::Cause::Internal { detail: String::new() };
    let exit = crate::output::Exit::of_url("http://x".to_owned(), "is gone".to_owned(), trouble);
    scene.says.send(Output::Exited(exit)).await.unwrap();
    assert_eq!(scene.ended().await, ResetReason::ServerExited);
    (&mut scene.running).await.unwrap();
    let Server::Restarting { cause } = scene.server() else { panic!("not restarting") };
    assert!(cause.to_string().contains("is gone"), "{cause}");
    assert_eq!(scene.ledger.figures().snapshot().exits, 1);
}
