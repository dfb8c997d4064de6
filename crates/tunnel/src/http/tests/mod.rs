//! The conversation with a local server by URL, against a server made for it. Both ends are in memory and time is
//! paused, so that every wait is seen as it is.

mod calls;
mod connections;
mod server;
mod sessions;
mod sse;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::Secret;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::server::{Reply, Script, Seen};
use super::headers::Headers;
use super::url::ServerUrl;
use super::{HttpServer, Place, Roots};
use crate::ledger::Ledger;
use crate::lines::Line;
use crate::local::Letter;
use crate::output::{Exit, Output};

/// Nothing in these tests takes so long, not even on paused time.
const LONG: Duration = Duration::from_secs(3600);

/// Messages up to this size are kept.
const LIMIT: usize = 1000;

/// A conversation and the records of the server behind it.
struct Scene {
    server: HttpServer,
    ledger: Arc<Ledger>,
    seen: mpsc::UnboundedReceiver<Seen>,
    connections: Arc<AtomicUsize>,
}

fn place(memory: mpsc::UnboundedSender<tokio::io::DuplexStream>) -> Place {
    Place {
        url: ServerUrl::parse("http://mcp.test:3001/mcp?key=k").unwrap(),
        headers: Headers::new([("X-Key", Secret::new("ours"))]).unwrap(),
        max_message: LIMIT,
        roots: Roots::default(),
        ledger: Arc::default(),
        memory: Some(memory),
    }
}

/// A Streamable HTTP conversation with a server that does what `script` says.
fn streamable(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Scene {
    begin(Arc::new(script), |place| HttpServer::streamable(place, fastrand::Rng::with_seed(7)))
}

/// The same, of the older transport.
fn sse(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Scene {
    begin(Arc::new(script), HttpServer::sse)
}

fn begin(script: Script, server: impl FnOnce(Place) -> HttpServer) -> Scene {
    let (memory, accept) = mpsc::unbounded_channel();
    let server::Records { seen, connections } = server::serve(script, accept);
    let place = place(memory);
    Scene { ledger: place.ledger.clone(), server: server(place), seen, connections }
}

/// A server with a session and no stream of its own; `script` answers what is no part of the handshake.
fn in_session(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Scene {
    with_streams(move |seen| if seen.method == Method::GET { Reply::status(405) } else { script(seen) })
}

/// The same, where `script` answers GET as well.
fn with_streams(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Scene {
    streamable(move |seen| match (&seen.method, seen.member("method").as_str()) {
        (_, Some("initialize")) => initialized(seen),
        (_, Some("notifications/initialized")) => Reply::status(202),
        (&Method::DELETE, _) => Reply::status(200),
        _ => script(seen),
    })
}

fn initialized(seen: &Seen) -> Reply {
    let result =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "t", "version": "1"}});
    Reply::json(200, answer(seen, result)).header("mcp-session-id", "s-1")
}

/// The text of the answer to a request.
fn answer(seen: &Seen, result: Value) -> String {
    json!({"jsonrpc": "2.0", "id": seen.member("id"), "result": result}).to_string()
}

fn request(id: impl Into<Value>, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method})
}

fn notification(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": method})
}

fn event(id: &str, message: &str) -> String {
    format!("id: {id}\ndata: {message}\n\n")
}

impl Scene {
    async fn say(&self, message: Value) {
        self.say_line(message.to_string()).await;
    }

    async fn say_line(&self, line: impl Into<Bytes>) {
        let letter = Letter { line: line.into(), credentials: None };
        timeout(LONG, self.server.input.send(letter)).await.unwrap().unwrap();
    }

    async fn output(&mut self) -> Output {
        timeout(LONG, self.server.next()).await.expect("something comes")
    }

    async fn line(&mut self) -> String {
        match self.output().await {
            Output::Line(Line::Whole(line)) => String::from_utf8(line.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn message(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    async fn exit(&mut self) -> Exit {
        match self.output().await {
            Output::Exited(exit) => exit,
            other => panic!("{other:?}"),
        }
    }

    /// What the server saw next.
    async fn seen(&mut self) -> Seen {
        timeout(LONG, self.seen.recv()).await.expect("something is seen").expect("the server runs")
    }

    /// What it saw next with this method of HTTP.
    async fn saw(&mut self, method: Method) -> Seen {
        loop {
            let seen = self.seen().await;
            if seen.method == method {
                return seen;
            }
        }
    }

    /// The first words, both ways.
    async fn greet(&mut self) {
        self.say(request("init", "initialize")).await;
        assert_eq!(self.message().await["id"], "init");
        self.say(notification("notifications/initialized")).await;
        while self.seen().await.member("method") != "notifications/initialized" {}
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
