//! Where a setting comes from: flags before environment before file before defaults; and what a name is made of.

use culvert_tests::{Authority, CulvertCommand, FakeGateway, Fixture, Manner};
use serde_json::json;

#[tokio::test]
async fn a_configuration_file_alone_suffices() {
    let gateway = FakeGateway::start(Manner::next().token("from-file")).await;
    let server = Fixture::default();
    for (name, text) in [
        (
            "reverse-proxy.yaml",
            format!(
                "# one server\nlocal_stdio: {}\ngateway: {}\ntoken: from-file\nreconnect_delay: 2\nmax_retries: 0\n\
                 keepalive: 1\nlog_level: INFO\n",
                json!(server.command()),
                json!(gateway.url()),
            ),
        ),
        (
            "reverse-proxy.json",
            json!({"local_stdio": server.command(), "gateway": gateway.url(), "token": "from-file", "keepalive": 1})
                .to_string(),
        ),
    ] {
        let before = gateway.links();
        let command = CulvertCommand::run();
        command.write(name, &text);
        let culvert = command.args(["--config", name]).start();
        culvert.online().await;
        // The keepalive of the file: with the default of 30 s this would not come.
        gateway.link_number(before + 1).await.frames_reach("heartbeat", 2).await;
        culvert.stop().await;
    }
}

#[tokio::test]
async fn flags_go_before_the_environment_before_the_file() {
    let (by_file, by_variable, by_flag) =
        (FakeGateway::next().await, FakeGateway::next().await, FakeGateway::next().await);
    let server = Fixture::default();
    let file = || {
        CulvertCommand::run()
            .config(&json!({"local_stdio": server.command(), "gateway": by_file.url(), "token": "file"}))
    };
    let variable = || file().env("REVERSE_PROXY_GATEWAY", by_variable.url()).env("REVERSE_PROXY_TOKEN", "variable");
    let flag = || variable().args(["--gateway", &by_flag.url(), "--token", "flag"]);
    for (command, gateway, token) in
        [(file(), &by_file, "file"), (variable(), &by_variable, "variable"), (flag(), &by_flag, "flag")]
    {
        let culvert = command.start();
        let link = gateway.registered().await;
        assert_eq!(link.look(|link| link.request.bearer().map(str::to_owned)).as_deref(), Some(token));
        culvert.stop().await;
    }
    for gateway in [by_file, by_variable, by_flag] {
        assert_eq!(gateway.upgrades(), 1);
    }
}

#[tokio::test]
async fn the_environment_alone_names_gateway_token_and_retries() {
    let gateway = FakeGateway::start(Manner::next().token("t")).await;
    let culvert = CulvertCommand::run()
        .env("REVERSE_PROXY_GATEWAY", gateway.url())
        .env("REVERSE_PROXY_TOKEN", "t")
        .env("REVERSE_PROXY_LOG_LEVEL", "WARNING")
        .server(&Fixture::default())
        .start();
    culvert.online().await;
    culvert.stop().await;

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let finished = CulvertCommand::run()
        .env("REVERSE_PROXY_GATEWAY", format!("http://{closed}"))
        .env("REVERSE_PROXY_MAX_RETRIES", "1")
        .env("REVERSE_PROXY_RECONNECT_DELAY", "0.05")
        .server(&Fixture::default())
        .finish()
        .await;
    assert_eq!(finished.code, Some(7), "{finished:#?}");
}

#[tokio::test]
async fn the_first_wait_is_the_reconnect_delay_at_most() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (delay, most) in [("0.5", 500), ("5", 5_000)] {
        let culvert = CulvertCommand::run()
            .server(&Fixture::default())
            .args(["--gateway", &format!("http://{closed}")])
            .args(["--reconnect-delay", delay])
            .start();
        let waiting = culvert.waiting("gateway.refused").await;
        assert!(waiting["retry_in_ms"].as_u64().is_some_and(|wait| wait <= most), "{delay}: {waiting}");
        culvert.stop().await;
    }
}

