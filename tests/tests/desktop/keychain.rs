//! Keychains that are locked or missing: a state with a way on, never plain text on the quiet, never a frozen window.

use culvert_tests::Fixture;
use culvert_tests::desktop::{Keyring, User, WebDriver, keys};

use crate::first;

/// Saves a profile whose token is in the keychain, which must be open.
async fn save_with_keychain(user: &User, server: &Fixture) {
    let token = user.token.clone();
    let store = format!("printf %s '{token}' | secret-tool store --label=culvert service culvert username kept");
    let stored = user.desktop.user("sh").args(["-c", &store]).finish().await;
    assert_eq!(stored.code, Some(0), "{stored:#?}");
    let (command, gateway) = (server.command(), &user.gateway.url);
    let add = ["profiles", "add", "git", "--local-stdio", &command, "--gateway", gateway, "--token", "keychain:kept"];
    user.does(&add).await;
}

#[tokio::test]
async fn a_locked_keychain_needs_attention_until_it_is_unlocked() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    save_with_keychain(&user, &server).await;
    user.desktop.keyring(Keyring::Shut).await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    let menu = &running.menu;
    menu.off("git").await;
    menu.toggle("git").await;
    let locked = menu.profile("git", "keychain locked", |words| words == "keychain locked").await;
    assert_eq!(locked.check, Some(true), "it is wanted still: {locked:?}");

    // Unlocked by its user, as by a login.
    user.desktop.keyring(Keyring::Open).await;
    menu.click("Reconnect now").await;
    menu.online("git").await;
    running.app.stop().await;
}

#[tokio::test]
async fn without_a_keychain_the_form_says_so_and_offers_another_place() {
    let (user, server) = (User::new().await, Fixture::default());
    let web = first::form(&user).await;
    first::fill(&web, &user, "notes", &server).await;
    web.shows("keychain").await;
    assert_eq!(user.files_with(&user.token), Vec::<std::path::PathBuf>::new(), "no plain text on the quiet");
    web.quit().await;
}

#[tokio::test]
async fn the_window_unlocks_a_locked_keychain() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    save_with_keychain(&user, &server).await;
    user.desktop.keyring(Keyring::Shut).await;
    user.desktop.prompter();
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.tab_to("option \"git").await;
    web.press(keys::SPACE).await;
    web.shows("keychain locked").await;
    assert!(server.recorded().is_empty() || user.gateway.catalog(&user.token).await.is_empty(), "nothing goes out yet");
    web.choose("button \"Unlock\"").await;
    web.shows("Waiting for your keychain’s password").await;
    // The window goes on meanwhile.
    web.tab_to("button \"Settings").await;
    user.desktop.answer_prompt().await;
    web.shows("Online for").await;
    user.calls("git").await;
    web.quit().await;
}

#[tokio::test]
async fn a_keychain_that_was_unlocked_elsewhere_is_tried_again_with_one_click() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    save_with_keychain(&user, &server).await;
    user.desktop.keyring(Keyring::Shut).await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.tab_to("option \"git").await;
    web.press(keys::SPACE).await;
    web.shows("keychain locked").await;
    web.tab_to("button \"Unlock\"").await;
    user.desktop.keyring(Keyring::Open).await;
    web.press(keys::ENTER).await;
    web.shows("Online for").await;
    user.calls("git").await;
    web.quit().await;
}
