//! One gateway or several.

use super::*;

#[test]
fn several_gateways_are_a_tunnel_each() {
    let gateways = |case: &Case<'_>| {
        let tunnels = come_to(case).unwrap().of_one_server().unwrap().tunnels;
        tunnels.iter().map(|tunnel| tunnel.gateway.to_string()).collect::<Vec<_>>()
    };
    let listed = "local_stdio: x\ntoken: hunter2\ngateway: [https://a, 'wss://b/reverse-proxy/ws']";
    let effective = come_to(&Case { file: listed, ..NONE }).unwrap();
    let [a, b] = &effective.tunnels[..] else { panic!("not two") };
    assert_eq!((a.gateway.to_string(), b.gateway.to_string()), ("https://a".to_owned(), "https://b".to_owned()));
    assert_eq!((&a.name, &a.server, a.token.as_ref().unwrap().expose()), (&b.name, &b.server, "hunter2"));
    assert_eq!(b.token, a.token);
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
        ("{a: b}", "c.yaml:2:10: something else is expected here", "config.syntax"),
    ] {
        let file = format!("local_stdio: x\ngateway: {gateway}");
        assert_eq!(refusal(&Case { file: &file, ..NONE }), (message.to_owned(), code), "{gateway}");
    }
}
