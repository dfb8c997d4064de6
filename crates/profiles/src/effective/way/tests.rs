use std::path::Path;

use crate::command::Platform;
use crate::{ConfigError, ConfigFile, Loaded, Origin, Settings, Sourced, Surroundings, loaded};

fn read_with(flags: Settings, gateway: &str, more: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let surroundings = Surroundings {
        variable: &variable,
        secret_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        host: "laptop-7".to_owned(),
        folder: "/srv".into(),
        platform: Platform::Unix,
    };
    let content = format!("name: a\ncommand: x\ngateway: {gateway}\n{more}\n");
    loaded(flags, Some(ConfigFile::parse(&content, Path::new("c.yaml"))?), &surroundings)
}

fn read(gateway: &str, more: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    read_with(Settings::default(), gateway, more, environment)
}

/// Where the proxy's address comes from, as it may be shown.
fn proxy(gateway: &str, more: &str, environment: &[(&str, &str)]) -> Option<String> {
    let loaded = read(gateway, more, environment).unwrap();
    loaded.profiles[0].tunnels[0].secrets.proxy.as_ref().map(|proxy| proxy.value.to_string())
}

#[test]
fn the_environment_names_a_proxy_but_never_for_this_machine() {
    let all = [
        ("https_proxy", "http://a:1"),
        ("HTTPS_PROXY", "http://b:1"),
        ("HTTP_PROXY", "http://c:1"),
        ("ALL_PROXY", "d:1"),
    ];
    assert_eq!(proxy("https://gw.example", "", &all).as_deref(), Some("env:https_proxy"));
    assert_eq!(proxy("https://gw.example", "", &all[1..]).as_deref(), Some("env:HTTPS_PROXY"));
    assert_eq!(proxy("https://gw.example", "", &all[2..]).as_deref(), Some("env:ALL_PROXY"));
    assert_eq!(proxy("http://gw.example", "allow_plaintext: true", &all).as_deref(), Some("env:HTTP_PROXY"));
    assert_eq!(proxy("https://gw.example", "", &[]), None);
    for gateway in ["http://127.0.0.1:4444", "https://localhost", "https://[::1]:1"] {
        assert_eq!(proxy(gateway, "", &all), None, "{gateway}");
        assert_eq!(
            proxy(gateway, "proxy: http://p:1", &all).as_deref(),
            Some("(hidden)"),
            "asked for by name: {gateway}"
        );
    }
    let except = [("HTTPS_PROXY", "http://b:1"), ("NO_PROXY", "other.example,.example")];
    assert_eq!(proxy("https://gw.example", "", &except), None);
    assert!(proxy("https://gw.example", "proxy: http://p:1", &except).is_some(), "exceptions are the environment's");
}

#[test]
fn a_wrong_proxy_is_refused_without_showing_it() {
    for (more, environment) in [
        ("proxy: ftp://u:hunter2@p", &[][..]),
        ("proxy: 'http://u:hunter2@p:1/path'", &[]),
        ("", &[("HTTPS_PROXY", "gopher://u:hunter2@p")]),
    ] {
        let error = read("https://gw.example", more, environment).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && shown.contains("proxy"), "{shown}");
    }
}

#[test]
fn passwords_stand_neither_on_the_command_line_nor_unsaid_in_a_file() {
    let loaded = read("https://gw.example", "proxy: 'http://u:hunter2@p:1'", &[]).unwrap();
    assert_eq!(loaded.profiles[0].warnings.len(), 1);
    assert!(!format!("{loaded:?}").contains("hunter2"));
    assert!(read("https://gw.example", "proxy: 'http://p:1'", &[]).unwrap().profiles[0].warnings.is_empty());
    let flag = |text: &str| {
        let proxy = Some(Sourced::new(text.to_owned().into(), Origin::Flag("--proxy")));
        read_with(Settings { proxy, ..Settings::default() }, "https://gw.example", "", &[])
    };
    assert!(flag("http://u:hunter2@p:1").unwrap_err().to_string().contains("command line"));
    assert!(flag("http://p:1").is_ok() && flag("env:P").is_ok());
}

#[test]
fn a_certificate_needs_no_key_of_its_own_but_a_key_a_certificate() {
    let loaded = read("https://gw.example", "client_cert: me.pem\nca_cert: /etc/ca.pem", &[]).unwrap();
    let outbound = &loaded.profiles[0].tunnels[0].config.outbound;
    assert_eq!(outbound.ca_cert.as_deref(), Some(Path::new("/etc/ca.pem")));
    let identity = outbound.identity.as_ref().unwrap();
    assert_eq!((identity.certificate.as_path(), &identity.key), (Path::new("/srv/me.pem"), &None));
    for lonely in ["client_key: k.pem", "client_key_passphrase: env:P"] {
        assert!(
            read("https://gw.example", lonely, &[]).unwrap_err().to_string().contains("without a client certificate")
        );
    }
}
