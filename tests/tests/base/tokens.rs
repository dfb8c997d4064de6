//! Where the token comes from, and that nobody on this machine sees it once `run` is under way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use culvert_tests::processes::Process;
use culvert_tests::{Culvert, CulvertCommand, FakeGateway, Fixture, Manner, built};

use crate::failing::assert_fails;

const TOKEN: &str = "hunter2-hunter2-hunter2";

async fn gateway() -> FakeGateway {
    FakeGateway::start(Manner::next().token(TOKEN)).await
}

/// Which of its processes have the token in their arguments, and which in their environment.
fn seen(culvert: &Culvert) -> (Vec<Process>, Vec<Process>) {
    let has = |process: &Process, file: &str| {
        let bytes = fs::read(format!("/proc/{}/{file}", process.pid)).unwrap();
        bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes())
    };
    let all = culvert.processes();
    assert!(all.len() >= 2, "culvert and its server: {all:?}");
    let with = |file| all.iter().filter(|process| has(process, file)).cloned().collect();
    (with("cmdline"), with("environ"))
}

/// `sh` becomes culvert, with this text on its stdin.
fn with_stdin(text: &str, server: &Fixture, gateway: &FakeGateway, flags: &[&str]) -> CulvertCommand {
    let sh = CulvertCommand::program("sh").args(["-c", "exec \"$@\" <stdin", "sh"]);
    sh.write("stdin", text);
    let command = sh.arg(built::culvert()).args(["run", "--json", "--server-name", "fixture"]).server(server);
    command.args(["--gateway", &gateway.url()]).args(flags)
}

#[tokio::test]
async fn a_token_in_the_arguments_leaves_them_and_the_process_stays_the_same() {
    for flags in [&["--token", TOKEN][..], &[&format!("--token={TOKEN}")]] {
        let (gateway, server) = (gateway().await, Fixture::default());
        let culvert = CulvertCommand::tunnel(&server, &gateway).args(flags).start();
        culvert.online().await;
        assert_eq!(seen(&culvert), (vec![], vec![]));
        let warnings = culvert.events().into_iter().filter(|event| event["code"] == "token.in_arguments").count();
        assert_eq!(warnings, 1);
        // The process that was started is the one that hears the signal and ends with the code.
        culvert.stop().await;
    }
}

#[tokio::test]
async fn exit_codes_pass_through_the_change() {
    let gateway = gateway().await;
    let run = CulvertCommand::run().args(["--gateway", &gateway.url(), "--token", TOKEN]);
    assert_fails(&run.args(["--local-stdio", "no-such-server"]).finish().await, 4, "command.not_found", &[]);
}

#[tokio::test]
async fn the_variable_stays_with_culvert_alone() {
    let (gateway, server) = (gateway().await, Fixture::default());
    let culvert = CulvertCommand::tunnel(&server, &gateway).env("REVERSE_PROXY_TOKEN", TOKEN).start();
    culvert.online().await;
    let (arguments, environments) = seen(&culvert);
    assert_eq!(arguments, []);
    assert_eq!(environments.len(), 1, "{environments:?}");
    assert!(environments[0].command.contains("culvert"), "{environments:?}");
    culvert.stop().await;
}

#[tokio::test]
async fn the_first_line_of_stdin_may_be_the_token() {
    for flags in [&["--token", "-"][..], &["--token=-"], &["--token-stdin"]] {
        let (gateway, server) = (gateway().await, Fixture::default());
        let culvert = with_stdin(&format!("{TOKEN}\nnot this\n"), &server, &gateway, flags).start();
        culvert.online().await;
        assert_eq!(seen(&culvert), (vec![], vec![]));
        assert!(culvert.events().iter().all(|event| event["event"] != "notice"), "{:?}", culvert.events());
        culvert.stop().await;
    }
}

#[tokio::test]
async fn a_stdin_without_a_token_is_told() {
    let (gateway, server) = (gateway().await, Fixture::default());
    for text in ["", "\n", "Bearer x\n", "file:/etc/hostname\n"] {
        let finished = with_stdin(text, &server, &gateway, &["--token-stdin"]).finish().await;
        assert_fails(&finished, 2, "token.stdin", &["stdin"]);
    }
    assert_eq!(gateway.upgrades(), 0);
}

#[tokio::test]
async fn a_token_is_not_typed_in_plain_sight() {
    let gateway = gateway().await;
    let culvert = built::culvert();
    let run = [culvert.to_str().unwrap(), "run", "--local-stdio", "true", "--gateway", &gateway.url(), "--token=-"];
    // `script` gives it a terminal.
    let finished =
        CulvertCommand::program("script").args(["-qec", &shell_words::join(run), "/dev/null"]).finish().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.out.join("\n").contains("[token.stdin]"), "{finished:?}");
}

#[tokio::test]
async fn a_file_may_hold_the_token() {
    let (gateway, server) = (gateway().await, Fixture::default());
    let command = CulvertCommand::tunnel(&server, &gateway);
    let file = command.write("the token", &format!("{TOKEN}\n"));
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    let culvert = command.args(["--token-file", "the token"]).start();
    culvert.online().await;
    assert_eq!(seen(&culvert), (vec![], vec![]));
    culvert.stop().await;
}

#[tokio::test]
async fn a_refused_token_is_read_again_once_before_anybody_is_told() {
    let (gateway, server) = (gateway().await, Fixture::default());
    let command = CulvertCommand::tunnel(&server, &gateway);
    // The first token that it prints is an old one.
    let script = format!("command:sh -c 'test -e used && echo {TOKEN} || {{ touch used; echo old; }}'");
    let culvert = command.args(["--token", &script]).start();
    culvert.online().await;
    assert_eq!(gateway.upgrades(), 2);
    assert!(culvert.events().iter().all(|event| event["status"] != "waiting"), "{:?}", culvert.events());
    culvert.stop().await;
}
