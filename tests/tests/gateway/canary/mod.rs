//! Marked secrets pass through every feature, at the level that logs most and in both formats: what a user gives to
//! Culvert never shows where somebody else could read it.

mod by_address;
mod home;
mod marks;
mod surfaces;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use culvert_tests::http::Request;
use culvert_tests::mcp::{ACCEPT, McpSession};
use culvert_tests::own_gateway::OwnGateway;
use culvert_tests::watched::PATIENCE;
use culvert_tests::{CulvertCommand, FakeGateway, Fixture, Manner};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::sleep;

use self::by_address::ByAddress;
use self::home::Home;
use self::marks::Marks;

/// The log's formats.
const FORMATS: [&str; 2] = ["human", "json"];

fn loud(command: CulvertCommand, format: &str) -> CulvertCommand {
    command.env("REVERSE_PROXY_LOG_LEVEL", "TRACE").env("REVERSE_PROXY_LOG_FORMAT", format)
}

/// Waits until a log, which another thread writes, has this in it.
async fn told(log: &Path, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(log).is_ok_and(|log| log.contains(text)) {
        assert!(Instant::now() < deadline, "{} tells nothing of {text}", log.display());
        sleep(Duration::from_millis(20)).await;
    }
}

/// A gateway with everything that has a secret, and its home.
struct Host {
    gateway: OwnGateway,
    /// The bearer of its figures.
    metrics: String,
    home: PathBuf,
    /// Files of its home that hold a secret because the user put it there.
    given: [PathBuf; 2],
}

impl Host {
    async fn start(marks: &mut Marks, signing: &str, format: &str) -> Self {
        let [metrics, publisher] = ["metrics-token", "publishers-token"].map(|name| marks.add(name));
        let command = loud(OwnGateway::command(), format).env("JWT_SECRET_KEY", signing);
        let given = [command.write("metrics-token", &metrics), command.write("publishers-token", &publisher)];
        let home = command.home().to_owned();
        let command = command.arg("--audit-log").arg(home.join("audit.log"));
        let command = command.args(["--metrics-listen", "127.0.0.1:0", "--metrics-token-file"]).arg(&given[0]);
        // Nobody is there: it tries again and again.
        let command = command.args(["--publish-to", "http://127.0.0.1:1", "--publish-token-file"]).arg(&given[1]);
        Self { gateway: OwnGateway::start_as(command).await, metrics, home, given }
    }

    /// Looks through its files, and ends it.
    async fn tells_nothing(self, marks: &Marks) {
        told(&self.home.join("audit.log"), "tools/call").await;
        surfaces::files(marks, &self.home, &self.given);
        surfaces::arguments(marks, "the gateway", &self.gateway.culvert);
        marks.nowhere_in("what the gateway logged", format!("{:?}", self.gateway.culvert.stop().await));
    }
}

/// Callers that do it right and callers that do not: whatever they show, the gateway keeps to itself.
async fn callers(marks: &mut Marks, gateway: &OwnGateway, server: &str, token: &str) {
    let session = McpSession::begin(gateway, server, token).await;
    let answer = session.call(1, "echo", json!({"text": marks.add("said-in-a-call")})).await;
    assert!(answer.get("result").is_some(), "{answer}");
    let [query, basic, cookie, stranger] =
        ["query-token", "basic", "cookie", "strange-bearer"].map(|name| marks.add(name));
    let path = format!("/servers/{server}/mcp?access_token={query}&token={query}");
    let post =
        |path: &str| Request::new("POST", gateway.address(), path).header("accept", ACCEPT).json(&McpSession::hello());
    for request in [
        post(&path),
        post(&path).bearer(token),
        post("/servers").header("authorization", &format!("Basic {basic}")),
        post("/servers").header("cookie", &format!("session={cookie}")),
        post(&format!("/{server}")).bearer(&stranger),
        post("/reverse-proxy/ws").bearer(&stranger).header("x-culvert-key", &stranger),
        post("/tokens").bearer(token).json(&json!({"token": stranger, "password": stranger})),
    ] {
        let answer = request.send().await;
        marks.nowhere_in("an answer of the gateway", format!("{answer:?}"));
    }
    for path in ["/servers", "/reverse-proxy/sessions"] {
        let answer = gateway.request("GET", path, token).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        marks.nowhere_in(path, format!("{answer:?}"));
    }
}

