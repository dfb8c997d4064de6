//! A tunnel client of the base dialect by hand: plain envelopes, no extensions, one server with a few tools that lives in
//! the test itself. It comes back whenever its link ends, as long as the test has it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A link of the base dialect.
pub type BaseLink = WebSocketStream<TcpStream>;

/// The wait before it comes back.
const BACK: Duration = Duration::from_millis(100);

/// How long a link may be without a word before a ping asks, and how long the answer may take.
const QUIET: Duration = Duration::from_secs(8);

/// Opens a link to whatever listens at this base URL.
///
/// # Errors
/// Why there is none, in words.
pub async fn open(url: &str, token: &str) -> Result<BaseLink, String> {
    let authority = url.trim_end_matches('/').rsplit("//").next().unwrap_or_default();
    let stream = TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
    let request = format!("ws://{authority}/reverse-proxy/ws").into_client_request();
    let mut request = request.map_err(|error| error.to_string())?;
    let bearer = format!("Bearer {token}").parse().map_err(|_| "no such token")?;
    request.headers_mut().insert("authorization", bearer);
    Ok(client_async(request, stream).await.map_err(|error| error.to_string())?.0)
}

/// The first frame of a link.
pub fn registration(name: &str) -> Value {
    json!({"type": "register", "sessionId": "mine", "server": {"name": name, "protocol": "mcp"}})
}

/// The answer of its server to a request; `None` where it never gives one. Waits as the call asks.
pub async fn answer(payload: &Value) -> Option<Value> {
    let id = payload.get("id")?;
    let (params, arguments) = (&payload["params"], &payload["params"]["arguments"]);
    let text = |text: Value| json!({"content": [{"type": "text", "text": text}]});
    let result = match (payload["method"].as_str(), params["name"].as_str()) {
        (Some("initialize"), _) => json!({
            "protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "by hand", "version": "1"},
        }),
        (Some("tools/list"), _) => json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}),
        (_, Some("echo")) => text(arguments["text"].clone()),
        (_, Some("slow")) => {
            tokio::time::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or_default())).await;
            text("late".into())
        }
        (_, Some("large")) => text("x".repeat(usize::try_from(arguments["bytes"].as_u64()?).ok()?).into()),
        (_, Some("hang")) => return None,
        _ => json!({}),
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// The client; it ends with the test.
#[derive(Debug)]
pub struct BaseClient {
    running: JoinHandle<()>,
    seen: Arc<Seen>,
}

/// What came over all its links.
#[derive(Debug, Default)]
struct Seen {
    links: Mutex<usize>,
    echoes: Mutex<HashMap<String, usize>>,
}

impl BaseClient {
    /// Starts one toward this base URL.
    pub fn start(url: &str, name: &str, token: &str) -> Self {
        let seen = Arc::new(Seen::default());
        let (url, name, token) = (url.to_owned(), name.to_owned(), token.to_owned());
        let watched = seen.clone();
        let running = tokio::spawn(async move {
            loop {
                if let Ok(link) = open(&url, &token).await {
                    *watched.links.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    serve(link, &name, &watched).await;
                }
                tokio::time::sleep(BACK).await;
            }
        });
        Self { running, seen }
    }

    /// How many links it has had.
    pub fn links(&self) -> usize {
        *self.seen.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often each text was to be echoed.
    pub fn echoes(&self) -> HashMap<String, usize> {
        self.seen.echoes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for BaseClient {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Serves a link until it ends or says nothing any more.
async fn serve(link: BaseLink, name: &str, seen: &Seen) {
    let (mut sink, mut stream) = link.split();
    if sink.send(Message::text(registration(name).to_string())).await.is_err() {
        return;
    }
    let (answers, mut answered) = mpsc::unbounded_channel::<Value>();
    let mut calls = JoinSet::new();
    let mut asked = false;
    loop {
        tokio::select! {
            message = stream.next() => {
                asked = false;
                let text = match message {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                };
                let Ok(frame) = serde_json::from_str::<Value>(&text) else { continue };
                if frame["type"] != "request" {
                    continue;
                }
                let payload = frame["payload"].clone();
                if payload["params"]["name"] == "echo" && let Some(text) = payload["params"]["arguments"]["text"].as_str() {
                    *seen.echoes.lock().unwrap_or_else(PoisonError::into_inner).entry(text.to_owned()).or_default() += 1;
                }
                let answers = answers.clone();
                calls.spawn(async move {
                    if let Some(answer) = answer(&payload).await {
                        let _ = answers.send(answer);
                    }
                });
            }
            Some(answer) = answered.recv() => {
                let frame = json!({"type": "response", "sessionId": "mine", "payload": answer});
                if sink.send(Message::text(frame.to_string())).await.is_err() {
                    return;
                }
            }
            Some(_) = calls.join_next() => {}
            () = tokio::time::sleep(QUIET) => {
                if asked || sink.send(Message::Ping(Default::default())).await.is_err() {
                    return;
                }
                asked = true;
            }
        }
    }
}
