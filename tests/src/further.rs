//! What a further tunnel costs `culvert run` in memory: the same process with one server and with many, each of which has
//! been used.

use std::fs;

use serde_json::json;

use crate::culvert::CulvertCommand;
use crate::mcp::McpSession;
use crate::own_gateway::{OwnGateway, SECRET};

/// What one more tunnel may cost, its local server aside, in bytes.
pub const MOST: u64 = 512 * 1024;

/// How many calls each server gets before memory is read, and how many bytes each of them says and hears.
const CALLS: (u32, usize) = (20, 16 * 1024);

/// The proportional set size (PSS) of a process that runs so many tunnels, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// How many.
    pub tunnels: usize,
    /// Once all are online.
    pub idle: u64,
    /// After each has had a session with calls.
    pub used: u64,
}

impl Held {
    /// What each tunnel more than `fewer` has costs, idle and used, in bytes.
    pub fn each_beyond(&self, fewer: &Self) -> (u64, u64) {
        let more = (self.tunnels - fewer.tunnels).max(1) as u64;
        let each = |many: u64, few: u64| many.saturating_sub(few) / more;
        (each(self.idle, fewer.idle), each(self.used, fewer.used))
    }
}

/// Runs so many tunnels of this command in one process, to a gateway of their own, and reads its memory. The server must
/// have a tool `echo`. Linux only.
pub async fn held_by(tunnels: usize, command: &str) -> Held {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me@example.com", SECRET).await);
    let entries: Vec<_> = (0..tunnels).map(|nth| json!({"name": format!("s{nth}"), "command": command})).collect();
    let run = CulvertCommand::run().args(["--gateway", &gateway.url]).env("REVERSE_PROXY_TOKEN", &token);
    let culvert = run.config(&json!({"servers": entries})).start();
    for nth in 0..tunnels {
        let name = format!("s{nth}");
        culvert.event(&name, |event| event["event"] == "online" && event["name"] == name.as_str()).await;
    }
    let idle = proportional(culvert.pid());
    let text = "x".repeat(CALLS.1);
    for nth in 0..tunnels {
        let session = McpSession::begin(&gateway, &format!("s{nth}"), &token).await;
        for call in 0..CALLS.0 {
            let answer = session.call(call, "echo", json!({"text": text})).await;
            assert!(answer["result"].is_object(), "{answer}");
        }
        let end = gateway.request("DELETE", &format!("/servers/s{nth}/mcp"), &token);
        assert_eq!(end.header("mcp-session-id", session.id()).send().await.status, 204);
    }
    let used = proportional(culvert.pid());
    culvert.stop().await;
    gateway.culvert.stop().await;
    Held { tunnels, idle, used }
}

/// The memory of one process in bytes, with what it shares counted by parts.
fn proportional(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("Linux, and the process lives");
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
    pss.map_or(0, |kib: u64| kib * 1024)
}