#[tokio::test]
async fn saved_profiles_with_secrets_of_every_kind_show_none_of_them() {
    for format in FORMATS {
        let mut marks = Marks::default();
        let signing = marks.add("signing");
        let host = Host::start(&mut marks, &signing, format).await;
        let gateway = &host.gateway;
        let home = Home::new(&mut marks, gateway, &signing).await;
        let runner = loud(home.up(), format).start();
        home.all_as_expected(&runner).await;
        callers(&mut marks, gateway, "from-env", &home.token).await;

        surfaces::arguments(&marks, "the runner", &runner);
        home.servers_inherit_nothing(&marks, &runner);
        surfaces::socket(&marks, &home.socket(), "from-file");
        surfaces::figures(&marks, home.figures(), &home.health_token).await;
        let of_gateway = gateway.culvert.events().iter().find_map(|event| event["metrics"].as_str()?.parse().ok());
        surfaces::figures(&marks, of_gateway.expect("where it tells its figures"), &host.metrics).await;
        home.commands_say_nothing(&marks, format).await;
        surfaces::files(&marks, home.folder(), &home.given());

        // One profile was refused, so it ends with that one's code.
        runner.signal(Signal::SIGTERM);
        marks.nowhere_in("what the runner logged", format!("{:?}", runner.end().await));
        host.tells_nothing(&marks).await;
        assert!(home.folder().join("audit.log").exists() && home.folder().join("state/culvert/approved").exists());
        surfaces::files(&marks, home.folder(), &home.given());
    }
}

#[tokio::test]
async fn a_token_from_the_arguments_or_stdin_shows_nowhere() {
    for (format, way) in FORMATS.into_iter().zip(["--token", "--token-stdin"]) {
        let mut marks = Marks::default();
        let signing = marks.add("signing");
        let host = Host::start(&mut marks, &signing, format).await;
        let gateway = &host.gateway;
        let token = marks.token("token", &signing).await;
        let fixture = Fixture::default();
        let tunnel = if way == "--token" {
            let run = loud(CulvertCommand::run(), format).server(&fixture).args(["--token", &token]);
            run.args(["--server-name", "given", "--gateway", &gateway.url]).start()
        } else {
            let sh = loud(CulvertCommand::program("sh"), format).args(["-c", "exec \"$@\" <stdin", "sh"]);
            sh.write("stdin", &format!("{token}\n"));
            let run = sh.arg(culvert_tests::built::culvert()).args(["run", "--json", "--token-stdin"]).server(&fixture);
            run.args(["--server-name", "given", "--gateway", &gateway.url]).start()
        };
        tunnel.online().await;
        callers(&mut marks, gateway, "given", &token).await;
        surfaces::arguments(&marks, "the tunnel", &tunnel);
        for server in tunnel.servers() {
            surfaces::inherited(&marks, &server, &[], &[&fixture.file("record.jsonl")]);
        }
        marks.nowhere_in("what the tunnel logged", format!("{:?}", tunnel.stop().await));
        host.tells_nothing(&marks).await;
    }
}

#[tokio::test]
async fn credentials_of_a_gateways_callers_reach_the_server_and_nothing_else() {
    for format in FORMATS {
        let mut marks = Marks::default();
        let [token, bearer, key] = ["token", "callers-bearer", "callers-key"].map(|name| marks.add(name));
        let (gateway, server) = (FakeGateway::start(Manner::next().token(&token)).await, ByAddress::start().await);
        let run = loud(CulvertCommand::run(), format).env("REVERSE_PROXY_TOKEN", &token).config(&json!({
            "name": "base", "gateway": gateway.url(), "local_streamable_http": server.url("none"),
            "forward_auth": ["authorization", "x-api-key"],
        }));
        let tunnel = run.start();
        let link = gateway.registered().await;
        link.send(json!({
            "type": "request", "sessionId": link.session(), "authType": "headers",
            "authentication": {"Authorization": format!("Bearer {bearer}"), "X-Api-Key": key, "X-Other": key},
            "payload": {"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "echo"}},
        }))
        .await;
        assert!(link.answer(&Value::from("a")).await.get("result").is_some());
        assert!(server.was_told(&bearer) && server.was_told(&key), "both headers are handed on");
        surfaces::arguments(&marks, "the tunnel", &tunnel);
        let finished = tunnel.stop().await;
        marks.nowhere_in("what the tunnel logged", format!("{finished:?}"));
        marks.nowhere_in("what the gateway was sent", link.look(|link| format!("{:?}", link.frames)));
    }
}
