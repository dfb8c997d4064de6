use culvert_protocol::Explain;

use super::*;
use crate::level::LogLevel;

fn parse(content: &str) -> Result<ConfigFile, ConfigError> {
    ConfigFile::parse(content, Path::new("c.yaml"))
}

/// The sample of the reference, with this project's own keys added.
const EVERY_KEY: &str = r#"
local_stdio: "uvx"
args: [mcp-server-git, --repository, "/my repo"]
env: {GIT_PAGER: cat, DEBUG: NO}
cwd: /srv
server_name: git-{hostname}
server_description: Our repositories
gateway: "https://gateway.example.com"
token: "your-bearer-token"
reconnect_delay: 0.5
max_retries: 10
keepalive: 45
max_message_size: 1048576
start_timeout: 60
allow_plaintext: yes
log_level: "debug"
local_streamable_http: http://127.0.0.1:8000/mcp
local_sse: http://127.0.0.1:8000/sse
local_headers: {X-Key: "env:KEY"}
forward_auth: [Authorization]
ca_cert: /etc/ca.pem
client_cert: /etc/me.pem
client_key: /etc/me.key
client_key_passphrase: "env:PASSPHRASE"
proxy: "http://proxy.example.com:3128"
tools_allow: ["read_*", list]
tools_deny: [read_secret]
tool_preset: read-only
prompts: no
hold_changed_tools: yes
audit_log: /var/log/culvert/audit.log
resources: yes
transport: ws
request_timeout: 0.5
probe_interval: 2
drain: 0
single_child: yes
max_sessions: 32
warm_spare: no
secret_env: {GITHUB_TOKEN: "keychain:github"}
labels: {site: north, app.kubernetes.io/name: git}
start: Always
id: 6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f
"#;

#[test]
fn every_key_is_read() {
    let top = parse(EVERY_KEY).unwrap().top;
    for key in Key::ALL {
        assert!(top.origin(key).is_some(), "{key}");
    }
    let seconds = |given: &Option<crate::Sourced<std::time::Duration>>| given.as_ref().unwrap().value.as_secs_f64();
    assert_eq!(top.local_stdio.as_ref().unwrap().value, "uvx");
    assert_eq!(top.args.as_ref().unwrap().value, ["mcp-server-git", "--repository", "/my repo"]);
    assert_eq!(top.env.as_ref().unwrap().value.0["DEBUG"], "NO");
    assert_eq!(top.cwd.as_ref().unwrap().value, Path::new("/srv"));
    assert_eq!(top.token.as_ref().unwrap().value.expose(), "your-bearer-token");
    assert_eq!(seconds(&top.reconnect_delay), 0.5);
    assert_eq!(seconds(&top.keepalive), 45.0);
    assert_eq!(seconds(&top.start_timeout), 60.0);
    assert_eq!(top.max_retries.as_ref().unwrap().value, 10);
    assert_eq!(top.max_message_size.as_ref().unwrap().value, 1 << 20);
    assert_eq!(top.gateway.as_ref().unwrap().value[0].address, "https://gateway.example.com");
    assert_eq!(top.labels.as_ref().unwrap().value.0["site"], "north");
    assert_eq!(top.start.as_ref().unwrap().value, crate::Start::Always);
    assert_eq!(top.id.as_ref().unwrap().value.to_string(), "6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f");
    assert_eq!(top.forward_auth.as_ref().unwrap().value, ["Authorization"]);
    assert_eq!(top.tools_allow.as_ref().unwrap().value[0].as_str(), "read_*");
    assert_eq!(top.tool_preset.as_ref().unwrap().value, culvert_protocol::tool_policy::Tools::ReadOnly);
    assert!(top.hold_changed_tools.as_ref().unwrap().value && top.audit_log.is_some());
    assert!(!top.prompts.as_ref().unwrap().value && top.resources.as_ref().unwrap().value);
    assert_eq!(top.client_cert.as_ref().unwrap().value, Path::new("/etc/me.pem"));
    assert_eq!(top.proxy.as_ref().unwrap().value.expose(), "http://proxy.example.com:3128");
    assert_eq!(top.transport.as_ref().unwrap().value, culvert_tunnel::Transport::WebSocket);
    assert_eq!(seconds(&top.request_timeout), 0.5);
    assert_eq!((seconds(&top.probe_interval), seconds(&top.drain)), (2.0, 0.0));
    assert_eq!(top.max_sessions.as_ref().unwrap().value, 32);
    assert!(top.single_child.as_ref().unwrap().value && !top.warm_spare.as_ref().unwrap().value);
    assert!(top.allow_plaintext.as_ref().unwrap().value);
    assert_eq!(top.log_level.as_ref().unwrap().value, LogLevel::Debug);
    assert_eq!(top.log_level.as_ref().unwrap().origin.to_string(), "c.yaml:16:12");
}

