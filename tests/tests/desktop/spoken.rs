//! What a screen reader finds in the real window: names, roles and states, over AT-SPI.

use std::time::{Duration, Instant};

use culvert_tests::Fixture;
use culvert_tests::culvert::Culvert;
use culvert_tests::desktop::{Spoken, User, WordsOnScreen};
use culvert_tests::watched::PATIENCE;
use serde_json::{Value, json};

#[tokio::test]
async fn the_window_is_named_and_says_how_everything_is() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.saves("git", &server).await;
    user.wants("git").await;
    let words = WordsOnScreen::on(&mut user.desktop).await;
    let tray = user.desktop.tray().await;
    let app = user.desktop.app().start();
    tray.item().await;
    words.has("frame", "Culvert").await;
    words.has("heading", "git").await;
    words.has("entry", "Search").await;
    words.has("push button", "Add a server").await;
    let is = |role: &'static str, name: &'static str, state: &'static str| {
        move |screen: &Spoken| screen.find(role, name)?.is(state).then_some(())
    };
    words.until("the tab that is shown", is("page tab", "Overview", "selected")).await;
    words.until("the switch is on", is("toggle button", "Connect", "checked")).await;
    let profile = |screen: &Spoken| {
        let item = screen.find_role("list item")?;
        item.name.starts_with("git online").then(|| item.clone())
    };
    assert!(words.until("how the profile is", profile).await.is("selected"));
    words.until("for how long", |screen| screen.says("Online for less than a minute").then_some(())).await;
    app.stop().await;
}

/// Waits until there is no process of the window's engine.
async fn without_engine(app: &Culvert) {
    let deadline = Instant::now() + PATIENCE;
    while app.processes().iter().any(|process| process.command.contains("WebKit")) {
        assert!(Instant::now() < deadline, "the engine stays: {:#?}", app.processes());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_closed_window_leaves_no_engine_and_opens_again() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.saves("git", &server).await;
    user.wants("git").await;
    user.chose(&json!({"told_that_tunnels_stay": true}));
    let words = WordsOnScreen::on(&mut user.desktop).await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    running.menu.online("git").await;
    without_engine(&running.app).await;
    for _ in 0..2 {
        running.menu.click("Open Culvert").await;
        words.has("heading", "git").await;
        user.desktop.close_window("Culvert").await;
        // Opened again before the engine has gone, and after.
        running.menu.click("Open Culvert").await;
        words.has("heading", "git").await;
        user.desktop.close_window("Culvert").await;
        without_engine(&running.app).await;
    }
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", running.app.pid())).unwrap();
    for driver in ["_dri.so", "libgallium", "libLLVM"] {
        assert!(!maps.contains(driver), "{driver} is in memory: the window is drawn without");
    }
    let environment = user.session("git").await.call(1, "environment", json!({})).await;
    let environment = environment["result"]["content"][0]["text"].as_str().unwrap_or_default();
    let environment: Value = serde_json::from_str(environment).unwrap();
    assert!(environment["PATH"].is_string());
    for name in ["GDK_GL", "WEBKIT_DISABLE_DMABUF_RENDERER", "WEBKIT_WEB_RENDER_DEVICE_FILE"] {
        assert!(environment[name].is_null(), "{name} is the app's own and none of a server's");
    }
    running.app.stop().await;
}
