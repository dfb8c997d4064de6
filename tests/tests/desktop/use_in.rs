//! "Use in…": an entry that works as it is, on the clipboard of the whole desktop, with a token for one server alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_tests::Fixture;
use culvert_tests::desktop::{User, WebDriver};
use culvert_tests::mcp::McpSession;
use serde_json::{Value, json};

/// What a token says of itself.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn an_entry_is_on_the_clipboard_with_a_token_that_calls_this_server_alone() {
    let (user, git, files) = (User::new().await, Fixture::default(), Fixture::default());
    user.saves("git", &git).await;
    let other = user.gateway.tunnel(&files, "files", &user.token).start();
    other.online().await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.connect("git").await;
    web.choose_in("Use in", "mcp.json").await;
    web.shows("Copied for mcp.json. Its token calls this server only, until").await;
    let entry: Value = serde_json::from_str(&user.desktop.clipboard().await).unwrap();
    let entry = &entry["mcpServers"]["git"];
    assert_eq!(entry["type"], "http");
    let url = entry["url"].as_str().unwrap();
    let path = url.strip_prefix(user.gateway.url.trim_end_matches('/')).unwrap();
    let token = entry["headers"]["Authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_ne!(token, user.token);
    let says = claims(&token);
    assert_eq!((&says["can"], &says["servers"]), (&json!(["call"]), &json!(["git"])), "{says}");
    assert!(says["exp"].is_u64(), "it ends: {says}");
    let page = web.script("return document.documentElement.outerHTML", &[]).await.to_string();
    assert!(!page.contains(&token), "the page only hears that it was copied");

    let called = McpSession::begin_at(user.gateway.request("POST", path, &token)).await;
    let answer = called.call(1, "echo", json!({"text": "hello"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "hello", "{answer}");
    let foreign = user.gateway.request("POST", &path.replace("/git/", "/files/"), &token).json(&McpSession::hello());
    assert_eq!(foreign.send().await.status / 100, 4, "no other server");

    web.choose_in("Use in", "Claude Code").await;
    web.shows("Copied for Claude Code.").await;
    let command = user.desktop.clipboard().await;
    let words = shell_words::split(&command).unwrap();
    assert_eq!(words[..6], ["claude", "mcp", "add", "--transport", "http", "git"], "{command}");
    assert_eq!(words[6], url);
    web.quit().await;
}
