//! An MCP server on stdio that behaves as a test asks: flags set its manners, its tools do the rest on demand.

#![allow(clippy::expect_used, clippy::print_stderr, reason = "a fixture that cannot work must fail loudly")]

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio, exit};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use clap::Parser;
use culvert_tests::raw_json;
use serde_json::{Value, json};

/// Manners of the server. The defaults make a good one.
#[derive(Parser, Debug)]
struct Manners {
    /// Appends one JSON object per event (start, line, eof, sigterm) to this file.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Records no more than so many bytes of each line.
    #[arg(long)]
    cut: Option<usize>,
    /// Reads everything and answers nothing.
    #[arg(long)]
    silent: bool,
    /// Ends at once with this code.
    #[arg(long)]
    exit: Option<i32>,
    /// Writes this line to stderr at start.
    #[arg(long)]
    say: Option<String>,
    /// Writes this line to stdout before each answer.
    #[arg(long)]
    noise: Option<String>,
    /// Answers `initialize` with a JSON-RPC error.
    #[arg(long)]
    refuse_initialize: bool,
    /// Goes on living when stdin ends.
    #[arg(long)]
    ignore_eof: bool,
    /// Goes on living when asked to end.
    #[arg(long)]
    ignore_sigterm: bool,
    /// Starts a process of its own that never ends by itself.
    #[arg(long)]
    grandchild: bool,
    /// The first start works, this many further ones end at once (needs --record).
    #[arg(long, default_value_t = 0)]
    stumble: usize,
    /// Knows of no more than a server must, and answers every other request with the lines of this file as it is then:
    /// @ID@ and @TOKEN@ in them are the request's id and progress token, as spelled.
    #[arg(long)]
    replies: Option<PathBuf>,
    /// Speaks the stateless revision 2026-07-28 as well.
    #[arg(long)]
    modern: bool,
    /// Whatever else stands on the command line: kept for the record.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

fn main() {
    let manners = Manners::parse();
    let server = Server { record: manners.record.as_ref().map(open_record), manners, asked: Mutex::default() };
    server.start();
    let mut lines = std::io::stdin().lock();
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
        let text = line.strip_suffix('\n').unwrap_or(&line);
        let recorded = server.manners.cut.and_then(|most| text.get(..most)).unwrap_or(text);
        server.record("line", json!({"text": recorded}));
        if server.reply(text) {
            line.clear();
            continue;
        }
        match serde_json::from_str::<Value>(text) {
            Ok(message) if !server.manners.silent => server.take(&message),
            Ok(_) => {}
            Err(error) => server.record("unreadable", json!({"error": error.to_string()})),
        }
        line.clear();
    }
    server.record("eof", json!({}));
    if server.manners.ignore_eof {
        sleep_for_ever();
    }
}

fn open_record(path: &PathBuf) -> File {
    OpenOptions::new().create(true).append(true).read(true).open(path).expect("the record can be opened")
}

struct Server {
    manners: Manners,
    record: Option<File>,
    /// Requests to the client that wait for an answer, with the call that asked for them.
    asked: Mutex<HashMap<String, Value>>,
}

impl Server {
    fn start(&self) {
        self.record("start", json!({"arguments": self.manners.rest, "folder": std::env::current_dir().ok()}));
        if self.manners.ignore_sigterm {
            outlive_sigterm();
        }
        if let Some(line) = &self.manners.say {
            eprintln!("{line}");
        }
        if let Some(code) = self.manners.exit {
            exit(code);
        }
        if self.manners.stumble > 0 && (2..=self.manners.stumble + 1).contains(&self.starts()) {
            eprintln!("stumbled");
            exit(9);
        }
        if self.manners.grandchild {
            #[expect(clippy::zombie_processes, reason = "to be left behind is its very purpose")]
            let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("sleep is there");
            self.record("grandchild", json!({"child": child.id()}));
        }
    }