#[tokio::test]
async fn the_log_level_says_how_much_is_logged() {
    let gateway = FakeGateway::next().await;
    let mut lengths = vec![];
    for flags in [&["--log-level", "CRITICAL"][..], &["--log-level", "DEBUG"], &["--verbose"]] {
        let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(flags).start();
        culvert.online().await;
        lengths.push(culvert.stop().await.err.lines().count());
    }
    assert!(lengths[0] < lengths[1] && lengths[0] < lengths[2], "{lengths:?}");
}

#[tokio::test]
async fn a_made_name_is_the_same_at_each_start_and_tells_package_and_host() {
    let gateway = FakeGateway::next().await;
    let server = Fixture::default();
    let bin = server.stand_ins(&["uvx", "npx", "mcp-server-git"]);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim_end().split('.').next().unwrap();
    let mut number = 0;
    for (command, begins) in [
        ("uvx mcp-server-git", "git-"),
        ("mcp-server-git --repository /srv", "git-"),
        ("npx -y @modelcontextprotocol/server-memory", "memory-"),
    ] {
        let mut names = vec![];
        for _ in 0..2 {
            let culvert = CulvertCommand::run()
                .path_first(&bin)
                .args(["--local-stdio", command, "--gateway", &gateway.url()])
                .start();
            number += 1;
            names.push(gateway.registered_number(number).await.name());
            assert_eq!(culvert.online().await["name"], *names.last().unwrap());
            culvert.stop().await;
        }
        assert_eq!(names[0], names[1], "{command}");
        assert!(names[0].starts_with(begins), "{command}: {names:?}");
        assert!(names[0].contains(host), "the host {host} is in {}", names[0]);
    }
}

#[tokio::test]
async fn a_name_may_be_filled_in_from_host_and_environment() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::run()
        .env("SITE", "berlin 2")
        .server(&Fixture::default())
        .args(["--gateway", &gateway.url()])
        .args(["--server-name", "git {env:SITE} {hostname}"])
        .start();
    let name = gateway.registered().await.name();
    assert!(name.starts_with("git berlin 2 ") && !name.contains('{'), "{name}");
    culvert.stop().await;

    let unset = CulvertCommand::run()
        .args(["--local-stdio", "server", "--gateway", "http://127.0.0.1:9", "--server-name", "git-{env:UNSET_SITE}"])
        .finish()
        .await;
    assert!(matches!(unset.code, Some(2 | 3)), "{unset:#?}");
    assert!(unset.err.contains("UNSET_SITE"), "{}", unset.err);
}

#[tokio::test]
async fn a_gateway_behind_a_private_ca_is_trusted_through_ssl_cert_file() {
    let authority = Authority::new();
    let gateway = FakeGateway::with_tls(Manner::next().token("t"), &authority).await;
    let server = Fixture::default();
    let culvert =
        CulvertCommand::tunnel(&server, &gateway).env("SSL_CERT_FILE", authority.root()).args(["--token", "t"]).start();
    culvert.online().await;
    let link = gateway.registered().await;
    // Large enough to take many TLS records in both directions.
    let text = "z".repeat(300_000);
    assert_eq!(link.call_text("echo", json!({"text": text})).await, text);
    culvert.stop().await;
}

#[tokio::test]
async fn a_gateway_behind_an_unknown_ca_is_not_trusted_and_the_way_out_is_told() {
    let gateway = FakeGateway::with_tls(Manner::next(), &Authority::new()).await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway)
        .env("SSL_CERT_FILE", Authority::new().root())
        .args(["--token", "sesame"])
        .start();
    let waiting = culvert.waiting("gateway.tls").await;
    assert!(waiting["cause"]["action"].as_str().is_some_and(|action| action.contains("SSL_CERT_FILE")), "{waiting}");
    assert_eq!(gateway.upgrades(), 0, "the token was never sent");
    culvert.stop().await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    let gateway = FakeGateway::with_tls(Manner::next(), &authority).await;
    let other = format!("https://[::ffff:127.0.0.1]:{}", gateway.address().port());
    let culvert = CulvertCommand::run()
        .env("SSL_CERT_FILE", authority.root())
        .server(&Fixture::default())
        .args(["--gateway", &other])
        .start();
    culvert.waiting("gateway.tls").await;
    assert_eq!(gateway.upgrades(), 0);
    culvert.stop().await;
}
