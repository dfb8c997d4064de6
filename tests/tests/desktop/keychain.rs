//! Keychains that are locked or missing: a state with a way on, never plain text on the quiet, never a frozen window.

use culvert_tests::Fixture;
use culvert_tests::desktop::{Keyring, User, WebDriver, keys};

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
    menu.profile("git", "off", |words| words == "off").await;
    menu.toggle("git").await;
    let locked = menu.profile("git", "keychain locked", |words| words == "keychain locked").await;
    assert_eq!(locked.check, Some(true), "it is wanted still: {locked:?}");

    // Unlocked by its user, as by a login.
    user.desktop.keyring(Keyring::Open).await;
    menu.click("Reconnect now").await;
    menu.profile("git", "online", |words| words.starts_with("online")).await;
    running.app.stop().await;
}

#[tokio::test]
async fn without_a_keychain_the_form_says_so_and_offers_another_place() {
    let (user, server) = (User::new().await, Fixture::default());
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.tab_to("button \"Add a server").await;
    web.press(keys::ENTER).await;
    web.focus_on("textbox \"Name\"").await;
    web.write("notes").await;
    web.tab_to("textbox \"Command line\"").await;
    web.write(&server.command()).await;
    web.tab_to("textbox \"Gateway’s address\"").await;
    web.write(&user.gateway.url).await;
    web.tab_to("textbox \"New token\"").await;
    web.write(&user.token).await;
    web.tab_to("button \"Save and connect\"").await;
    web.press(keys::ENTER).await;
    web.shows("keychain").await;
    assert_eq!(user.files_with(&user.token), Vec::<std::path::PathBuf>::new(), "no plain text on the quiet");
    web.quit().await;
}

#[tokio::test]
async fn the_window_has_the_way_on_from_a_locked_keychain() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    save_with_keychain(&user, &server).await;
    user.desktop.keyring(Keyring::Shut).await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.tab_to("option \"git").await;
    web.press(keys::SPACE).await;
    web.shows("keychain locked").await;
    web.tab_to("button \"Unlock\"").await;
    // Unlocked by its user elsewhere; the button then only has to try again.
    user.desktop.keyring(Keyring::Open).await;
    web.press(keys::ENTER).await;
    web.shows("Online for").await;
    user.calls("git").await;
    web.quit().await;
}
