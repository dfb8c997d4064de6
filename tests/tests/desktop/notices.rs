//! What the desktop is told: only what needs the user, and once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use culvert_tests::Fixture;
use culvert_tests::desktop::User;
use culvert_tests::own_gateway::OwnGateway;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn a_rejected_token_is_told_at_once_and_a_click_opens_the_window() {
    let (user, server) = (User::new().await, Fixture::default());
    let stranger = OwnGateway::token("me@example.com", "another-secret-than-the-gateway-has-00").await;
    user.saves_with("git", &server.command(), &stranger).await;
    user.saves("files", &server).await;
    let notifications = user.desktop.notifications().await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    let menu = &running.menu;
    for _ in 0..2 {
        menu.toggle("files").await;
        menu.online("files").await;
        menu.toggle("files").await;
        menu.off("files").await;
    }
    assert_eq!(notifications.titles(), [""; 0], "what the user did is no news");

    menu.toggle("git").await;
    let told = notifications.number(1).await;
    assert_eq!(told.title, "git: token rejected");
    assert_eq!(told.actions, ["default", "Open"]);
    assert!(!told.text.is_empty() && !told.text.contains(&stranger), "{told:?}");
    menu.profile("git", "rejected", |words| words == "token rejected").await;
    menu.click("Reconnect now").await;
    assert_eq!(user.desktop.windows("Culvert").await, 0);
    notifications.click(1).await;
    user.desktop.window("Culvert").await;
    assert_eq!(notifications.all().len(), 1, "it is told once");
    running.app.stop().await;
}

#[tokio::test]
async fn a_lasting_loss_is_told_and_a_short_one_is_not() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.saves("git", &server).await;
    let notifications = user.desktop.notifications().await;
    let tray = user.desktop.tray().await;
    let app = user.desktop.app().env("CULVERT_DESKTOP_LOST", "4");
    let running = user.starts_as(app, &tray).await;
    let menu = &running.menu;
    menu.toggle("git").await;
    menu.online("git").await;

    let address = user.gateway.address();
    user.gateway.culvert.signal(Signal::SIGKILL);
    menu.profile("git", "lost", |words| !words.starts_with("online")).await;
    user.gateway = OwnGateway::start_as(OwnGateway::command_at(address)).await;
    menu.click("Reconnect now").await;
    menu.online("git").await;
    assert_eq!(notifications.titles(), [""; 0], "a short loss needs nobody");

    user.gateway.culvert.signal(Signal::SIGKILL);
    let told = notifications.number(1).await;
    assert!(told.title.starts_with("git has been away for 4 s: "), "{told:?}");
    user.gateway = OwnGateway::start_as(OwnGateway::command_at(address)).await;
    menu.click("Reconnect now").await;
    menu.online("git").await;
    menu.toggle("git").await;
    menu.off("git").await;
    assert_eq!(notifications.all().len(), 1, "it is told once, and the way back is no news");
    running.app.stop().await;
}

#[tokio::test]
async fn a_server_that_ends_again_and_again_is_told() {
    let (user, server) = (User::new().await, Fixture::default());
    user.saves("git", &server).await;
    let notifications = user.desktop.notifications().await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    let menu = &running.menu;
    menu.toggle("git").await;
    for end in 1..=3 {
        menu.online("git").await;
        assert_eq!(notifications.titles(), [""; 0], "one end or two are none to worry about");
        running.app.signal_each("stdio-fixture", Signal::SIGKILL);
        if end < 3 {
            menu.profile("git", "restarting", |words| words == "server restarts").await;
        }
    }
    assert_eq!(notifications.number(1).await.title, "git: the server ends again and again");
    running.app.stop().await;
}

#[tokio::test]
async fn the_end_of_an_hour_is_told_unless_notifications_are_off() {
    let (told, off) = tokio::join!(told_at_the_end_of_an_hour("on"), told_at_the_end_of_an_hour("off"));
    assert_eq!((told, off), (vec!["git is not shared any more".to_owned()], vec![]));
}

/// What is told when an hour of sharing ends, with notifications switched like this.
async fn told_at_the_end_of_an_hour(notifications: &str) -> Vec<String> {
    let server = Fixture::default();
    let (user, running) = User::in_tray(&[("git", &server)]).await;
    running.menu.click_below("Share for 1 hour", "git").await;
    running.menu.online("git").await;
    running.app.stop().await;
    // The hour is nearly over when the app starts again.
    let file = user.desktop.home().join(".local/state/culvert/shared.json");
    let mut ends: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(6);
    ends.as_object_mut().unwrap().values_mut().for_each(|end| *end = json!(soon.as_secs()));
    std::fs::write(&file, ends.to_string()).unwrap();
    user.chose(&json!({"notifications": notifications}));

    let told = user.desktop.notifications().await;
    let running = user.starts(&running.tray).await;
    running.menu.online("git").await;
    running.menu.off("git").await;
    if notifications == "on" {
        told.number(1).await;
    }
    running.app.stop().await;
    told.titles()
}
