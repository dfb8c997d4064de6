//! Files, flags and addresses that are wrong: each with its own exit code, its place, and the nearest right word.

use culvert_tests::culvert::Finished;
use culvert_tests::{CulvertCommand, FakeGateway, Fixture, Manner};
use serde_json::json;

use crate::failing::{assert_fails, assert_said};

async fn with_file(name: &str, text: &str) -> Finished {
    let command = CulvertCommand::run();
    let file = command.write(name, text);
    command.arg("--config").arg(file).finish().await
}

#[tokio::test]
async fn an_unknown_key_names_the_nearest_right_one() {
    for (wrong, right) in [("local_stdo", "local_stdio"), ("keep_alive", "keepalive"), ("gatway", "gateway")] {
        let finished = with_file("c.yaml", &format!("{wrong}: \"x\"\nmax_retries: 1\n")).await;
        assert_fails(&finished, 3, "config.", &[wrong, right, "c.yaml"]);
    }
    let finished = with_file("c.json", r#"{"max_retrys": 3}"#).await;
    assert_fails(&finished, 3, "config.", &["max_retrys", "max_retries"]);
}

#[tokio::test]
async fn a_syntax_error_has_line_and_column() {
    let finished = with_file("c.yaml", "local_stdio: \"server\"\ngateway: [\"unclosed\n").await;
    assert_fails(&finished, 3, "config.", &["c.yaml:2:"]);
    let finished = with_file("c.json", "{\n  \"local_stdio\": \"server\",\n  \"gateway\" \"x\"\n}").await;
    assert_fails(&finished, 3, "config.", &["c.json:3:13"]);
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_told_with_its_place() {
    let finished = with_file("c.yaml", "local_stdio: server\nkeepalive: often\n").await;
    assert_fails(&finished, 3, "config.", &["keepalive", "c.yaml:2:12"]);
    let finished = with_file("c.yaml", "local_stdio: server\nmax_retries: -1\n").await;
    assert_fails(&finished, 3, "config.", &["max_retries"]);
}

#[tokio::test]
async fn a_missing_or_empty_file_is_told() {
    let finished = CulvertCommand::run().args(["--config", "nowhere.yaml"]).finish().await;
    assert_fails(&finished, 3, "config.", &["nowhere.yaml"]);
    assert_ne!(with_file("c.yaml", "").await.code, Some(0));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let finished = CulvertCommand::run().args(["--gateway", "http://127.0.0.1:9"]).finish().await;
    assert!(matches!(finished.code, Some(2 | 3)), "{finished:#?}");
    assert!(finished.err.contains("--local-stdio"), "{}", finished.err);
    let finished = CulvertCommand::run().args(["--local-stdio", "server"]).finish().await;
    assert!(matches!(finished.code, Some(2 | 3)), "{finished:#?}");
    assert!(finished.err.contains("--gateway") && finished.err.contains("REVERSE_PROXY_GATEWAY"), "{}", finished.err);
}

#[tokio::test]
async fn an_unknown_flag_or_a_bad_number_is_a_usage_error() {
    let finished = CulvertCommand::run().args(["--keep-alive", "3"]).finish().await;
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.err.contains("--keepalive"), "{}", finished.err);
    for bad in [["--keepalive", "often"], ["--max-retries", "-1"], ["--max-message-size", "1"], ["--log-level", "LOUD"]]
    {
        let finished = CulvertCommand::run()
            .args(["--local-stdio", "server", "--gateway", "http://127.0.0.1:9"])
            .args(bad)
            .finish()
            .await;
        assert!(matches!(finished.code, Some(2 | 3)), "{bad:?}: {finished:#?}");
        assert!(finished.err.contains(bad[0]), "{}", finished.err);
    }
}

#[tokio::test]
async fn a_bad_variable_of_the_environment_is_named() {
    for (name, value) in [("REVERSE_PROXY_MAX_RETRIES", "many"), ("REVERSE_PROXY_RECONNECT_DELAY", "soon")] {
        let finished = CulvertCommand::run()
            .env(name, value)
            .args(["--local-stdio", "server", "--gateway", "http://127.0.0.1:9"])
            .finish()
            .await;
        assert!(matches!(finished.code, Some(2 | 3)), "{finished:#?}");
        assert!(finished.err.contains(name) && finished.err.contains(value), "{}", finished.err);
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_told_without_its_secrets() {
    for (url, word) in [
        ("gw.example.com", "gw.example.com"),
        ("ftp://gw.example.com", "ftp"),
        ("https://user:hunter2@gw.example.com", "password"),
        ("https://gw.example.com/?token=hunter2", "query"),
        ("https://", "URL"),
    ] {
        let finished = CulvertCommand::run().args(["--local-stdio", "server", "--gateway", url]).finish().await;
        assert_fails(&finished, 9, "gateway.", &[word]);
        assert!(!format!("{finished:?}").contains("hunter2"), "{finished:?}");
    }
}

#[tokio::test]
async fn plaintext_to_a_gateway_elsewhere_is_refused_before_anything_starts() {
    for url in ["http://192.0.2.1", "ws://192.0.2.1:4444/reverse-proxy/ws", "http://gw.example.com"] {
        let server = Fixture::default();
        let finished =
            CulvertCommand::run().server(&server).args(["--gateway", url, "--token", "sesame"]).finish().await;
        assert_fails(&finished, 9, "gateway.", &["--allow-plaintext"]);
        assert!(server.recorded().is_empty(), "no server was started");
    }
}

#[tokio::test]
async fn plaintext_elsewhere_works_when_it_is_allowed_by_name() {
    // 0.0.0.0 is this machine to the kernel and no loopback address by its text.
    let gateway = FakeGateway::listen("0.0.0.0:0", Manner::next(), None).await;
    let server = Fixture::default();
    let refused = CulvertCommand::tunnel(&server, &gateway).finish().await;
    assert_eq!(refused.code, Some(9), "{refused:#?}");
    let culvert = CulvertCommand::tunnel(&server, &gateway).arg("--allow-plaintext").start();
    culvert.online().await;
    culvert.stop().await;
}

#[tokio::test]
async fn a_name_that_gateways_refuse_is_refused_here() {
    let long = "x".repeat(129);
    for (name, word) in [("git@home", "@"), (long.as_str(), "128"), (" ", "empty")] {
        let finished = CulvertCommand::run()
            .args(["--local-stdio", "server", "--gateway", "http://127.0.0.1:9", "--server-name", name])
            .finish()
            .await;
        assert!(matches!(finished.code, Some(2 | 3)), "{finished:#?}");
        assert!(finished.err.contains(word), "{word}: {}", finished.err);
    }
}

#[tokio::test]
async fn errors_have_the_same_form_without_json() {
    let command = CulvertCommand::bare();
    let file = command.write("c.yaml", "local_stdo: x\n");
    let finished = command.args(["run", "--config"]).arg(file).finish().await;
    assert_eq!(finished.code, Some(3));
    assert!(finished.out.is_empty(), "stdout is data: {:?}", finished.out);
    let code = finished.err.split(['[', ']']).nth(1).unwrap_or_default().to_owned();
    assert_said(&finished, &code, &["local_stdo"]);
    assert!(finished.err.lines().count() <= 2, "{}", finished.err);
}

#[tokio::test]
async fn a_literal_token_in_a_file_works_with_a_warning() {
    let gateway = FakeGateway::start(Manner::next().token("sesame")).await;
    let server = Fixture::default();
    let culvert = CulvertCommand::run()
        .config(&json!({"local_stdio": server.command(), "gateway": gateway.url(), "token": "sesame"}))
        .start();
    culvert.online().await;
    let finished = culvert.stop().await;
    assert!(finished.err.contains("token"), "a word about it: {}", finished.err);
    assert!(!finished.err.contains("sesame"), "{}", finished.err);
}
