//! Local servers by address, and what goes together with what.

use culvert_tunnel::{BadHeader, ForwardAuth, Headers, ServerUrl};

use super::*;

#[test]
fn a_local_server_may_be_an_address() {
    let environment = [("KEY", "from a variable")];
    let server = |file: &str| {
        let file = format!("gateway: https://gw\n{file}");
        tunnel_of(&Case { flags: &[], environment: &environment, file: &file })
    };
    let url = ServerUrl::parse("http://127.0.0.1:8000/mcp").unwrap();
    let file = "local_streamable_http: http://127.0.0.1:8000/mcp\nforward_auth: [X-Tenant]\n\
                local_headers: {Authorization: env:KEY, X-Key: file:secret, X-Other: file:/run/secret}";
    let tunnel = server(file);
    let headers = [("authorization", "from a variable"), ("x-key", "from a file"), ("x-other", "from a file")];
    let headers = Headers::new(headers.map(|(name, value)| (name, value.to_owned().into()))).unwrap();
    assert_eq!(tunnel.server, LocalServer::StreamableHttp { url: url.clone(), headers });
    assert_eq!(tunnel.forward_auth, ForwardAuth::allow(["x-tenant"]).unwrap());
    assert_eq!(tunnel.name.as_str(), "server-8000-laptop-7");
    let plain = server("local_sse: http://127.0.0.1:8000/mcp\nforward_auth: []");
    assert_eq!(plain.server, LocalServer::Sse { url, headers: Headers::default() });
    assert_eq!(plain.forward_auth, ForwardAuth::allow::<&str>([]).unwrap());
}

