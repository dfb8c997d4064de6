//! A bundle holds what helps, and none of the canaries that lie wherever a secret can.

use std::time::Duration;

use culvert_profiles::{ConfigFile, SecretSources, Surroundings, loaded};

use super::*;
use crate::checks::{Check, unusable};
use crate::overview::Overview;

/// Looks like nothing: only who knows it can take it out.
const CANARY: &str = "tweety";

const SERVERS: &str = r#"
token: tweety-token
gateway: https://gateway.example.com
servers:
- name: by-command
  command: "uvx mcp-server-git --api-key tweety-argument --repository /srv/code"
  env: {DEBUG: "yes", MY_PASSWORD: tweety-variable, HARMLESS: tweety-value}
  secret_env: {GITHUB: "env:CANARY_IN_ENVIRONMENT", OTHER: "keychain:other"}
  labels: {site: north}
  tools_allow: ["git_*"]
  tools_deny: [git_push]
  tool_preset: read-only
  hold_changed_tools: true
  prompts: false
  audit_log: /var/log/calls.log
- name: by-address
  local_streamable_http: "http://127.0.0.1:8000/mcp?code=tweety-query"
  local_headers: {X-Key: tweety-header}
  gateway: [{url: "https://gateway2.example.com", token: "file:/nowhere/tweety"}]
"#;

fn read() -> Loaded {
    let variable = |name: &str| (name == "CANARY_IN_ENVIRONMENT").then(|| "x".to_owned());
    let surroundings = Surroundings { variable: &variable, ..Surroundings::of_this_process() };
    let file = ConfigFile::parse(SERVERS, std::path::Path::new("servers.yaml")).unwrap();
    loaded(Default::default(), Some(file), &surroundings).unwrap()
}

#[tokio::test]
async fn it_tells_what_helps_and_no_secret() {
    let loaded = read();
    let sources = SecretSources::of_this_process([]);
    let redactor = Redactor::new(known_secrets(&loaded, &sources).await);
    let report = Report::of(&Overview::at_rest(read(), |_| true));
    let says = |text: &str| ServerLine { at: 100, text: text.to_owned() };
    let lines = vec![
        says("listening, see tweety-variable"),
        says("using tweety-token and tweety-header"),
        says("Authorization: Bearer tweety-unknown"),
        says("password=tweety-unknown"),
        says("GET https://me:tweety-unknown@db/x?tweety-unknown"),
    ];
    let logs =
        [ServerLines { name: "by-command".to_owned(), gateway: "https://gateway.example.com".to_owned(), lines }];
    let cause = culvert_protocol::Cause::ServerHandshake { detail: "it said tweety-token".to_owned() };
    let findings = [unusable("by-command", &cause)];
    let bundle = Bundle {
        version: "0.1.0 (abc)",
        time: "2026-11-22T18:00:00Z",
        loaded: &loaded,
        report: &report,
        logs: Some(&logs),
        findings: Some(&findings),
    };
    let text = bundle.text(&redactor, SystemTime::UNIX_EPOCH + Duration::from_secs(160));
    // A file's path is no secret, and says what the token's source is.
    let without_path = text.replace("file:/nowhere/tweety", "");
    assert!(!without_path.contains(CANARY), "{text}");
    for part in [
        "culvert 0.1.0 (abc)",
        "by-command, from servers.yaml:",
        "uvx mcp-server-git --api-key [redacted] --repository /srv/code",
        "variables DEBUG, HARMLESS, MY_PASSWORD",
        "tools: allowed git_*; denied git_push; only those that read; changed ones are held; no prompts",
        "calls told to /var/log/calls.log",
        "variable OTHER from: keychain:other",
        "gateway https://gateway.example.com, its token from: the configuration itself",
        "its token from: file:/nowhere/tweety",
        "url http://127.0.0.1:8000/mcp?",
        "header X-Key from: the configuration itself",
        "by-command: off, wanted",
        "60 s ago: listening, see [redacted]",
        "the local server does not speak MCP: it said [redacted] [server.handshake]",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text.contains(Check::Configuration.id()));
}

#[test]
fn without_anybody_who_runs_them_it_says_where_the_log_is() {
    let report = Report { profiles: Vec::new(), problems: Vec::new() };
    let loaded = Loaded::default();
    let bundle = Bundle { version: "1", time: "now", loaded: &loaded, report: &report, logs: None, findings: None };
    let text = bundle.text(&Redactor::default(), SystemTime::now());
    assert!(text.contains("under systemd in the journal") && text.contains("not asked") && text.contains("no server"));
}