#[test]
fn json_and_yaml_mean_the_same() {
    let json = r#"{"command": "uvx x", "gateway": "https://h", "max_retries": 3, "keepalive": 1.5}"#;
    let from_json = ConfigFile::parse(json, Path::new("x.JSON")).unwrap().top;
    let from_yaml = ConfigFile::parse(json, Path::new("x.yml")).unwrap().top;
    assert_eq!(from_json.local_stdio.map(|given| given.value), from_yaml.local_stdio.map(|given| given.value));
    assert_eq!(from_json.keepalive.map(|given| given.value), from_yaml.keepalive.map(|given| given.value));
    assert_eq!(from_json.max_retries.map(|given| given.value), Some(3));
}

#[test]
fn bad_values_are_named_with_their_place() {
    for (content, message) in [
        ("keepalive: soon", "c.yaml:1:12: keepalive \"soon\": expected a number of seconds, such as 30 or 0.5"),
        ("keepalive: 0", "c.yaml:1:12: keepalive \"0\": a time is at least 0.001 seconds"),
        ("reconnect_delay: 1e9", "c.yaml:1:18: reconnect_delay \"1e9\": a time is at most 86400 seconds (a day)"),
        ("max_retries: -1", "c.yaml:1:14: max_retries \"-1\": expected a whole number of tries; 0 stands for no limit"),
        (
            "\nmax_message_size: 12",
            "c.yaml:2:19: max_message_size \"12\": a message size is at least 4096 and at most 1073741824 bytes",
        ),
        (
            "log_level: loud",
            "c.yaml:1:12: log_level \"loud\": expected one of TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL",
        ),
        ("transport: http", "c.yaml:1:12: transport \"http\": expected one of auto, ws, sse"),
        ("max_sessions: 0", "c.yaml:1:15: max_sessions \"0\": expected a whole number of sessions, from 1 to 1000"),
        ("allow_plaintext: maybe", "c.yaml:1:18: allow_plaintext \"maybe\": expected true or false"),
        ("env: {\"A=B\": x}", "c.yaml:1:6: env: an environment variable has a name without '=' in it"),
        ("cwd: ''", "c.yaml:1:6: cwd \"\": expected a value, found nothing; leave it out where none is meant"),
        ("args: [\"a\\0b\"]", "c.yaml:1:7: args: it holds a character that cannot be handed to a process"),
        ("start: sometimes", "c.yaml:1:8: start \"sometimes\": expected one of last, always, never"),
        ("id: 7", "c.yaml:1:5: id \"7\": expected a UUID, such as 6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f"),
        (
            "gateway: [{token: hunter2}]",
            "c.yaml:1:10: gateway: expected a value, found nothing; leave it out where none is meant",
        ),
    ] {
        let error = parse(content).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(!error.action().is_empty());
    }
}

#[test]
fn a_key_for_the_whole_process_is_refused_in_an_entry() {
    let servers =
        parse("servers:\n- log_level: INFO\n- {name: b, keepalive: soon}\n- name: c").unwrap().servers.unwrap();
    let errors: Vec<_> = servers.iter().map(|entry| entry.settings.as_ref().err().map(ToString::to_string)).collect();
    let expected = [
        Some("c.yaml:2:14: the key log_level belongs at the top level of the file, not to one server".to_owned()),
        Some("c.yaml:3:24: keepalive \"soon\": expected a number of seconds, such as 30 or 0.5".to_owned()),
        None,
    ];
    assert_eq!(errors, expected);
    assert_eq!(servers[1].name.as_deref(), Some("b"));
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let reason = |path: &Path| {
        let error = ConfigFile::read(path).unwrap_err();
        assert_eq!(error.code(), "config.unreadable");
        error.to_string()
    };
    assert!(reason(&folder.path().join("none.yaml")).contains("No such file"));
    assert!(reason(folder.path()).contains("it is a folder"));
    let file = folder.path().join("c.yaml");
    std::fs::write(&file, b"\xff\xfeg\0a\0").unwrap();
    assert!(reason(&file).contains("UTF-8"));
    std::fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(reason(&file).contains("larger than 1024 KiB"));
    std::fs::write(&file, "gateway: https://h\n").unwrap();
    assert_eq!(ConfigFile::read(&file).unwrap().top.gateway.unwrap().value[0].address, "https://h");
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!(
        "{:?}",
        parse(
            "token: hunter2\nenv: {KEY: hunter3}\nlocal_headers: {KEY: hunter4}\nsecret_env: {KEY: hunter5}\n\
             gateway: {url: 'https://h', token: hunter6}"
        )
        .unwrap()
    );
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("KEY"));
}
