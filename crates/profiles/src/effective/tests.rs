mod gateways;
mod local_servers;
mod servers;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use culvert_protocol::Explain;
use proptest::prelude::*;

use culvert_tunnel::{ForwardAuth, LocalServer, StdioCommand};

use super::*;
use crate::command::Platform;
use crate::document::Raw;
use crate::file::ConfigFile;
use crate::level::LogLevel;
use crate::load::{Loaded, loaded};
use crate::origin::Origin;
use crate::secret::{SecretRef, follow};

struct Case<'a> {
    flags: &'a [(Key, &'a str)],
    environment: &'a [(&'a str, &'a str)],
    file: &'a str,
}

const NONE: Case<'_> = Case { flags: &[], environment: &[], file: "" };

/// Enough for a tunnel.
const BOTH: &[(Key, &str)] = &[(Key::LocalStdio, "uvx mcp-server-git"), (Key::Gateway, "https://gw.example.com")];

fn layer(values: &[(Key, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (key, value) in values {
        let origin = Origin::Flag(key.about().flag.unwrap());
        if *key == Key::LocalHeaders {
            let headers = crate::LocalHeaders::from_flags([*value]).unwrap();
            settings.local_headers = Some(Sourced::new(headers, origin));
        } else {
            settings.set(*key, Raw::Text((*value).to_owned()), origin).unwrap();
        }
    }
    settings
}

fn within<T>(case: &Case<'_>, what: impl FnOnce(&Surroundings<'_>) -> T) -> T {
    let environment: BTreeMap<_, _> = case.environment.iter().copied().collect();
    what(&Surroundings {
        variable: &|name| environment.get(name).map(|value| (*value).to_owned()),
        secret_file: &|path| match path.to_str() {
            Some("/home/ann/secret" | "/run/secret") => Ok("from a file\n".to_owned()),
            Some("/run/token") => Ok("hunter2\n".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
        host: "laptop-7.example".to_owned(),
        folder: "/home/ann".into(),
        platform: Platform::Unix,
    })
}

/// A whole configuration with its secrets read.
#[derive(Debug)]
struct Effective {
    tunnels: Vec<TunnelConfig>,
    /// Those of the tunnels, in the same order.
    tokens: Vec<Option<String>>,
    log_level: LogLevel,
    warnings: Vec<Warning>,
}

fn come_to(case: &Case<'_>) -> Result<Effective, ConfigError> {
    let file = ConfigFile::parse(case.file, Path::new("c.yaml"))?;
    within(case, |surroundings| {
        let Loaded { profiles, broken, log_level, mut warnings, hidden } =
            loaded(layer(case.flags), Some(file), surroundings)?;
        if let Some(broken) = broken.into_iter().next() {
            return Err(broken.error);
        }
        let mut follow = |reference: &SecretRef| follow(reference, surroundings);
        let (mut tunnels, mut tokens) = (Vec::new(), Vec::new());
        for tunnel in profiles.iter().flat_map(|profile| &profile.tunnels) {
            tokens.push(tunnel.token(&mut follow)?.map(|token| token.expose().to_owned()));
            tunnels.push(tunnel.complete(&hidden, &mut follow)?);
        }
        warnings.extend(profiles.into_iter().flat_map(|profile| profile.warnings));
        Ok(Effective { tunnels, tokens, log_level, warnings })
    })
}

fn tunnel_of(case: &Case<'_>) -> TunnelConfig {
    come_to(case).unwrap().tunnels.remove(0)
}

fn token_of(case: &Case<'_>) -> Option<String> {
    come_to(case).unwrap().tokens.remove(0)
}

fn refusal(case: &Case<'_>) -> (String, &'static str) {
    let error = come_to(case).unwrap_err();
    assert!(!error.action().is_empty());
    (error.to_string(), error.code())
}

#[test]
fn the_defaults_hold_where_nothing_is_said() {
    let effective = come_to(&Case { flags: BOTH, ..NONE }).unwrap();
    assert!(effective.warnings.is_empty());
    let level = effective.log_level;
    let [tunnel] = &effective.tunnels[..] else { panic!("not one") };
    let text = |key: Key| key.about().default.unwrap();
    assert_eq!(tunnel.name.as_str(), "git-laptop-7");
    assert_eq!(tunnel.description, None);
    assert_eq!(effective.tokens, [None]);
    assert_eq!(tunnel.retry.first.as_secs().to_string(), text(Key::ReconnectDelay));
    assert_eq!(tunnel.retry.cap, limits::RETRY_CAP);
    assert_eq!(tunnel.retry.max.unwrap_or(0).to_string(), text(Key::MaxRetries));
    assert_eq!(tunnel.keepalive.as_secs().to_string(), text(Key::Keepalive));
    assert_eq!(tunnel.max_message.to_string(), text(Key::MaxMessageSize));
    assert_eq!(tunnel.start_timeout.as_secs().to_string(), text(Key::StartTimeout));
    assert_eq!(tunnel.request_timeout.as_secs().to_string(), text(Key::RequestTimeout));
    assert_eq!(tunnel.probe_interval.as_secs().to_string(), text(Key::ProbeInterval));
    assert_eq!(tunnel.drain.as_secs().to_string(), text(Key::Drain));
    assert_eq!(Ok(tunnel.transport), crate::transport(text(Key::Transport)));
    assert_eq!(tunnel.children.single.to_string(), text(Key::SingleChild));
    assert_eq!(tunnel.children.max_sessions.to_string(), text(Key::MaxSessions));
    assert_eq!(tunnel.children.warm_spare.to_string(), text(Key::WarmSpare));
    assert_eq!(tunnel.forward_auth, ForwardAuth::default());
    assert_eq!(level.name(), text(Key::LogLevel));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file =
        "local_stdio: a\ngateway: https://file\ntoken: file\nreconnect_delay: 3\nmax_retries: 3\nlog_level: ERROR";
    let environment = [
        ("REVERSE_PROXY_GATEWAY", "https://env"),
        ("REVERSE_PROXY_TOKEN", "env"),
        ("REVERSE_PROXY_RECONNECT_DELAY", "2"),
        ("REVERSE_PROXY_MAX_RETRIES", " "),
        ("REVERSE_PROXY_LOG_LEVEL", ""),
    ];
    let flags = [(Key::Gateway, "https://flag"), (Key::LocalStdio, "b")];
    let effective = come_to(&Case { flags: &flags, environment: &environment, file }).unwrap();
    assert_eq!(effective.log_level, LogLevel::Error);
    let [tunnel] = &effective.tunnels[..] else { panic!("not one") };
    assert_eq!(tunnel.server, LocalServer::Stdio(StdioCommand { program: "b".into(), ..Default::default() }));
    assert_eq!(tunnel.gateway.to_string(), "https://flag");
    assert_eq!(effective.tokens, [Some("env".to_owned())]);
    assert_eq!(tunnel.retry.first, Duration::from_secs(2));
    assert_eq!(tunnel.retry.max, Some(3), "a blank variable counts as unset");
}

#[test]
fn a_file_alone_suffices() {
    let file = "local_stdio: \"uvx mcp-server-git\"\ngateway: \"https://gateway.example.com\"\ntoken: \"t\"\n\
                reconnect_delay: 2\nmax_retries: 0\nkeepalive: 30\nlog_level: \"INFO\"\n";
    let case = Case { file, ..NONE };
    assert_eq!(
        tunnel_of(&case).retry,
        Retry { first: Duration::from_secs(2), cap: limits::RETRY_CAP, max: None, ..Retry::default() }
    );
    assert_eq!(token_of(&case).unwrap(), "t");
}

#[test]
fn wrong_values_name_flag_variable_or_place() {
    let variable = [("REVERSE_PROXY_MAX_RETRIES", "many")];
    let case = Case { flags: BOTH, environment: &variable, file: "" };
    assert_eq!(
        refusal(&case),
        (
            "REVERSE_PROXY_MAX_RETRIES \"many\": expected a whole number of tries; 0 stands for no limit".to_owned(),
            "config.value"
        )
    );
    let overridden: Vec<_> = BOTH.iter().copied().chain([(Key::MaxRetries, "2")]).collect();
    assert_eq!(tunnel_of(&Case { flags: &overridden, environment: &variable, file: "" }).retry.max, Some(2));
    let name = [BOTH, &[(Key::ServerName, "a@b")]].concat();
    assert_eq!(
        refusal(&Case { flags: &name, ..NONE }).0,
        "--server-name: a server name is made of letters, digits, '_', '.', '-' and spaces; '@' is not one of them"
    );
}

#[test]
fn what_is_missing_is_said() {
    assert_eq!(refusal(&NONE), ("no local server: nothing says which command to run".to_owned(), "config.missing"));
    let only_command = &[(Key::LocalStdio, "x")];
    let (text, code) = refusal(&Case { flags: only_command, ..NONE });
    assert_eq!((text.as_str(), code), ("no gateway: nothing says where to register", "config.missing"));
}

#[test]
fn gateways_elsewhere_need_tls_or_leave() {
    let with =
        |gateway, more: &[(Key, &'static str)]| [&[(Key::LocalStdio, "x"), (Key::Gateway, gateway)], more].concat();
    for loopback in ["http://127.0.0.1:4444", "ws://localhost/reverse-proxy/ws", "http://[::1]:1"] {
        assert!(!tunnel_of(&Case { flags: &with(loopback, &[]), ..NONE }).gateway.is_encrypted());
    }
    let (text, code) = refusal(&Case { flags: &with("ws://gw.example.com", &[]), ..NONE });
    assert_eq!(code, "gateway.plaintext");
    assert_eq!(text, "--gateway: http://gw.example.com is not encrypted and is not on this machine");
    let allowed = with("http://gw.example.com", &[(Key::AllowPlaintext, "true")]);
    let effective = come_to(&Case { flags: &allowed, ..NONE }).unwrap();
    assert_eq!(effective.warnings, [Warning::Plaintext("http://gw.example.com".to_owned())]);
    let (text, code) = refusal(&Case { flags: &with("https://u:hunter2@h", &[]), ..NONE });
    assert_eq!(code, "gateway.bad_url");
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(
        refusal(&Case { file: "local_stdio: x\ngateway: gw", ..NONE }).0,
        "c.yaml:2:10: gateway: \"gw\" is not a URL"
    );
}

#[test]
fn commands_are_split_unless_arguments_are_given() {
    let command = |file: &str| match tunnel_of(&Case { file: &format!("gateway: https://h\n{file}"), ..NONE }).server {
        LocalServer::Stdio(command) => command,
        server => panic!("{server:?}"),
    };
    let split = command("local_stdio: uvx mcp-server-filesystem --directory '/my files' $HOME");
    assert_eq!(split.program, "uvx");
    assert_eq!(split.args, ["mcp-server-filesystem", "--directory", "/my files", "$HOME"]);
    let literal = command("command: /my tools/run it\nargs: [-x, 'a b']\ncwd: /srv\nenv: {A: '1'}");
    assert_eq!(literal.program, "/my tools/run it");
    assert_eq!(literal.args, ["-x", "a b"]);
    assert_eq!(literal.cwd.as_deref(), Some(Path::new("/srv")));
    assert_eq!(literal.env, BTreeMap::from([("A".to_owned(), "1".into())]));
    for (file, code) in [("local_stdio: \"uvx 'oops\"", "command.invalid"), ("local_stdio: ''", "command.invalid")] {
        assert_eq!(refusal(&Case { file: &format!("gateway: https://h\n{file}"), ..NONE }).1, code);
    }
}

#[test]
fn arguments_stay_with_their_command() {
    let case = Case {
        flags: &[(Key::LocalStdio, "npx other")],
        environment: &[],
        file: "local_stdio: uvx\nargs: [a]\ngateway: https://h",
    };
    let LocalServer::Stdio(command) = tunnel_of(&case).server else { panic!("no command") };
    assert_eq!((command.program.as_str(), command.args), ("npx", vec!["other".to_owned()]));
}

#[test]
fn names_and_descriptions_are_filled_in() {
    let environment = [("TEAM", "blue"), ("REVERSE_PROXY_TOKEN", "hunter2")];
    let file =
        "local_stdio: x\ngateway: https://h\nname: git {env:TEAM} {hostname}\ndescription: \"{env:TEAM}'s\\n git\"";
    let tunnel = tunnel_of(&Case { flags: &[], environment: &environment, file });
    assert_eq!(tunnel.name.as_str(), "git blue laptop-7");
    assert_eq!(tunnel.description.as_deref(), Some("blue's git"));
    for (name, message) in [
        ("{env:NOPE}", "c.yaml:3:7: server_name: the environment variable NOPE is not set"),
        (
            "{env:REVERSE_PROXY_TOKEN}",
            "c.yaml:3:7: server_name: REVERSE_PROXY_TOKEN holds a secret, which a gateway would show to others",
        ),
    ] {
        let file = format!("local_stdio: x\ngateway: https://h\nname: \"{name}\"");
        assert_eq!(
            refusal(&Case { flags: &[], environment: &environment, file: &file }),
            (message.to_owned(), "config.value")
        );
    }
}

#[test]
fn tokens_are_literal_or_in_a_variable() {
    let warnings = |case: &Case<'_>| come_to(case).unwrap().warnings;
    let flags = [BOTH, &[(Key::Token, "hunter2")]].concat();
    assert_eq!(warnings(&Case { flags: &flags, ..NONE }), [Warning::TokenInArguments]);
    let literal = warnings(&Case { flags: BOTH, environment: &[], file: "token: hunter2" });
    assert!(matches!(&literal[..], [Warning::TokenInFile(place)] if place.to_string() == "c.yaml:1:8"));
    let environment = [("GW_TOKEN", "hunter2")];
    let case = Case { flags: BOTH, environment: &environment, file: "token: env:GW_TOKEN" };
    assert_eq!(warnings(&case), []);
    let tunnel = tunnel_of(&case);
    assert_eq!(token_of(&case).unwrap(), "hunter2");
    let LocalServer::Stdio(command) = tunnel.server else { panic!("no command") };
    assert_eq!(command.env["GW_TOKEN"], "", "the child inherits the variable without its value");
    let in_file = Case { flags: BOTH, environment: &[], file: "token: file:/run/token" };
    assert_eq!(warnings(&in_file), []);
    assert_eq!(token_of(&in_file).unwrap(), "hunter2");
    for file in [
        "token: ''",
        "token: env:NOPE",
        "token: file:/nope",
        "token: file:/run/secret",
        "token: Bearer hunter2",
        "token: hunter2é",
        "token: keychain:hunter2",
    ] {
        let (text, code) = refusal(&Case { flags: BOTH, environment: &[], file });
        assert_eq!(code, "config.value");
        assert!(text.starts_with("c.yaml:1:8: token: ") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn what_had_better_be_otherwise_is_warned_of() {
    let flags = [(Key::LocalStdio, "A=1 uvx x | tee log"), (Key::Gateway, "https://h"), (Key::Keepalive, "61")];
    let effective = come_to(&Case { flags: &flags, ..NONE }).unwrap();
    assert_eq!(
        effective.warnings,
        [Warning::ShellSyntax("A=1".to_owned()), Warning::Notice(Notice::SlowKeepalive(Duration::from_secs(61)))]
    );
    for warning in &effective.warnings {
        assert!(!warning.to_string().is_empty() && !warning.action().is_empty());
    }
    let longer = [BOTH, &[(Key::ReconnectDelay, "90")]].concat();
    assert_eq!(tunnel_of(&Case { flags: &longer, ..NONE }).retry.cap, Duration::from_secs(90));
}

proptest! {
    /// Every key that flag, variable and file all have: whatever subset of them speaks, the highest is heard.
    #[test]
    fn the_highest_layer_that_speaks_is_heard(flag: bool, variable: bool, file: bool) {
        let flags = if flag { vec![(Key::MaxRetries, "1")] } else { vec![] };
        let environment = if variable { vec![("REVERSE_PROXY_MAX_RETRIES", "2")] } else { vec![] };
        let file_text = if file { "local_stdio: x\ngateway: https://h\nmax_retries: 3" } else { "local_stdio: x\ngateway: https://h" };
        let heard = tunnel_of(&Case { flags: &flags, environment: &environment, file: file_text }).retry.max;
        let expected = [(flag, 1), (variable, 2), (file, 3)].into_iter().find_map(|(speaks, value)| speaks.then_some(value));
        prop_assert_eq!(heard, expected);
    }
}
