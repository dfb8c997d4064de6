//! What the front promises its clients, shown over HTTP on scripted servers.

mod batches;
mod ends;
mod modern;
mod one_stream;
mod posts;
mod refusals;
mod resuming;
mod routing;
mod sharing;
mod time;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Front, Limits};
use crate::backend::{Backend, Caller};
use crate::reply::Body;
use crate::shared::tests::Child;

/// No step of a test takes this long, not even on paused time: longer than any limit in it.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// A front, and a server that has a conversation of its own for each session.
struct Scene {
    front: Arc<Front>,
    backend: Backend,
    servers: mpsc::UnboundedReceiver<crate::conversation::ServerEnd>,
}

impl Scene {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let (ends, servers) = mpsc::unbounded_channel();
        Self {
            front: Arc::new(Front::new(limits, None)),
            backend: Backend::Scripted { ends, eras: Arc::default() },
            servers,
        }
    }

    /// A client without a session.
    fn client(&self) -> Client {
        Client {
            front: self.front.clone(),
            backend: self.backend.clone(),
            caller: Caller { subject: "ann".to_owned(), ..Caller::default() },
            headers: Vec::new(),
        }
    }

    /// The server's end of the session that was begun last.
    async fn server(&mut self) -> Child {
        Child { end: timeout(LONG, self.servers.recv()).await.unwrap().unwrap() }
    }

    /// A session of this revision, and its server.
    async fn session(&mut self, version: &str) -> (Client, Child) {
        let mut client = self.client();
        let posted = client.spawn(initialize(version));
        let mut server = self.server().await;
        let request = server.next().await;
        assert_eq!(request["method"], "initialize");
        server.say(json!({"jsonrpc": "2.0", "id": request["id"], "result": {"protocolVersion": version}})).await;
        let response = posted.await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        client.header("mcp-session-id", response.headers()["mcp-session-id"].to_str().unwrap());
        (client, server)
    }
}

fn initialize(version: &str) -> Value {
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params})
}

fn call(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": {"name": "t"}})
}

fn call_with_token(id: impl Into<Value>, token: impl Into<Value>) -> Value {
    let params = json!({"name": "t", "_meta": {"progressToken": token.into()}});
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": params})
}

fn progress(token: impl Into<Value>, at: u32) -> Value {
    let params = json!({"progressToken": token.into(), "progress": at});
    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
}

fn answer(id: impl Into<Value>, result: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "result": result.into()})
}

fn told(text: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/message", "params": text})
}

#[derive(Clone)]
struct Client {
    front: Arc<Front>,
    backend: Backend,
    caller: Caller,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    fn header(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
    }

    fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut other = self.clone();
        other.header(name, value);
        other
    }

    async fn request(&self, method: Method, body: impl Into<Bytes>) -> Response<Body> {
        let request = self.http(method, "/", body);
        self.front.handle(request, &self.backend, self.caller.clone()).await
    }

    fn http(&self, method: Method, uri: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().unwrap();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, "application/json, text/event-stream".parse().unwrap());
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        for (name, value) in &self.headers {
            headers.insert(*name, value.parse().unwrap());
        }
        request
    }

    async fn post(&self, message: Value) -> Response<Body> {
        self.post_text(message.to_string()).await
    }

    async fn post_text(&self, text: impl Into<Bytes>) -> Response<Body> {
        timeout(LONG, self.request(Method::POST, text)).await.expect("in time")
    }

    /// A POST that is on its way while the test goes on.
    fn spawn(&self, message: Value) -> JoinHandle<Response<Body>> {
        let client = self.clone();
        tokio::spawn(async move { client.post(message).await })
    }

    async fn get(&self) -> Response<Body> {
        self.request(Method::GET, Bytes::new()).await
    }

    async fn delete(&self) -> Response<Body> {
        self.request(Method::DELETE, Bytes::new()).await
    }
}

/// A refusal's status and code.
async fn refused(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    let code = json_body(response).await["error"]["data"]["code"].as_str().unwrap().to_owned();
    (status, code)
}

async fn json_body(response: Response<Body>) -> Value {
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    serde_json::from_slice(&body(response).await).unwrap()
}

async fn body(response: Response<Body>) -> Bytes {
    timeout(LONG, response.into_body().collect()).await.expect("in time").unwrap().to_bytes()
}

/// Reads a response as events.
struct Events {
    body: Body,
    text: BytesMut,
}

/// An event with data: its id and its data.
#[derive(Debug, PartialEq)]
struct Event {
    id: String,
    data: Value,
}

impl Events {
    fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { body: response.into_body(), text: BytesMut::new() }
    }

    /// The next block, as it stands, without its end; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.text.split_to(end + 2);
                return Some(String::from_utf8(block[..end].to_vec()).unwrap());
            }
            let frame = timeout(LONG, self.body.frame()).await.expect("in time");
            let Some(frame) = frame else {
                assert!(self.text.is_empty(), "cut off: {:?}", self.text);
                return None;
            };
            self.text.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    }

    /// The next message, on a stream whose events have no numbers.
    async fn message(&mut self) -> Option<Value> {
        loop {
            if let Some(data) = self.block().await?.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    /// The next event with a message in it; comments and primers are passed over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let Some(data) = field("data: ").filter(|data| !data.is_empty()) else { continue };
            return Some(Event { id: field("id: ").unwrap(), data: serde_json::from_str(&data).unwrap() });
        }
    }

    async fn data(&mut self) -> Value {
        self.next().await.expect("not over").data
    }
}
