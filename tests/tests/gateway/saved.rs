//! Saved profiles: one process runs them, others ask it; what is wanted outlives both.

use culvert_tests::Fixture;
use culvert_tests::home::Home;
use culvert_tests::own_gateway::OwnGateway;
use nix::sys::signal::Signal;

#[tokio::test]
async fn profiles_go_up_and_down_by_asking_whoever_runs_them() {
    let (gateway, home) = (OwnGateway::start().await, Home::new("me@example.com").await);
    let [one, two, late] = [(); 3].map(|()| Fixture::default());
    let nothing = home.culvert(&["up"]).finish().await;
    assert!(nothing.code == Some(3) && nothing.err.contains("[saved.none]"), "{nothing:#?}");
    let add = async |name: &str, fixture: &Fixture| {
        let (command, token) = (fixture.command(), "env:REVERSE_PROXY_TOKEN");
        let add = ["profiles", "add", name, "--local-stdio", &command, "--gateway", &gateway.url, "--token", token];
        home.does(&add).await;
    };
    add("one", &one).await;
    add("two", &two).await;
    let unknown = home.culvert(&["up", "three"]).finish().await;
    assert!(unknown.code == Some(3) && unknown.err.contains("There are: one, two."), "{unknown:#?}");

    let runner = home.culvert(&["up", "one"]).start();
    runner.says("until Ctrl-C").await;
    home.becomes("one", "online").await;
    assert_eq!(home.state("two").await, "off");
    home.does(&["up", "two"]).await;
    home.becomes("two", "online").await;
    home.does(&["down", "one"]).await;
    gateway.server_becomes("one", "offline", &home.token).await;
    assert_eq!(home.state("two").await, "online");
    add("late", &late).await;
    home.does(&["up", "late"]).await;
    home.becomes("late", "online").await;
    home.does(&["profiles", "remove", "late"]).await;

    let folder = home.folder.path().join("config/culvert/profiles");
    let second = home.culvert(&["run", "--config", folder.to_str().unwrap()]).finish().await;
    assert!(second.code == Some(3) && second.err.contains("[saved.locked]"), "{second:#?}");

    // Killed: the next one starts at once, and what was wanted is wanted still.
    runner.signal(Signal::SIGKILL);
    drop(runner);
    let next = home.culvert(&["up", "two"]).start();
    next.says("until Ctrl-C").await;
    home.becomes("two", "online").await;
    assert_eq!(home.state("one").await, "off", "off stays off");
    next.stop().await;
    let rest = home.culvert(&["status"]).finish().await;
    assert!(rest.err.contains("nothing runs the saved profiles"), "{rest:#?}");
}

#[tokio::test]
async fn a_support_bundle_shows_what_helps_and_no_secret() {
    let (gateway, home) = (OwnGateway::start().await, Home::new("me@example.com").await);
    let said = "ready, secret tweety-variable, Authorization: Bearer tweety-unknown, key tweety-file";
    let fixture = Fixture::new(&["--say", said]);
    let secret = home.folder.path().join("secret");
    std::fs::write(&secret, "tweety-file\n").unwrap();
    let profiles = home.folder.path().join("config/culvert/profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    let profile = serde_json::json!({
        "name": "birds", "command": fixture.command(), "gateway": gateway.url, "token": "env:REVERSE_PROXY_TOKEN",
        "env": {"MY_PASSWORD": "tweety-variable"},
        "secret_env": {"KEY": format!("file:{}", secret.display())},
    });
    std::fs::write(profiles.join("birds.json"), profile.to_string()).unwrap();
    let runner = home.culvert(&["up"]).start();
    home.becomes("birds", "online").await;
    runner.says("birds").await;

    let file = home.folder.path().join("bundle.txt");
    let save = ["support-bundle", "--output", file.to_str().unwrap()];
    let unasked = home.culvert(&save).finish().await;
    assert!(unasked.code == Some(2) && !file.exists(), "nobody could be asked: {unasked:#?}");
    let finished = home.does(&[&save[..], &["--yes"]].concat()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), finished.out, "what was shown is what is saved");
    for part in ["birds: online, wanted", "ready, secret [redacted]", "registration, ok", "variable KEY from: file:"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("tweety") && !text.contains(&home.token), "{text}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let again = home.culvert(&[&save[..], &["--yes"]].concat()).finish().await;
    assert_eq!(again.code, Some(1), "it is not overwritten");
    runner.stop().await;
}
