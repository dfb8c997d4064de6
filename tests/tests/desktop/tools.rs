//! The page of tools in the real window: what is switched there holds for who calls, and a tool that changes waits there,
//! old beside new, until it is approved or kept blocked.

use culvert_tests::desktop::{User, WebDriver, keys};
use culvert_tests::listing::Listing;
use culvert_tests::mcp::McpSession;
use serde_json::{Value, json};

/// Goes to the page of tools of the profile that is shown.
async fn to_tools(web: &WebDriver) {
    web.tab_to("tab \"").await;
    web.press_to(keys::RIGHT, "tab \"Tools\"").await;
}

/// Switches what is called so, from here on with Tab.
async fn switch(web: &WebDriver, name: &str) {
    web.tab_to(&format!("switch {name:?}")).await;
    web.press(keys::SPACE).await;
}

async fn names(session: &McpSession) -> Vec<String> {
    let answers = session.post(&json!({"jsonrpc": "2.0", "id": "list", "method": "tools/list"})).await.messages();
    let answer: Value = serde_json::from_str(answers.last().unwrap()).unwrap();
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// The code of the refusal of a call, or nothing.
async fn refusal(session: &McpSession, tool: &str) -> String {
    let request = json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": tool}});
    let answers = session.post(&request).await.messages();
    let answer: Value = serde_json::from_str(answers.last().unwrap()).unwrap();
    answer["error"]["data"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_is_switched_in_the_window_holds_for_who_calls() {
    let reads = json!({"readOnlyHint": true});
    let server = Listing::new(&json!([{"name": "add"}, {"name": "look", "annotations": reads}, {"name": "sub"}]));
    let user = User::new().await;
    user.saves_command("sums", &server.command()).await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.connect("sums").await;
    to_tools(&web).await;
    web.shows("all 3 pass").await;
    let session = user.session("sums").await;

    switch(&web, "Let sub pass").await;
    web.shows("2 of 3 pass").await;
    assert_eq!(names(&session).await, ["add", "look"]);
    assert_eq!(refusal(&session, "sub").await, "policy.denied");
    let saved = user.desktop.home().join(".config/culvert/profiles/sums.yaml");
    assert!(std::fs::read_to_string(&saved).unwrap().contains("tools_deny:\n  - \"sub\""), "it is saved");

    web.tab_to("button \"Tools may\"").await;
    web.press("o").await;
    web.shows("1 of 3 pass").await;
    web.shows("It does not say that it only reads.").await;
    assert_eq!(names(&session).await, ["look"]);
    assert_eq!(refusal(&session, "add").await, "policy.denied");
    web.quit().await;
}

#[tokio::test]
async fn a_tool_that_changes_waits_in_the_window_until_it_is_approved_or_kept_blocked() {
    let tools = |words: &str| json!([{"name": "add", "description": words}, {"name": "sub"}]);
    let server = Listing::new(&tools("Adds two numbers."));
    let user = User::new().await;
    user.saves_command("sums", &server.command()).await;
    let tray = user.desktop.tray().await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    let item = tray.item().await;
    let menu = item.menu().await;
    web.connect("sums").await;
    to_tools(&web).await;
    switch(&web, "Hold tools that change").await;
    let session = user.session("sums").await;
    assert_eq!(names(&session).await, ["add", "sub"], "what is listed first is approved");
    menu.online("sums").await;
    let icon = item.icon().await;

    server.lists(&tools("Adds two numbers, and mails them."));
    assert_eq!(refusal(&session, "sub").await, "");
    web.shows("1 tool waits for you").await;
    menu.profile("sums", "in need of a look", |words| words == "1 tool changed").await;
    assert_ne!(item.icon().await, icon, "the tray tells, too");
    let held = web.css("#tools-waiting .held").await.text().await;
    for shown in ["add", "Approved", "Adds two numbers.", "Now", "Adds two numbers, and mails them."] {
        assert!(held.contains(shown), "{shown}: {held}");
    }
    assert_eq!((names(&session).await, &*refusal(&session, "add").await), (vec!["sub".to_owned()], "policy.held"));
    web.choose("button \"Approve\"").await;
    web.shows("add approved.").await;
    assert_eq!((names(&session).await.len(), &*refusal(&session, "add").await), (2, ""));
    menu.online("sums").await;

    server.lists(&tools("Subtracts."));
    assert_eq!(refusal(&session, "sub").await, "");
    web.shows("1 tool waits for you").await;
    web.choose("button \"Keep blocked\"").await;
    web.shows("add stays blocked.").await;
    menu.online("sums").await;
    assert_eq!(refusal(&session, "add").await, "policy.held");
    web.choose("button \"Approve add\"").await;
    web.shows("add approved.").await;
    assert_eq!(refusal(&session, "add").await, "");
    web.quit().await;
}
