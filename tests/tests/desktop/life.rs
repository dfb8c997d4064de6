//! How the app begins, comes back, and ends.

use culvert_tests::Fixture;
use culvert_tests::desktop::{Entry, User, WordsOnScreen};
use nix::sys::signal::Signal;

#[tokio::test]
async fn quit_and_sigterm_end_it_with_every_process_of_its() {
    let server = Fixture::new(&["--grandchild"]);
    let (user, running) = User::in_tray(&[("git", &server)]).await;
    let tray = running.tray.clone();
    running.menu.toggle("git").await;
    running.menu.online("git").await;
    assert!(!running.app.servers().is_empty());
    running.menu.click("Quit").await;
    // `end` finds out that nothing is left.
    assert_eq!(running.app.end().await.code, Some(0));
    user.gateway.server_becomes("git", "offline", &user.token).await;

    let running = user.starts(&tray).await;
    running.menu.online("git").await;
    assert!(!running.app.servers().is_empty());
    running.app.stop().await;
    user.gateway.server_becomes("git", "offline", &user.token).await;
}

#[tokio::test]
async fn what_is_wanted_survives_quit_and_crash_and_off_stays_off() {
    let (one, two) = (Fixture::default(), Fixture::default());
    let (user, running) = User::in_tray(&[("one", &one), ("two", &two)]).await;
    let tray = running.tray.clone();
    running.menu.toggle("one").await;
    running.menu.online("one").await;
    running.menu.click("Quit").await;
    running.app.end().await;

    let running = user.starts(&tray).await;
    running.menu.online("one").await;
    let two = running.menu.off("two").await;
    assert_eq!(two.check, Some(false));
    running.app.signal(Signal::SIGKILL);
    drop(running);

    let running = user.starts(&tray).await;
    running.menu.online("one").await;
    running.menu.toggle("one").await;
    running.menu.off("one").await;
    running.app.stop().await;

    let running = user.starts(&tray).await;
    for name in ["one", "two"] {
        let off = running.menu.off(name).await;
        assert_eq!(off.check, Some(false), "{off:?}");
    }
    assert!(running.app.servers().is_empty());
    running.app.stop().await;
}

#[tokio::test]
async fn launch_at_login_is_a_file_that_starts_it_hidden() {
    let (user, running) = User::in_tray(&[]).await;
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
    let (user, running) = User::in_tray(&[]).await;
    assert_eq!(user.desktop.windows("Culvert").await, 0, "started hidden");
    let second = user.desktop.app().finish().await;
    assert_eq!(second.code, Some(0), "{second:#?}");
    user.desktop.window("Culvert").await;
    assert_eq!(running.tray.registered(), 1, "there is one item still");
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
    user.finds(&server.stand_ins(&["my-server"]));
    user.saves_command("mine", "my-server").await;
    let tray = user.desktop.tray().await;
    let running = user.starts(&tray).await;
    running.menu.toggle("mine").await;
    running.menu.online("mine").await;
    user.calls("mine").await;
    running.app.stop().await;
}
