//! A machine that fails: full disk, read-only home, garbage in state files, a clock set back, no descriptors left. What is
//! wrong is said, what can goes on, and nothing that was saved is lost.

#![allow(clippy::print_stderr, reason = "what is skipped is said")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::sleep::Clock;
use culvert_tests::watched::PATIENCE;
use culvert_tests::{Culvert, CulvertCommand, Fixture, http};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;

const USER: &str = "me@example.com";

fn gateway(state: &Path, listen: &str) -> CulvertCommand {
    CulvertCommand::bare()
        .args(["gateway", "--listen", listen, "--json"])
        .arg("--state-dir")
        .arg(state)
        .env("JWT_SECRET_KEY", SECRET)
}

/// Has a command see a small, empty file system of its own at `place`. `None`, and a word about it, where that cannot be
/// had: one must be root, or allowed to have users of one's own.
async fn on_a_small_disk(place: &Path, size: &str, command: CulvertCommand) -> Option<CulvertCommand> {
    let mount = format!("mount -t tmpfs -o size={size} none \"$0\" && exec \"$@\"");
    let place = place.to_str().unwrap();
    let words = ["unshare", "--mount", "--map-root-user", "sh", "-c", &mount, place];
    let tried = CulvertCommand::program("true").through(&words).finish().await;
    if tried.code != Some(0) {
        eprintln!("SKIPPED: no file system of one's own can be had here: {}", tried.err);
        return None;
    }
    Some(command.through(&words))
}

/// A path as this process sees it.
fn seen_by(process: &Culvert, path: &Path) -> PathBuf {
    Path::new("/proc").join(process.pid().to_string()).join("root").join(path.strip_prefix("/").unwrap())
}

