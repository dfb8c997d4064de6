//! How the app begins, comes back, and ends.

use culvert_tests::Fixture;
use culvert_tests::desktop::{Entry, User, WordsOnScreen};
use nix::sys::signal::Signal;

#[tokio::test]
async fn quit_and_sigterm_end_it_with_every_process_of_its() {
    let (user, server) = (User::new().await, Fixture::new(&["--grandchild"]));
    user.saves("git", &server).await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    running.menu.toggle("git").await;
    running.menu.profile("git", "online", |words| words.starts_with("online")).await;
    assert!(!running.app.servers().is_empty());
    running.menu.click("Quit").await;
    // `end` finds out that nothing is left.
    assert_eq!(running.app.end().await.code, Some(0));
    user.gateway.server_becomes("git", "offline", &user.token).await;

    let running = user.starts(&tray).await;
    running.menu.profile("git", "online", |words| words.starts_with("online")).await;
    assert!(!running.app.servers().is_empty());
    running.app.stop().await;
    user.gateway.server_becomes("git", "offline", &user.token).await;
}

#[tokio::test]
async fn what_is_wanted_survives_quit_and_crash_and_off_stays_off() {
    let (user, one, two) = (User::new().await, Fixture::default(), Fixture::default());
    user.saves("one", &one).await;
    user.saves("two", &two).await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    running.menu.toggle("one").await;
    running.menu.profile("one", "online", |words| words.starts_with("online")).await;
    running.menu.click("Quit").await;
    running.app.end().await;

    let running = user.starts(&tray).await;
    running.menu.profile("one", "online without a click", |words| words.starts_with("online")).await;
    let two = running.menu.profile("two", "still off", |words| words == "off").await;
    assert_eq!(two.check, Some(false));
    running.app.signal(Signal::SIGKILL);
    drop(running);

    let running = user.starts(&tray).await;
    running.menu.profile("one", "online after a crash", |words| words.starts_with("online")).await;
    running.menu.toggle("one").await;
    running.menu.profile("one", "off", |words| words == "off").await;
    running.app.stop().await;

    let running = user.starts(&tray).await;
    for name in ["one", "two"] {
        let off = running.menu.profile(name, "off", |words| words == "off").await;
        assert_eq!(off.check, Some(false), "{off:?}");
    }
    assert!(running.app.servers().is_empty());
    running.app.stop().await;
}

#[tokio::test]
async fn launch_at_login_is_a_file_that_starts_it_hidden() {
    let user = User::new().await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    assert_eq!(user.autostart(), None);
    running.menu.click("Launch at login").await;
    let check = |wanted: bool| {
        move |entries: &[Entry]| {
            let entry = entries.iter().find(|entry| entry.label == "Launch at login")?;
            (entry.check == Some(wanted)).then_some(())
        }
    };
    running.menu.until("it is checked", check(true)).await;
    let text = std::fs::read_to_string(user.autostart().unwrap()).unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap();
    let words = shell_words::split(command).unwrap();
    assert_eq!(words.last().map(String::as_str), Some("--hidden"), "{text}");
    assert!(words[0].ends_with("culvert-desktop") && std::path::Path::new(&words[0]).is_file(), "{text}");
    running.menu.click("Launch at login").await;
    running.menu.until("it is not checked", check(false)).await;
    assert_eq!(user.autostart(), None);
    running.app.stop().await;
}

#[tokio::test]
async fn a_second_launch_opens_the_window_of_the_first() {
    let user = User::new().await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    assert_eq!(user.desktop.windows("Culvert").await, 0, "started hidden");
    let second = user.desktop.app().finish().await;
    assert_eq!(second.code, Some(0), "{second:#?}");
    user.desktop.window("Culvert").await;
    assert_eq!(tray.registered(), 1, "there is one item still");
    running.app.stop().await;
}

#[tokio::test]
async fn without_a_tray_the_window_opens_and_says_why() {
    let mut user = User::new().await;
    let words = WordsOnScreen::on(&mut user.desktop).await;
    user.desktop.set("XDG_CURRENT_DESKTOP", "GNOME");
    // Even as a login starts it: without a tray, hidden would be gone.
    let app = user.desktop.app().arg("--hidden").start();
    user.desktop.window("Culvert").await;
    words.until("why there is no icon", |screen| screen.says("tray").then_some(())).await;
    let tray = user.desktop.tray().await;
    let item = tray.item().await;
    item.title_becomes(|title| title == "Culvert: Nothing is shared yet").await;
    app.stop().await;
}

#[tokio::test]
async fn a_graphical_start_finds_commands_as_a_login_shell_does() {
    let (user, server) = (User::new().await, Fixture::default());
    let home = user.desktop.home();
    let tools = server.stand_ins(&["my-server"]);
    let profile = format!("echo 'Welcome to this machine!'\nPATH=\"{}:$PATH\"\nexport PATH\n", tools.display());
    std::fs::write(home.join(".profile"), profile).unwrap();
    user.saves_command("mine", "my-server").await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    running.menu.toggle("mine").await;
    running.menu.profile("mine", "online", |words| words.starts_with("online")).await;
    user.calls("mine").await;
    running.app.stop().await;
}
