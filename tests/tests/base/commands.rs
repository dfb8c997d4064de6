//! Commands that give no server: missing, unreadable, failing or silent. Each ends `run` with words that help.

use std::path::Path;

use culvert_tests::culvert::Finished;
use culvert_tests::fixture::write_script;
use culvert_tests::{CulvertCommand, FakeGateway, Fixture};

use crate::failing::assert_fails;

async fn run(command: &str) -> Finished {
    let gateway = FakeGateway::next().await;
    CulvertCommand::run().args(["--local-stdio", command, "--gateway", &gateway.url()]).finish().await
}

async fn run_fixture(flags: &[&str], arguments: &[&str]) -> Finished {
    let gateway = FakeGateway::next().await;
    CulvertCommand::tunnel(&Fixture::new(flags), &gateway).args(arguments).finish().await
}

#[tokio::test]
async fn a_missing_command_is_named() {
    assert_fails(&run("no-such-server --flag").await, 4, "command.not_found", &["no-such-server"]);
    assert_fails(&run("/no/such/server").await, 4, "command.not_found", &["/no/such/server"]);
}

#[tokio::test]
async fn a_missing_launcher_names_how_to_get_it_here() {
    let empty = tempfile::tempdir().unwrap();
    for (launcher, package) in
        [("uvx", "uv"), ("npx", "npm"), ("docker", "docker"), ("node", "node"), ("python3", "python3")]
    {
        let gateway = FakeGateway::next().await;
        let finished = CulvertCommand::run()
            .env("PATH", empty.path())
            .args(["--local-stdio", &format!("{launcher} something"), "--gateway", &gateway.url()])
            .finish()
            .await;
        assert_fails(&finished, 4, "command.not_found", &[launcher]);
        let action = finished.failure()["action"].as_str().unwrap().to_lowercase();
        assert!(action.contains(package), "{launcher}: {action}");
        assert_ne!(action, "check the spelling, install it, or give its full path.");
    }
}

#[tokio::test]
async fn a_command_that_may_not_be_executed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server");
    std::fs::write(&file, "not a program").unwrap();
    let finished = run(&shell_words::quote(file.to_str().unwrap())).await;
    assert_fails(&finished, 4, "command.", &["server"]);
    // Executable, and yet no program that this machine knows.
    write_program(&file, b"\x7fELFnonsense");
    let finished = run(&shell_words::quote(file.to_str().unwrap())).await;
    assert_fails(&finished, 4, "command.refused", &["server"]);
}

fn write_program(path: &Path, bytes: &[u8]) {
    write_script(path, "");
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_command_that_cannot_be_read_is_told() {
    assert_fails(&run("server --name 'unclosed").await, 4, "command.invalid", &["quote"]);
    assert_fails(&run("   ").await, 4, "command.invalid", &[]);
}

#[tokio::test]
async fn a_server_that_exits_before_it_ever_worked_ends_run_with_its_last_words() {
    let finished = run_fixture(&["--exit", "3", "--say", "no database\u{1b}[1m at /srv"], &[]).await;
    assert_fails(&finished, 5, "server.failed_to_start", &["code 3", "no database", "at /srv"]);
}

#[tokio::test]
async fn a_server_that_ends_well_before_it_ever_worked_has_failed_all_the_same() {
    assert_fails(&run_fixture(&["--exit", "0"], &[]).await, 5, "server.failed_to_start", &["code 0"]);
}

#[tokio::test]
async fn a_silent_server_ends_run_after_the_limit_with_its_last_words() {
    let finished = run_fixture(&["--silent", "--say", "loading the model"], &["--start-timeout", "1"]).await;
    assert_fails(&finished, 5, "server.silent", &["within 1 s", "loading the model", "--start-timeout"]);
}

#[tokio::test]
async fn a_silent_server_that_will_not_go_leaves_no_process() {
    let flags = ["--silent", "--ignore-eof", "--ignore-sigterm", "--grandchild"];
    assert_fails(&run_fixture(&flags, &["--start-timeout", "1"]).await, 5, "server.silent", &[]);
}

#[tokio::test]
async fn a_server_that_refuses_initialize_ends_run() {
    assert_fails(&run_fixture(&["--refuse-initialize"], &[]).await, 5, "server.handshake", &["not in the mood"]);
}

#[tokio::test]
async fn a_program_that_is_no_mcp_server_ends_run() {
    // It sends back whatever it is told: a request in answer to a request.
    let gateway = FakeGateway::next().await;
    let finished = CulvertCommand::run()
        .args(["--local-stdio", "cat", "--gateway", &gateway.url(), "--start-timeout", "2"])
        .finish()
        .await;
    assert_fails(&finished, 5, "server.", &[]);
}

#[tokio::test]
async fn run_can_be_ended_while_a_server_is_still_starting() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::new(&["--silent"]);
    let culvert = CulvertCommand::tunnel(&server, &gateway).start();
    server.until("the start", |record| record.iter().any(|event| event["event"] == "start").then_some(())).await;
    culvert.stop().await;
}

/// `script` gives it a terminal.
#[tokio::test]
async fn a_terminal_sees_what_a_slow_start_is_about() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::new(&["--silent"]);
    let bin = server.stand_ins(&["uvx"]);
    let run = [culvert_tests::built::culvert().to_str().unwrap(), "run", "--gateway", &gateway.url()];
    let command = shell_words::join(run) + " --local-stdio 'uvx mcp-server-git' --start-timeout 3";
    let terminal = CulvertCommand::program("script").args(["-qec", &command, "/dev/null"]).path_first(&bin);
    let finished = terminal.finish().await;
    let seen = finished.out.join("\n");
    assert!(seen.contains("uvx may be downloading…) 2 s"), "{seen}");
    assert!(seen.contains("[server.silent]"), "{seen}");
    assert_eq!(finished.code, Some(5), "{finished:#?}");
}