/// Has a file take what room there is.
fn fill_up(filler: &Path) {
    let mut size = 64 * 1024;
    while size > 0 {
        let mut text = std::fs::read(filler).unwrap_or_default();
        text.resize(text.len() + size, 0);
        if std::fs::write(filler, text).is_err() {
            size /= 2;
        }
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn echoes(session: &McpSession, id: u32) {
    let answer = session.call(id, "echo", json!({"text": "still here"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "still here", "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_stops_no_call_and_costs_nothing_once_there_is_room() {
    let (state, token) = (tempfile::tempdir().unwrap(), OwnGateway::token(USER, SECRET).await);
    let Some(command) = on_a_small_disk(state.path(), "64k", gateway(state.path(), "127.0.0.1:0")).await else {
        return;
    };
    let gateway = OwnGateway::start_as(command).await;
    let inside = seen_by(&gateway.culvert, state.path());
    let filler = inside.join("filler");
    fill_up(&filler);
    let fixture = Fixture::default();
    let tunnel = gateway.tunnel(&fixture, "fixture", &token).start();
    tunnel.online().await;
    gateway.culvert.says("the catalog cannot be written").await;
    let session = McpSession::begin(&gateway, "fixture", &token).await;
    echoes(&session, 1).await;

    std::fs::remove_file(&filler).unwrap();
    let catalog = inside.join("catalog.json");
    let is_written = async || std::fs::read_to_string(&catalog).is_ok_and(|text| text.contains("fixture"));
    until("the catalog on disk", is_written).await;
    echoes(&session, 2).await;
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

/// What an audit log has: its whole lines, how many are torn, and how many it says it lacks.
fn audited(log: &Path) -> (Vec<Value>, usize, u64) {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let whole: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let lost = whole.iter().filter_map(|line| line["lost"].as_u64()).sum();
    let torn = text.lines().filter(|line| !line.is_empty()).count() - whole.len();
    (whole, torn, lost)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_log_whose_disk_is_full_is_told_once_and_goes_on_with_a_whole_line() {
    let (state, token) = (tempfile::tempdir().unwrap(), OwnGateway::token(USER, SECRET).await);
    let disk = tempfile::tempdir().unwrap();
    let log = disk.path().join("audit.log");
    let command = gateway(state.path(), "127.0.0.1:0").arg("--audit-log").arg(&log);
    let Some(command) = on_a_small_disk(disk.path(), "64k", command).await else { return };
    let gateway = OwnGateway::start_as(command).await;
    let (log, filler) = (seen_by(&gateway.culvert, &log), seen_by(&gateway.culvert, disk.path()).join("filler"));
    let fixture = Fixture::default();
    let tunnel = gateway.tunnel(&fixture, "fixture", &token).start();
    tunnel.online().await;
    let session = McpSession::begin(&gateway, "fixture", &token).await;
    let mut calls = 0..;
    let mut call = async || echoes(&session, calls.next().unwrap()).await;
    call().await;
    let last_call = |lines: &[Value]| lines.iter().filter(|line| line["method"] == "tools/call").count();
    until("the first call in the log", async || last_call(&audited(&log).0) == 1).await;
    let before = audited(&log).0.len();
    let (mut made, mut torn) = (0, 0);
    for time in 1..=3 {
        fill_up(&filler);
        let told = || gateway.culvert.words().matches("the audit log cannot be written").count();
        while told() < time {
            // Some lines find room in what the file has already.
            call().await;
            made += 1;
            assert!(made < 1000, "a full disk is noticed");
        }
        for _ in 0..10 {
            call().await;
            made += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(told(), time, "{}", gateway.culvert.words());
        (_, torn, _) = audited(&log);

        std::fs::remove_file(&filler).unwrap();
        call().await;
        made += 1;
        gateway.culvert.says_number("the audit log is written again", time).await;
        let (whole, torn_now, lost) = audited(&log);
        assert_eq!(torn_now, torn, "no line is glued to a torn one: {}", std::fs::read_to_string(&log).unwrap());
        let told = whole.iter().filter(|line| line["verdict"] == "allowed").count();
        assert_eq!(told + usize::try_from(lost).unwrap(), before + made, "{whole:#?}");
        assert_eq!(whole.last().unwrap()["method"], "tools/call", "the last call is there");
    }
    assert!(torn > 0, "a line was torn, or nothing was tried");
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_that_a_full_disk_cannot_take_leaves_those_that_are_there() {
    let home = tempfile::tempdir().unwrap();
    let profiles = "$XDG_CONFIG_HOME/culvert/profiles";
    let add = "culvert profiles add \"$1\" --local-stdio \"cat $2\" --gateway http://localhost:4444";
    let script = format!(
        "set -u; culvert() {{ {culvert} \"$@\"; }}
        add() {{ {add}; }}
        add first x && head -c 200000 /dev/zero >\"$XDG_CONFIG_HOME/filler\" 2>/dev/null
        add second \"$(head -c 60000 /dev/zero | tr '\\0' y)\"; echo \"$?\"
        rm \"$XDG_CONFIG_HOME/filler\"; ls -A {profiles}; culvert profiles list",
        culvert = culvert_tests::built::culvert().display(),
    );
    let shell = CulvertCommand::program("sh").args(["-c", &script]).env("XDG_CONFIG_HOME", home.path());
    let Some(shell) = on_a_small_disk(home.path(), "128k", shell).await else { return };
    let done = shell.finish().await;
    let said = done.out.join("\n");
    assert!(!done.out.contains(&"0".to_owned()), "the second was not saved, and says so: {done:#?}");
    assert!(said.contains("first") && !said.contains("second") && !said.contains(".new"), "{done:#?}");
    assert!(done.err.contains("No space left"), "{done:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_home_keeps_no_tunnel_from_running_and_a_gateway_says_what_it_lacks() {
    let (there, token) = (OwnGateway::start().await, OwnGateway::token(USER, SECRET).await);
    let home = tempfile::tempdir().unwrap();
    let read_only = |command: CulvertCommand| {
        let command = command
            .env("HOME", home.path())
            .env("XDG_STATE_HOME", home.path().join("state"))
            .env("XDG_CONFIG_HOME", home.path().join("config"));
        let script = "mount -o remount,ro \"$0\" && exec \"$@\"";
        command.through(&["sh", "-c", script, home.path().to_str().unwrap()])
    };
    let fixture = Fixture::default();
    let tunnel = read_only(there.tunnel(&fixture, "fixture", &token));
    let Some(tunnel) = on_a_small_disk(home.path(), "64k", tunnel).await else { return };
    let tunnel = tunnel.start();
    tunnel.online().await;
    echoes(&McpSession::begin(&there, "fixture", &token).await, 1).await;
    tunnel.stop().await;
    there.culvert.stop().await;

    for arguments in [["gateway", "--json"], ["up", "--json"]] {
        let refused = read_only(CulvertCommand::bare().args(arguments));
        let refused = on_a_small_disk(home.path(), "64k", refused).await.unwrap().finish().await;
        assert!(refused.code.is_some_and(|code| code != 0), "{arguments:?}: {refused:#?}");
        assert!(!refused.err.contains("panicked"), "{refused:#?}");
        let says = ["Read-only file system", "[saved.none]"].iter().any(|words| refused.err.contains(words));
        assert!(says && refused.err.contains('→'), "{arguments:?}: {refused:#?}");
    }
}

/// Whatever stands in its files, a gateway starts or says which file it is; what it could not read it keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_a_gateways_state_is_kept_aside_or_named_and_never_taken_for_nothing() {
    let token = OwnGateway::token(USER, SECRET).await;
    let mut random = fastrand::Rng::with_seed(culvert_tests::seed::fresh());
    let nested = "[".repeat(100_000);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5_000).collect();
    for garbage in [&b""[..], b"{", b"\0\0\0\0", b"[1, 2]", b"null", nested.as_bytes(), &noise] {
        let state = tempfile::tempdir().unwrap();
        let first = OwnGateway::start_as(gateway(state.path(), "127.0.0.1:0")).await;
        let tunnel = first.tunnel(&Fixture::default(), "fixture", &token).start();
        tunnel.online().await;
        tunnel.stop().await;
        first.culvert.stop().await;
        let files: Vec<PathBuf> = std::fs::read_dir(state.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.iter().any(|file| file.ends_with("catalog.json")), "{files:?}");
        for file in files.iter().filter(|file| !file.ends_with("lock")) {
            std::fs::write(file, garbage).unwrap();
        }
        let again = gateway(state.path(), "127.0.0.1:0").start();
        let listens = async { again.event("listening", |event: &Value| event["event"] == "listening").await };
        listens.await;
        assert!(!again.words().contains("panicked"), "{}", again.words());
        let kept = std::fs::read(state.path().join("catalog.json.broken")).unwrap();
        assert_eq!(kept, garbage, "what could not be read is kept");
        again.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_by_a_day_costs_no_session_and_no_tunnel() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, token) = (Clock::new(folder.path()), OwnGateway::token(USER, SECRET).await);
    let state = folder.path().join("state");
    let command = clock
        .environment()
        .into_iter()
        .fold(gateway(&state, "127.0.0.1:0"), |command, (name, value)| command.env(name, value));
    let gateway = OwnGateway::start_as(command).await;
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token).start();
    tunnel.online().await;
    let session = McpSession::begin(&gateway, "fixture", &token).await;
    echoes(&session, 1).await;
    clock.set("-1d");
    echoes(&session, 2).await;
    echoes(&McpSession::begin(&gateway, "fixture", &token).await, 1).await;
    // The time of a call runs by the other clock.
    let answer = session.call(3, "slow", json!({"ms": 1500})).await;
    assert!(answer["result"].is_object(), "{answer}");
    gateway.server_becomes("fixture", "online", &token).await;
    assert_eq!(tunnel.events().iter().filter(|event| event["event"] == "online").count(), 1, "its link held");
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

fn with_few_descriptors(count: u32, command: CulvertCommand) -> CulvertCommand {
    command.through(&["sh", "-c", &format!("ulimit -n {count} && exec \"$@\""), "sh"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_descriptors_keeps_its_tunnels_and_serves_again_when_there_are_some() {
    let (state, token) = (tempfile::tempdir().unwrap(), OwnGateway::token(USER, SECRET).await);
    let gateway = OwnGateway::start_as(with_few_descriptors(40, gateway(state.path(), "127.0.0.1:0"))).await;
    let fixture = Fixture::default();
    let tunnel = gateway.tunnel(&fixture, "fixture", &token).start();
    tunnel.online().await;
    let session = McpSession::begin(&gateway, "fixture", &token).await;
    let mut greedy = Vec::new();
    for _ in 0..100 {
        greedy.extend(TcpStream::connect(gateway.address()).await.ok());
    }
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", gateway.culvert.pid())).unwrap().count();
    until("no descriptor to be left", async || descriptors() >= 39).await;
    let waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.call(1, "echo", json!({"text": "waited"})).await })
    };
    let begun = cpu(gateway.culvert.pid());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(cpu(gateway.culvert.pid()) - begun < 50, "it waits, it does not spin");
    assert!(!waiting.is_finished());
    drop(greedy);
    let answer = tokio::time::timeout(PATIENCE, waiting).await.expect("served in time").unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "waited", "{answer}");
    assert_eq!(tunnel.events().iter().filter(|event| event["event"] == "online").count(), 1, "its link held");
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

/// User and system time of a process, in hundredths of a second.
fn cpu(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_without_descriptors_refuses_who_comes_and_keeps_who_is_there() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token(USER, SECRET).await);
    let fixture = Fixture::default();
    let tunnel = gateway.tunnel(&fixture, "fixture", &token).args(["--max-sessions", "60"]);
    let tunnel = with_few_descriptors(32, tunnel).start();
    tunnel.online().await;
    let (mut sessions, refused) = fill(&gateway, &token).await;
    assert!(sessions.len() >= 2, "{refused:?}");
    assert!((500..504).contains(&refused.status), "{refused:?}");
    assert!(refused.json()["error"]["data"]["code"].is_string(), "it is said why: {refused:?}");
    for session in &sessions {
        echoes(session, 1).await;
    }
    let leaving = sessions.split_off(1);
    for session in &leaving {
        let end = gateway.request("DELETE", "/servers/fixture/mcp", &token).header("mcp-session-id", session.id());
        assert_eq!(end.send().await.status, 204);
    }
    until("a place", async || begin(&gateway, &token).await.is_ok()).await;
    echoes(&sessions[0], 2).await;
    tunnel.signal(Signal::SIGTERM);
    assert_eq!(tunnel.end().await.code, Some(0));
    gateway.culvert.stop().await;
}

/// As many sessions as there can be, and the answer to one more.
async fn fill(gateway: &OwnGateway, token: &str) -> (Vec<McpSession>, http::Response) {
    let mut sessions = Vec::new();
    loop {
        match McpSession::ask_at(gateway.request("POST", "/servers/fixture/mcp", token)).await {
            Ok(session) => sessions.push(session),
            Err(refused) => return (sessions, refused),
        }
        assert!(sessions.len() < 60, "32 descriptors are not enough for as many");
    }
}

/// Whether a session could be begun just now; the one that this takes is ended.
async fn begin(gateway: &OwnGateway, token: &str) -> Result<(), http::Response> {
    let post = gateway.request("POST", "/servers/fixture/mcp", token);
    let post = post.header("accept", "application/json, text/event-stream");
    let welcome = post.clone().json(&McpSession::hello()).send().await;
    match welcome.header("mcp-session-id") {
        Some(id) if welcome.status == 200 => {
            let ended = post.method("DELETE").header("mcp-session-id", id).send().await;
            assert_eq!(ended.status, 204);
            Ok(())
        }
        _ => Err(welcome),
    }
}