#[test]
fn an_address_without_tls_is_this_machine_or_allowed() {
    let file = "gateway: https://gw\nlocal_sse: http://notes:8000/sse?key=hunter2";
    let (text, code) = refusal(&Case { file, ..NONE });
    assert_eq!(text, "c.yaml:2:12: local_sse: http://notes:8000/sse?… is not encrypted and is not on this machine");
    assert_eq!(code, "config.plaintext");
    let allowed = come_to(&Case { file: &format!("{file}\nallow_plaintext: true"), ..NONE }).unwrap();
    assert_eq!(allowed.warnings, [Warning::Plaintext("http://notes:8000/sse?…".to_owned())]);
    assert_eq!(allowed.tunnels[0].name.as_str(), "notes-laptop-7");
    for bad in ["http://u:hunter2@notes", "ws://notes", "notes?hunter2"] {
        let (text, code) = refusal(&Case { file: &format!("gateway: https://gw\nlocal_sse: {bad}"), ..NONE });
        assert_eq!(code, "config.value");
        assert!(text.starts_with("c.yaml:2:12: local_sse: ") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn what_belongs_to_another_local_server_is_not_inherited() {
    let file =
        "gateway: https://gw\nlocal_sse: http://127.0.0.1:1/sse\nlocal_headers: {X-Key: env:KEY}\nforward_auth: []";
    let environment = [("KEY", "hunter2")];
    let flags = [(Key::LocalStreamableHttp, "http://127.0.0.1:2/mcp")];
    let tunnel = tunnel_of(&Case { flags: &flags, environment: &environment, file });
    let url = ServerUrl::parse("http://127.0.0.1:2/mcp").unwrap();
    assert_eq!(tunnel.server, LocalServer::StreamableHttp { url, headers: Headers::default() });
    assert_eq!(tunnel.forward_auth, ForwardAuth::default());
    let flags = [(Key::LocalStdio, "x")];
    let tunnel = tunnel_of(&Case { flags: &flags, environment: &environment, file });
    assert!(matches!(tunnel.server, LocalServer::Stdio(_)));
    let command = "gateway: https://gw\nlocal_stdio: x\nargs: [y]\nenv: {A: b}\ncwd: /";
    let tunnel = tunnel_of(&Case { flags: &[(Key::LocalSse, "http://127.0.0.1:2")], environment: &[], file: command });
    assert!(matches!(tunnel.server, LocalServer::Sse { .. }));
    let flags = [(Key::LocalHeaders, "X-Key=env:KEY")];
    let tunnel = tunnel_of(&Case {
        flags: &flags,
        environment: &[("KEY", "k")],
        file: "gateway: https://gw\nlocal_sse: http://127.0.0.1:1/sse",
    });
    let LocalServer::Sse { headers, .. } = tunnel.server else { panic!("no address") };
    assert_eq!(headers, Headers::new([("x-key", "k".to_owned().into())]).unwrap());
}

#[test]
fn keys_that_exclude_each_other_are_refused() {
    for (file, message) in [
        (
            "local_stdio: x\nlocal_sse: http://127.0.0.1:1",
            "c.yaml:3:12: local_sse does not go together with local_stdio",
        ),
        (
            "local_streamable_http: http://127.0.0.1:1\nlocal_sse: http://127.0.0.1:1",
            "c.yaml:3:12: local_sse does not go together with local_streamable_http",
        ),
        (
            "local_stdio: x\nlocal_headers: {A: env:B}",
            "c.yaml:3:16: local_headers does not go together with local_stdio",
        ),
        ("local_stdio: x\nforward_auth: []", "c.yaml:3:15: forward_auth does not go together with local_stdio"),
        ("local_sse: http://127.0.0.1:1\nargs: [a]", "c.yaml:3:7: args does not go together with local_sse"),
        ("local_sse: http://127.0.0.1:1\ncwd: /", "c.yaml:3:6: cwd does not go together with local_sse"),
        (
            "local_stdio: x\nsingle_child: yes\nwarm_spare: yes",
            "c.yaml:4:13: warm_spare does not go together with single_child",
        ),
    ] {
        let refused = refusal(&Case { file: &format!("gateway: https://gw\n{file}"), ..NONE });
        assert_eq!(refused, (message.to_owned(), "config.conflict"));
    }
    let file = "local_stdio: x\ngateway: https://gw\nsingle_child: yes\nwarm_spare: no\nmax_sessions: 3";
    let children = tunnel_of(&Case { file, ..NONE }).children;
    assert_eq!(children, Children { single: true, max_sessions: 3, warm_spare: false });
}

#[test]
fn headers_that_cannot_be_sent_are_named_without_their_values() {
    let refused = |headers: &str| {
        let file = format!("gateway: https://gw\nlocal_sse: http://127.0.0.1:1\nlocal_headers: {headers}");
        refusal(&Case { flags: &[], environment: &[("KEY", "hunter2\r\nX: y")], file: &file })
    };
    let problem = |problem: BadHeader| format!("c.yaml:3:16: local_headers: {problem}");
    for (headers, message) in [
        ("{X Key: env:KEY}", problem(BadHeader::Name("X Key".to_owned()))),
        ("{Host: env:KEY}", problem(BadHeader::Reserved("host".to_owned()))),
        ("{X-Key: env:KEY}", problem(BadHeader::Value("x-key".to_owned()))),
        ("{X-Key: a, x-key: b}", problem(BadHeader::Repeated("x-key".to_owned()))),
        (
            "{X-Key: env:NOPE}",
            "c.yaml:3:16: local_headers \"X-Key\": it refers to an environment variable that is not set".to_owned(),
        ),
        (
            "{X-Key: file:/nope}",
            "c.yaml:3:16: local_headers \"X-Key\": it refers to a file that cannot be read: there is no such file"
                .to_owned(),
        ),
    ] {
        assert_eq!(refused(headers), (message, "config.value"));
    }
    let file = "gateway: https://gw\nlocal_sse: http://127.0.0.1:1\nlocal_headers: {X-Version: '2'}";
    let effective = come_to(&Case { file, ..NONE }).unwrap();
    assert!(matches!(&effective.warnings[..], [Warning::HeaderInFile(place)] if place.to_string() == "c.yaml:3:16"));
    let names = "gateway: https://gw\nlocal_sse: http://127.0.0.1:1\nforward_auth: [Host]";
    assert_eq!(refusal(&Case { file: names, ..NONE }).1, "config.value");
}