    fn starts(&self) -> usize {
        let mut text = String::new();
        let Some(path) = &self.manners.record else { return 1 };
        File::open(path).and_then(|mut file| file.read_to_string(&mut text)).expect("the record can be read");
        text.lines().filter(|line| line.contains(r#""event":"start""#)).count()
    }

    fn record(&self, event: &str, mut details: Value) {
        let Some(mut file) = self.record.as_ref() else { return };
        details["event"] = event.into();
        details["pid"] = std::process::id().into();
        file.write_all(format!("{details}\n").as_bytes()).expect("the record can be written");
    }

    /// Answers a request with what the file for it says. Nothing of the request is decoded but its method: it may hold
    /// numbers and texts that no type here has.
    fn reply(&self, text: &str) -> bool {
        let Some(replies) = &self.manners.replies else { return false };
        let of = |path: &[&str]| raw_json::member(text, path).map(|span| &text[span]);
        let method: Option<String> = of(&["method"]).and_then(|method| serde_json::from_str(method).ok());
        match (of(&["id"]), method.as_deref()) {
            (Some(id), Some(method @ ("initialize" | "server/discover" | "tools/list" | "ping"))) => {
                let value = |text| serde_json::from_str(text).unwrap_or_default();
                self.answer(&value(id), method, &of(&["params"]).map(value).unwrap_or_default());
            }
            (Some(id), Some(_)) => {
                let token = of(&["params", "_meta", "progressToken"]).unwrap_or("null");
                let lines = std::fs::read_to_string(replies).expect("the replies can be read");
                for line in lines.split('\n') {
                    write_line(&line.replace("@ID@", id).replace("@TOKEN@", token));
                }
            }
            _ => {}
        }
        true
    }

    fn take(&self, message: &Value) {
        let (id, method) = (message.get("id"), message.get("method").and_then(Value::as_str));
        match (id, method) {
            (Some(id), Some(method)) => self.answer(id, method, message.get("params").unwrap_or(&Value::Null)),
            (None, Some(method)) => self.record("notified", json!({"method": method})),
            (Some(id), None) => {
                let call = self.asked.lock().expect("no poison").remove(&id.to_string());
                match call {
                    Some(call) => self.respond(&call, text_result(&message.to_string())),
                    None => self.record("stray", message.clone()),
                }
            }
            (None, None) => self.record("stray", message.clone()),
        }
    }

    fn answer(&self, id: &Value, method: &str, params: &Value) {
        if let Some(noise) = &self.manners.noise {
            write_line(noise);
        }
        match method {
            "initialize" if self.manners.refuse_initialize => self.refuse(id, -32603, "not in the mood"),
            "initialize" => self.respond(
                id,
                json!({
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": true}, "logging": {}},
                    "serverInfo": {"name": "stdio-fixture", "version": "1"},
                }),
            ),
            "server/discover" if self.manners.modern => self.respond(
                id,
                json!({
                    "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete",
                    "serverInfo": {"name": "stdio-fixture", "version": "1"},
                }),
            ),
            "ping" => self.respond(id, json!({})),
            "tools/list" => self.respond(id, json!({"tools": TOOLS.map(tool)})),
            "tools/call" => self.call(id, params["name"].as_str().unwrap_or_default(), params),
            _ => self.refuse(id, -32601, "method not found"),
        }
    }

    fn call(&self, id: &Value, tool: &str, params: &Value) {
        let arguments = &params["arguments"];
        let text = |name: &str| arguments[name].as_str().unwrap_or_default();
        match tool {
            "echo" => self.respond(id, text_result(text("text"))),
            "environment" => {
                let all: HashMap<String, String> = std::env::vars_os()
                    .map(|(k, v)| (k.to_string_lossy().into(), v.to_string_lossy().into()))
                    .collect();
                self.respond(id, text_result(&json!(all).to_string()));
            }
            "large" => {
                let bytes = usize::try_from(arguments["bytes"].as_u64().unwrap_or(0)).expect("a size");
                self.respond(id, text_result(&"x".repeat(bytes)));
            }
            // Lines exactly as given, `$ID` being this call's id.
            "raw" => {
                for line in arguments["lines"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    write_line(&line.replace("$ID", &id.to_string()));
                }
            }
            // A request to the client: its answer becomes the answer to this call.
            "ask" => {
                let asked = arguments.get("id").cloned().unwrap_or_else(|| json!(7));
                self.asked.lock().expect("no poison").insert(asked.to_string(), id.clone());
                let params = arguments.get("params").cloned().unwrap_or_else(|| json!({}));
                write_line(
                    &json!({"jsonrpc": "2.0", "id": asked, "method": text("method"), "params": params}).to_string(),
                );
            }
            "flood" => {
                let count = arguments["count"].as_u64().unwrap_or(1);
                for n in 0..count {
                    write_line(
                        &json!({
                            "jsonrpc": "2.0", "method": "notifications/message",
                            "params": {"level": "info", "data": format!("{n} {}", "x".repeat(200))},
                        })
                        .to_string(),
                    );
                }
                self.respond(id, text_result("flooded"));
            }
            "slow" => {
                let (id, wait) = (id.clone(), arguments["ms"].as_u64().unwrap_or(100));
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(wait));
                    write_line(&json!({"jsonrpc": "2.0", "id": id, "result": text_result("slow")}).to_string());
                });
            }
            // Tells its progress step by step, then says its text, all while other calls run.
            "steps" => {
                let (id, token) = (id.clone(), params["_meta"]["progressToken"].clone());
                let (text, steps) = (text("text").to_owned(), arguments["steps"].as_u64().unwrap_or(3));
                let wait = Duration::from_millis(arguments["ms"].as_u64().unwrap_or(5));
                thread::spawn(move || {
                    for step in (1..=steps).take_while(|_| !token.is_null()) {
                        thread::sleep(wait);
                        let params = json!({"progressToken": token, "progress": step, "total": steps, "message": text});
                        write_line(
                            &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
                                .to_string(),
                        );
                    }
                    write_line(&json!({"jsonrpc": "2.0", "id": id, "result": text_result(&text)}).to_string());
                });
            }
            "hang" => {}
            "exit" => {
                eprintln!("{}", text("stderr"));
                exit(arguments["code"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(1));
            }
            "abort" => std::process::abort(),
            // Closes one of its pipes and lives on, until it is ended.
            "close_stdin" => {
                self.respond(id, text_result("reads no more"));
                let _ = nix::unistd::close(0);
                sleep_for_ever();
            }
            "close_stdout" => {
                let _ = nix::unistd::close(1);
                sleep_for_ever();
            }
            // Never reads again, and says so first.
            "deaf" => {
                self.respond(id, text_result("deaf from now on"));
                sleep_for_ever();
            }
            _ => self.refuse(id, -32602, "no such tool"),
        }
    }

    fn respond(&self, id: &Value, result: Value) {
        write_line(&json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
    }

    fn refuse(&self, id: &Value, code: i32, message: &str) {
        write_line(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}).to_string());
    }
}

const TOOLS: [&str; 14] = [
    "echo",
    "environment",
    "large",
    "raw",
    "ask",
    "flood",
    "slow",
    "steps",
    "hang",
    "exit",
    "abort",
    "deaf",
    "close_stdin",
    "close_stdout",
];

fn tool(name: &str) -> Value {
    json!({"name": name, "description": name, "inputSchema": {"type": "object"}})
}

fn text_result(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// One line in one piece, whichever thread writes. A closed pipe ends the server, as it would any other.
fn write_line(line: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_err() {
        exit(0);
    }
}

fn sleep_for_ever() -> ! {
    loop {
        thread::park();
    }
}

/// Once a handler is there, the signal no longer ends the process; the runtime may sleep.
fn outlive_sigterm() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let signal = {
        let _entered = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a handler")
    };
    std::mem::forget((runtime, signal));
}
