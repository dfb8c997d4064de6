//! The window, as a user without a mouse has it: from nothing to the first tunnel, wrong fields, other apps' servers,
//! a changed command, the server's log, and its end.

use culvert_tests::Fixture;
use culvert_tests::desktop::{Keyring, User, WebDriver, keys};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::first;

#[tokio::test]
async fn from_an_empty_window_to_the_first_tunnel_and_back() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    let tray = user.desktop.tray().await;
    let web = first::form(&user).await;
    first::fill(&web, &user, "notes", &server).await;
    web.focus_on("heading \"notes\"").await;
    web.shows("Online for").await;
    user.calls("notes").await;
    let menu = tray.item().await.menu().await;
    menu.online("notes").await;

    let page = web.script("return document.documentElement.outerHTML", &[]).await.to_string();
    assert!(!page.contains(&user.token), "the page forgot the token");
    assert_eq!(user.kept_secrets().await, [user.token.clone()]);
    assert_eq!(user.files_with(&user.token), Vec::<std::path::PathBuf>::new(), "only the keychain has it");
    web.quit().await;

    let running = user.starts(&tray).await;
    running.menu.online("notes").await;
    running.app.stop().await;

    let web = WebDriver::start(&user.desktop, &[]).await;
    web.shows("Online for").await;
    web.tab_to("button \"More\"").await;
    web.press(keys::UP).await;
    web.focus_on("menuitem \"Delete…\"").await;
    web.press(keys::ENTER).await;
    web.shows("Delete notes?").await;
    web.focus_on("button \"Cancel\"").await;
    web.choose("button \"Delete\"").await;
    web.shows("Nothing is shared yet.").await;
    assert_eq!(user.kept_secrets().await, Vec::<String>::new(), "its token went with it");
    user.gateway.server_becomes("notes", "offline", &user.token).await;
    web.quit().await;
}

#[tokio::test]
async fn what_is_wrong_in_the_form_is_said_as_one_types_and_nothing_is_saved() {
    let user = User::new().await;
    let web = first::form(&user).await;
    web.write("no/slashes").await;
    web.fill(&[("Command line", "server 'without end"), ("Gateway’s address", "gopher://example.com")]).await;
    web.choose("button \"Save and connect\"").await;
    web.shows("Not saved: 3 fields to correct.").await;
    web.focus_on("textbox \"Name\"").await;
    let folder = user.desktop.home().join(".config/culvert/profiles");
    assert!(std::fs::read_dir(folder).map_or(true, |mut files| files.next().is_none()), "nothing was saved");
    web.quit().await;
}

#[tokio::test]
async fn another_apps_servers_are_brought_over_and_stay_off_until_connected() {
    let (mut user, server, other) = (User::new().await, Fixture::default(), Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    let entry = |fixture: &Fixture| json!({"command": fixture.arguments()[0], "args": fixture.arguments()[1..]});
    let cursor = json!({"mcpServers": {"wanted": entry(&server), "other": entry(&other)}});
    let file = user.desktop.home().join(".cursor/mcp.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, cursor.to_string()).unwrap();

    let web = WebDriver::start(&user.desktop, &[]).await;
    web.shows("Cursor has 2 servers. Choose which to bring over.").await;
    web.choose("button \"Import").await;
    web.focus_on("heading \"Import\"").await;
    web.shows(&server.command()).await;
    web.tab_to("checkbox \"wanted\"").await;
    web.press(keys::SPACE).await;
    web.choose("button \"Import 1 server\"").await;
    web.shows("1 server imported. Each stays off until you connect it.").await;
    web.focus_on("option \"wanted").await;
    assert!(web.processes().servers().is_empty(), "nothing runs unasked");
    web.press(keys::SPACE).await;
    web.shows("Online for").await;
    // Through the gateway inside of the app: as nothing else was chosen, it is that.
    web.shows("Built-in gateway").await;
    assert!(!server.received("tools/list").is_empty() || !server.received("initialize").is_empty());
    assert!(other.recorded().is_empty(), "what was not chosen does not run");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), cursor.to_string(), "the other app's file is as it was");
    web.quit().await;
}

#[tokio::test]
async fn the_servers_log_is_shown_and_searched() {
    let (user, server) = (User::new().await, Fixture::new(&["--say", "the cellar door is open"]));
    user.saves("git", &server).await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.connect("git").await;
    web.tab_to("tab \"").await;
    web.press_to(keys::RIGHT, "tab \"Log\"").await;
    web.shows("the cellar door is open").await;
    web.press(&format!("{}f", keys::CONTROL)).await;
    web.write("attic").await;
    web.shows("No line matches.").await;
    web.write("cellar").await;
    web.shows("the cellar door is open").await;
    web.quit().await;
}

#[tokio::test]
async fn a_command_that_was_changed_outside_runs_only_after_a_word_of_the_user() {
    let (user, before, after) = (User::new().await, Fixture::default(), Fixture::default());
    user.saves("git", &before).await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.connect("git").await;

    let folder = user.desktop.home().join(".config/culvert/profiles");
    let file = std::fs::read_dir(folder).unwrap().flatten().next().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    let record = |fixture: &Fixture| fixture.file("record.jsonl").display().to_string();
    std::fs::write(&file, text.replace(&record(&before), &record(&after))).unwrap();
    web.shows("The command was changed outside Culvert.").await;
    web.shows(&record(&before)).await;
    web.shows(&record(&after)).await;
    assert!(after.recorded().is_empty(), "it does not run yet");
    web.choose("button \"Run the new command\"").await;
    web.shows("Online for").await;
    user.calls("git").await;
    assert!(!after.recorded().is_empty());
    web.quit().await;
}

#[tokio::test]
async fn closing_says_once_that_tunnels_stay_and_they_do() {
    let (user, server) = (User::new().await, Fixture::default());
    user.saves("git", &server).await;
    let tray = user.desktop.tray().await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    let menu = tray.item().await.menu().await;
    menu.toggle("git").await;
    web.shows("Online for").await;
    web.press(&format!("{}w", keys::CONTROL)).await;
    web.shows("Your tunnels stay up").await;
    web.tab_to("button \"Close the window\"").await;
    web.press_last(keys::ENTER).await;
    user.desktop.no_window("Culvert").await;
    user.calls("git").await;
    menu.click("Open Culvert").await;
    user.desktop.window("Culvert").await;
    user.desktop.close_window("Culvert").await;
    user.calls("git").await;
    web.processes().signal_each("culvert-desktop", Signal::SIGTERM);
}
