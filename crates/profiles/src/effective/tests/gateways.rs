//! One gateway or several.

use super::*;

#[test]
fn several_gateways_are_a_tunnel_each() {
    let gateways = |case: &Case<'_>| {
        let tunnels = come_to(case).unwrap().tunnels;
        tunnels.iter().map(|tunnel| tunnel.gateway.to_string()).collect::<Vec<_>>()
    };
    let listed = "local_stdio: x\ntoken: hunter2\ngateway: [https://a, 'wss://b/reverse-proxy/ws']";
    let effective = come_to(&Case { file: listed, ..NONE }).unwrap();
    let [a, b] = &effective.tunnels[..] else { panic!("not two") };
    assert_eq!((a.gateway.to_string(), b.gateway.to_string()), ("https://a".to_owned(), "https://b".to_owned()));
    assert_eq!((&a.name, &a.server), (&b.name, &b.server));
    assert_eq!(effective.tokens, [Some("hunter2".to_owned()), Some("hunter2".to_owned())]);
    assert_eq!(
        gateways(&Case { flags: &[(Key::Gateway, "https://c")], environment: &[], file: listed }),
        ["https://c"]
    );
    let environment = [("REVERSE_PROXY_GATEWAY", "https://d, https://e")];
    assert_eq!(
        gateways(&Case { flags: &[], environment: &environment, file: "local_stdio: x" }),
        ["https://d", "https://e"]
    );
    let twice = come_to(&Case { file: "local_stdio: x\ngateway: [https://a, https://a/]", ..NONE }).unwrap();
    assert_eq!(twice.tunnels.len(), 1);
    assert_eq!(twice.warnings, [Warning::GatewayTwice("https://a".to_owned())]);
    for (gateway, message, code) in [
        ("[https://a, gw]", "c.yaml:2:10: gateway: \"gw\" is not a URL", "gateway.bad_url"),
        (
            "[https://a, http://b]",
            "c.yaml:2:10: gateway: http://b is not encrypted and is not on this machine",
            "gateway.plaintext",
        ),
        (
            "[]",
            "c.yaml:2:10: gateway: expected a value, found nothing; leave it out where none is meant",
            "config.value",
        ),
        ("12", "c.yaml:2:10: gateway: \"12\" is not a URL", "gateway.bad_url"),
        ("{a: b}", "c.yaml:2:11: the key \"a\" is not known", "config.unknown_key"),
    ] {
        let file = format!("local_stdio: x\ngateway: {gateway}");
        assert_eq!(refusal(&Case { file: &file, ..NONE }), (message.to_owned(), code), "{gateway}");
    }
}

#[test]
fn a_gateway_may_have_a_token_of_its_own() {
    let file = "local_stdio: x\ntoken: env:ALL\ngateway:\n- https://a\n- url: https://b\n  token: env:ONLY_B\n";
    let environment = [("ALL", "for-all"), ("ONLY_B", "for-b")];
    let case = Case { flags: &[], environment: &environment, file };
    let effective = come_to(&case).unwrap();
    assert_eq!(effective.tokens, [Some("for-all".to_owned()), Some("for-b".to_owned())]);
    for tunnel in &effective.tunnels {
        let LocalServer::Stdio(command) = &tunnel.server else { panic!("no command") };
        assert!(["ALL", "ONLY_B"].iter().all(|name| command.env[*name].is_empty()), "no child inherits a token");
    }
    let literal = "local_stdio: x\ngateway: {url: 'https://b', token: hunter2}";
    let warnings = come_to(&Case { file: literal, ..NONE }).unwrap().warnings;
    assert!(matches!(&warnings[..], [Warning::TokenInFile(_)]), "{warnings:?}");
    let unused = "local_stdio: x\ntoken: hunter2\ngateway: {url: 'https://b', token: env:ALL}";
    let case = Case { flags: &[], environment: &environment, file: unused };
    assert_eq!(come_to(&case).unwrap().warnings, [], "no gateway gets it");
}
