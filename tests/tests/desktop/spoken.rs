//! What a screen reader finds in the real window: names, roles and states, over AT-SPI.

use culvert_tests::Fixture;
use culvert_tests::desktop::{Spoken, User, WordsOnScreen};

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
