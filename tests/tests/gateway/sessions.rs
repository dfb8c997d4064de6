//! `culvert sessions`: what a gateway has, and the end of one, by whoever may.

use std::fs;

use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{CulvertCommand, Fixture};
use serde_json::{Value, json};

fn ask(arguments: &[&str], token: &str) -> CulvertCommand {
    CulvertCommand::bare().arg("sessions").args(arguments).env("REVERSE_PROXY_TOKEN", token)
}

#[tokio::test]
async fn sessions_are_listed_with_all_that_the_gateway_tells_and_ended_by_name_or_id() {
    let (gateway, token) = (OwnGateway::start().await, OwnGateway::token("me@example.com", SECRET).await);
    let to = ["--gateway", gateway.url.as_str()];
    let none = ask(&to, &token).finish().await;
    assert_eq!((none.code, &none.out[..]), (Some(0), &["no sessions".to_owned()][..]), "{none:#?}");

    let (git, time) = (Fixture::default(), Fixture::default());
    let folder = tempfile::tempdir().unwrap();
    let labelled = folder.path().join("git.json");
    let labels = json!({"site": "north"});
    fs::write(&labelled, json!({"name": "git", "command": git.command(), "labels": labels}).to_string()).unwrap();
    let one = CulvertCommand::run()
        .arg("--config")
        .arg(&labelled)
        .args(["--gateway", &gateway.url, "--reconnect-delay", "0.05"])
        .env("REVERSE_PROXY_TOKEN", &token)
        .start();
    let two = gateway.tunnel(&time, "time", &token).start();
    for tunnel in [&one, &two] {
        tunnel.event("online", |event| event["event"] == "online").await;
    }

    let listed = ask(&["list", to[0], to[1]], &token).finish().await;
    assert_eq!((listed.code, listed.out.len()), (Some(0), 3), "{listed:#?}");
    for head in ["SERVER", "SESSION", "OWNER", "HOST", "CLIENT", "SINCE", "LAST SEEN", "CALLS", "LABELS"] {
        assert!(listed.out[0].contains(head), "{head}: {listed:#?}");
    }
    let row = listed.out.iter().find(|line| line.starts_with("git ")).unwrap();
    assert!(row.contains("me@example.com") && row.contains("site=north") && row.contains("0.1.0"), "{row}");

    let raw = ask(&["--json", to[0], to[1]], &token).finish().await;
    let told: Value = serde_json::from_str(&raw.out[0]).unwrap();
    assert_eq!(told["gateway"].as_str().unwrap().trim_end_matches('/'), gateway.url.trim_end_matches('/'));
    let sessions = told["sessions"].as_array().unwrap();
    let of = |name: &str| sessions.iter().find(|one| one["server_info"]["name"] == name).unwrap().clone();
    assert_eq!((sessions.len(), &of("git")["labels"]), (2, &labels));

    // The one by its name, the other by its id, from a file that has the gateway.
    let ended = ask(&["disconnect", "git", to[0], to[1]], &token).finish().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    one.event("removed", |event| event["cause"]["code"] == "register.removed").await;
    let config = folder.path().join("time.yaml");
    fs::write(&config, format!("command: none\ngateway: {}\ntoken: {token}\n", gateway.url)).unwrap();
    let id = of("time")["session_id"].as_str().unwrap().to_owned();
    let ended = ask(&["disconnect", &id, "--config", config.to_str().unwrap(), "--json"], "").finish().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let said: Value = serde_json::from_str(ended.out.last().unwrap()).unwrap();
    assert_eq!((&said["status"], &said["session_id"]), (&json!("disconnected"), &json!(id)));
    two.event("removed", |event| event["cause"]["code"] == "register.removed").await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_its_code() {
    let (gateway, me) = (OwnGateway::start().await, OwnGateway::token("me@example.com", SECRET).await);
    let them = OwnGateway::token("them@example.com", SECRET).await;
    let fixture = Fixture::default();
    let theirs = gateway.tunnel(&fixture, "git", &them).start();
    theirs.event("online", |event| event["event"] == "online").await;
    let to = ["--gateway", gateway.url.as_str()];
    let cases = [
        (&["disconnect", "git", to[0], to[1]][..], me.as_str(), 2, "session.unknown"),
        (&to[..], "nonsense", 6, "auth.rejected"),
        (&to[..], "", 6, "auth.missing"),
        (&["--gateway", "http://127.0.0.1:1"], &me, 7, "gateway.refused"),
        (&["--gateway", "http://gw.example.com"], &me, 9, "gateway.plaintext"),
        (&["--token", "env:T"], &me, 3, "config.missing"),
        (&[], "", 3, "saved.none"),
        (&["disconnect"], &me, 2, "required"),
    ];
    for (arguments, token, exit, code) in cases {
        let said = ask(arguments, token).finish().await;
        assert_eq!(said.code, Some(exit), "{arguments:?}: {said:#?}");
        assert!(said.err.contains(code), "{arguments:?} does not say {code}: {said:#?}");
        assert!(!said.err.contains(&me), "{arguments:?} tells the token");
    }
    theirs.stop().await;
}
