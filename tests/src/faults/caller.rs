//! One MCP client in a round: it calls, begins its session anew when that is over, and says what it got.

use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::house::House;
use super::tally::Tally;
use crate::http::{Request, Response};
use crate::mcp::{ACCEPT, McpSession};

/// How long a tunnel may take to be back.
const BACK: Duration = Duration::from_secs(150);

/// How soon a session is asked for again.
const AGAIN: Duration = Duration::from_millis(100);

/// What a caller calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Everything that a server may take ill.
    Wild,
    /// What no server dies of, in lines that any client takes.
    Tame,
}

/// What became of one call.
enum Fate {
    /// The one answer, and whether it is a result.
    Answered(Value),
    /// The gateway refused the call with this status and code.
    Refused(u16, String),
    /// The gateway was killed.
    Lost,
}

/// A client.
pub(super) struct Caller<'h> {
    pub(super) house: &'h House,
    /// The name of the server that it calls.
    pub(super) server: &'h str,
    /// Stands in every text that it sends: no two callers have the same.
    pub(super) name: String,
    pub(super) mood: Mood,
    /// How long an answer may take. No answer by then is none.
    pub(super) bound: Duration,
    pub(super) random: Rng,
    /// What a failure says.
    pub(super) told: String,
    pub(super) session: Option<Request>,
}

impl Caller<'_> {
    /// Makes so many calls, one after the other. The texts of its echoes that came back are in the second value.
    pub(super) async fn talk(mut self, calls: usize) -> (Tally, Vec<String>) {
        let (mut tally, mut returned) = (Tally::default(), Vec::new());
        for number in 0..calls {
            let text = format!("{}:{number}:", self.name);
            let (tool, arguments) = self.draw(&text);
            let session = match self.session.take() {
                Some(session) => session,
                None => self.begin().await,
            };
            let told = format!("{}: call {number} ({tool}) of {}", self.told, self.name);
            let fate = self.call(&session, number, tool, &arguments, &told).await;
            let goes_on = match fate {
                Fate::Lost => {
                    tally.lost += 1;
                    false
                }
                Fate::Refused(status, code) => {
                    tally.error(&format!("{status} {code}"));
                    if status == 503 {
                        self.comes_back().await;
                    }
                    status != 404
                }
                Fate::Answered(answer) => match answer.get("result") {
                    Some(result) => {
                        tally.results += 1;
                        if tool == "echo" {
                            assert_eq!(result["content"][0]["text"], arguments["text"], "{told}");
                            returned.push(text);
                        }
                        true
                    }
                    None => {
                        let error = &answer["error"];
                        let code =
                            error["data"]["code"].as_str().map_or_else(|| error["code"].to_string(), str::to_owned);
                        tally.error(&code);
                        true
                    }
                },
            };
            // These do not go on living, or not well.
            let is_spent = ["close_stdin", "close_stdout", "deaf", "exit", "abort"].contains(&tool);
            self.session = (goes_on && !is_spent).then_some(session);
        }
        if let Some(session) = self.session.take() {
            let _ = session.method("DELETE").try_send().await;
        }
        (tally, returned)
    }

    /// What to call next: mostly what works.
    fn draw(&mut self, text: &str) -> (&'static str, Value) {
        let random = &mut self.random;
        let echo = |bytes: usize| ("echo", json!({"text": format!("{text}{}", "x".repeat(bytes))}));
        if self.mood == Mood::Tame {
            return match random.u32(0..1000) {
                0..850 => echo(random.usize(..20_000)),
                850..950 => ("slow", json!({"ms": random.u32(1..300)})),
                950..995 => ("large", json!({"bytes": random.usize(..40_000)})),
                _ => ("hang", json!({})),
            };
        }
        match random.u32(0..1000) {
            0..700 => echo(random.usize(..2_000)),
            700..780 => echo(random.usize(..100_000)),
            780..860 => ("slow", json!({"ms": random.u32(1..300)})),
            860..920 => ("large", json!({"bytes": random.usize(..300_000)})),
            920..950 => ("flood", json!({"count": random.usize(1..400)})),
            950..970 => ("exit", json!({"code": 3, "stderr": "as asked"})),
            970..980 => ("abort", json!({})),
            980..985 => ("hang", json!({})),
            985..990 => ("deaf", json!({})),
            990..995 => ("close_stdin", json!({})),
            _ => ("close_stdout", json!({})),
        }
    }

    /// A session, as soon as there can be one.
    async fn begin(&mut self) -> Request {
        let deadline = Instant::now() + BACK;
        let path = format!("/servers/{}/mcp", self.server);
        let post = self.house.request("POST", &path).header("accept", ACCEPT);
        loop {
            let welcome = timeout(self.bound, post.clone().json(&McpSession::hello()).try_send()).await;
            let welcome = welcome.unwrap_or_else(|_| panic!("{}: no answer to initialize", self.told));
            if let Some(id) = welcome
                .as_ref()
                .filter(|welcome| welcome.status == 200)
                .and_then(|welcome| welcome.header("mcp-session-id"))
            {
                let session = post.clone().header("mcp-session-id", id);
                let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
                if session.clone().json(&ready).try_send().await.is_some_and(|taken| taken.status == 202) {
                    return session;
                }
            }
            assert!(Instant::now() < deadline, "{}: no session with {}: {welcome:?}", self.told, self.server);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Waits until the server is online again, as who is told so should.
    async fn comes_back(&self) {
        let deadline = Instant::now() + BACK;
        while !self.house.online().await.iter().any(|name| name == self.server) {
            assert!(Instant::now() < deadline, "{}: {} stays away", self.told, self.server);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// One call, and its one answer.
    async fn call(&self, session: &Request, id: usize, tool: &str, arguments: &Value, told: &str) -> Fate {
        let params = json!({"name": tool, "arguments": arguments});
        let call = session.clone().json(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
        let turns = self.house.turns();
        let response = match timeout(self.bound, call.try_send()).await {
            Ok(response) => response,
            Err(_) => panic!("{told}: no answer within {} s", self.bound.as_secs()),
        };
        let answers = response.as_ref().map(|response| answers(response, id, told)).unwrap_or_default();
        match (response, &answers[..]) {
            (Some(response), [answer]) if response.status == 200 => Fate::Answered(answer.clone()),
            (Some(response), _) if response.status >= 400 => {
                let code = response
                    .body
                    .parse::<Value>()
                    .ok()
                    .and_then(|body| body["error"]["data"]["code"].as_str().map(str::to_owned));
                let code = code.unwrap_or_else(|| panic!("{told}: an error without a code: {response:?}"));
                Fate::Refused(response.status, code)
            }
            (response, []) => {
                // It may take a moment until whoever kills the gateway has written that down.
                let now = self.house.turns();
                assert!(now != turns || turns % 2 == 1, "{told}: the connection ended without an answer: {response:?}");
                Fate::Lost
            }
            (_, several) => panic!("{told}: {} answers: {several:?}", several.len()),
        }
    }
}

/// The answers in a response. Whatever else is in it must be something that a server says by itself.
fn answers(response: &Response, id: usize, told: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    if response.status != 200 {
        return answers;
    }
    for message in response.messages() {
        // The last one may have been cut off by the gateway's death.
        let Ok(message) = message.parse::<Value>() else { continue };
        if message.get("method").is_none() {
            assert_eq!(message["id"], id, "{told}: somebody else's answer: {message}");
            answers.push(message);
        }
    }
    answers
}
