//! The audit log at the gateway: a line for each call and each refusal, and nothing of what was said.

use std::path::Path;

use serde_json::Value;

use crate::gateway::{TestGateway, token};
use crate::mcp_client::Client;
use crate::tunnel::Tunnel;

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[tokio::test]
async fn who_called_what_is_told_and_who_was_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let gateway = TestGateway::start_with(|config| config.audit_log = Some(path.clone())).await;
    let me = token("me");
    let mut tunnel = Tunnel::start_with(&gateway.url, &me, |_| {});
    tunnel.online(|_| true).await;
    let client = Client::begin(&gateway, &me).await;
    client.call("echo").await;
    let refused = gateway.ask("POST", "/servers/no-such/mcp", &me, "{}").await;
    assert_eq!(refused.status, 404);

    // Whoever stops has all lines written.
    tunnel.stop().await;
    gateway.stop().await;
    let all = lines(&path);
    let call = all.iter().find(|line| line["method"] == "tools/call").unwrap();
    let told = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        [told("at"), told("caller"), told("tool"), told("verdict"), told("outcome")],
        ["gateway", "me", "echo", "allowed", "ok"]
    );
    assert!(call["ms"].as_f64().unwrap() > 0.0 && call["bytes_in"].as_u64() > Some(50), "{call}");
    assert!(call["bytes_out"].as_u64() > Some(50) && call["server"].is_string(), "{call}");
    let denied = all.iter().find(|line| line["verdict"] == "denied").unwrap();
    assert_eq!(
        (&denied["server"], &denied["code"], &denied["caller"]),
        (&"no-such".into(), &"server.unknown".into(), &"me".into())
    );
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(me.expose()) && !text.contains("arguments"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_stops_no_call() {
    let gateway = TestGateway::start_with(|config| config.audit_log = Some("/dev/full".into())).await;
    let me = token("me");
    let mut tunnel = Tunnel::start_with(&gateway.url, &me, |_| {});
    tunnel.online(|_| true).await;
    let client = Client::begin(&gateway, &me).await;
    for _ in 0..20 {
        client.call("echo").await;
    }
    tunnel.stop().await;
}
