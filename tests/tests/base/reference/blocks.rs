//! Blocks for a shell: `culvert run`, `culvert token`, and `curl` towards the gateway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_tests::CulvertCommand;
use culvert_tests::own_gateway::OwnGateway;
use serde_json::Value;

use super::manifest::{self, Entry};
use super::{HOSTS, Surroundings, map_commands};

/// A block that runs tunnels: as many register as it names gateways, or one where it leaves that to its surroundings.
pub(super) async fn shell(around: &Surroundings, entry: &Entry) {
    let script = manifest::text(&entry.block);
    let mut wanted = HOSTS.map(|host| script.matches(&format!("//{host}")).count());
    let mut command = around.shell(&script);
    if wanted == [0; 3] {
        wanted[0] = 1;
        command.write("reverse-proxy.yaml", &around.map(&manifest::text("reverse-proxy.yaml")));
        if !script.contains("--config") {
            command = command.env("REVERSE_PROXY_GATEWAY", around.gateways[0].url());
        }
    }
    let before = around.links();
    around.registers(command.start(), before, wanted).await;
    assert_bearer(around, entry, before);
    assert_arguments(around, &script);
}

/// The token that the block sets is the one that arrives.
fn assert_bearer(around: &Surroundings, entry: &Entry, before: [usize; 3]) {
    let state = around.gateways[0].state().look();
    let Some(link) = state.links.get(before[0]) else { return };
    let bearer = link.request.bearer();
    match entry.block.as_str() {
        "options.sh" | "config.sh" => assert_eq!(bearer, Some("your-bearer-token")),
        "quick-start.sh" => assert_eq!(claims(bearer.unwrap_or_default())["sub"], "admin"),
        _ => assert_eq!(bearer, None),
    }
}

/// The server got the arguments that the block gives it.
fn assert_arguments(around: &Surroundings, script: &str) {
    let started = around.server.events("start");
    let arguments = started.last().map(|start| start["arguments"].to_string()).unwrap_or_default();
    let wanted: &[&str] = if script.contains("filesystem") {
        &["mcp-server-filesystem", "--directory", "/path/to/files"]
    } else {
        &["mcp-server-git"]
    };
    assert_eq!(arguments, serde_json::json!(wanted).to_string());
}

/// A file of several servers, each at a gateway of its own.
pub(super) async fn servers(around: &Surroundings, entry: &Entry) {
    let file = manifest::text(&entry.block);
    let wanted = HOSTS.map(|host| file.matches(&format!("//{host}")).count());
    let command = around.shell(&format!("culvert run --config {}", entry.block));
    command.write(&entry.block, &around.map(&file));
    let before = around.links();
    around.registers(command.start(), before, wanted).await;
    for (gateway, name) in [(1, "git-server"), (2, "filesystem-server")] {
        let state = around.gateways[gateway].state().look();
        assert_eq!(state.links[before[gateway]].name.as_deref(), Some(name));
    }
}

/// Lines of options, each added to the same command.
pub(super) async fn flags(around: &Surroundings, entry: &Entry) {
    for line in manifest::text(&entry.block).lines() {
        let script = format!("culvert run --local-stdio mcp-server-git --gateway https://{} {line}", HOSTS[0]);
        let before = around.links();
        around.registers(around.shell(&script).start(), before, [1, 0, 0]).await;
    }
}

/// The address that a user copies out of the document works as `--gateway`.
pub(super) async fn address(around: &Surroundings, entry: &Entry) {
    let script = format!("culvert run --local-stdio mcp-server-git --gateway {}", manifest::text(&entry.block));
    let before = around.links();
    around.registers(around.shell(&script).start(), before, [1, 0, 0]).await;
}

/// A token on stdout, for the named user, good for the named minutes.
pub(super) async fn token(around: &Surroundings, entry: &Entry) {
    let finished = around.shell(&manifest::text(&entry.block)).env("JWT_SECRET", "deployment-secret").finish().await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.out.len(), 1, "the token alone: {finished:#?}");
    let claims = claims(&finished.out[0]);
    assert_eq!(claims["sub"], "edge-server-01");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 10_080 * 60);
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("no JWT: {token:?}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Requests to a gateway: Culvert's own, with a tunnel registered there.
pub(super) async fn curl(around: &Surroundings, entry: &Entry) {
    const SECRET: &str = "deployment-secret-0123456789abcdef";
    let gateway = OwnGateway::with_tls(&around.authority, SECRET).await;
    let token = OwnGateway::token("admin@example.com", SECRET).await;
    let tunnel = around
        .prepare(CulvertCommand::run())
        .args(["--local-stdio", "mcp-server-git", "--gateway", &gateway.url, "--token", &token])
        .start();
    let session = tunnel.online().await["session"].as_str().unwrap().to_owned();

    let script = map_commands(&manifest::text(&entry.block)).replace(HOSTS[0], gateway.authority());
    let script = script.replace("{session_id}", &session);
    let command = CulvertCommand::program("bash").arg("-c").arg(format!("set -eu\n{script}"));
    // curl's own settings, so that the block stays as it is: an HTTP error is an error, and this authority is trusted.
    command.write(".curlrc", &format!("fail\nsilent\nshow-error\ncacert = {:?}\n", around.authority.root()));
    let finished = command.env("TOKEN", &token).finish().await;
    assert_eq!(finished.code, Some(0), "{}: {finished:#?}", entry.block);
    let out = finished.out.join("\n");
    match entry.block.as_str() {
        "health.sh" => assert!(out.contains("200"), "{out}"),
        _ => assert!(out.contains(&session), "the session is listed: {out}"),
    }
    tunnel.stop().await;
    gateway.culvert.stop().await;
}
