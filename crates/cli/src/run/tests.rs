use std::time::Duration;

use culvert_gateway::config::Auth;
use culvert_gateway::{Gateway, GatewayConfig};
use culvert_profiles::{GivenGateway, Key, Origin, Settings, Sourced, loaded};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::terminal::Kind;
use crate::writer::tests::Written;

fn stopped(gateway: &str, cause: Cause) -> Stopped {
    Stopped { name: "git".to_owned(), gateway: gateway.to_owned(), cause }
}

/// An instance of one server at these gateways, as flags make it.
fn setup(command: &str, gateways: &[String], name: &str) -> Setup {
    fn flag<T>(key: Key, value: T) -> Option<Sourced<T>> {
        key.about().flag.map(|flag| Sourced::new(value, Origin::Flag(flag)))
    }
    let flags = Settings {
        local_stdio: flag(Key::LocalStdio, command.to_owned()),
        gateway: flag(Key::Gateway, gateways.iter().map(|url| GivenGateway::from(url.clone())).collect()),
        server_name: flag(Key::ServerName, name.to_owned()),
        ..Settings::default()
    };
    let surroundings = Surroundings { variable: &|_| None, ..Surroundings::of_this_process() };
    Setup {
        loaded: loaded(flags.clone(), None, &surroundings).unwrap(),
        source: Source { flags, config: None, empty: Empty::Mistake },
        wanted: None,
        secrets: SecretSources::of_this_process([]),
        approved: None,
        random: fastrand::Rng::with_seed(1),
    }
}

async fn run_to_end(setup: Setup, written: &Written, asked: impl AsyncFnMut() -> Wish) -> End {
    let company = company(&setup.loaded.profiles);
    let (instance, over) = Instance::start(setup);
    let terminal = written.terminal(Kind::Lines);
    let notify = Notify::of_this_process();
    let audience = Audience { told: &Told::InWords, terminal: &terminal, company, known: &[], notify: &notify };
    serve(audience, &instance, over, Stay::UntilAllStopped, asked).await
}

#[test]
fn the_exit_code_is_the_lowest_and_a_single_cause_the_last_word() {
    let written = Written::default();
    let refused = Cause::TokenMissing { gateway: "https://a".to_owned() };
    let unreached = Cause::RetriesExhausted { tries: 3, last: Box::new(Cause::FrameTooLarge) };
    let both = [stopped("https://a", refused.clone()), stopped("https://b", unreached)];
    assert_eq!(ended(&Told::InWords, &written.terminal(Kind::Lines), &both), Exit::Token);
    assert_eq!(written.text(), "culvert: all 2 tunnels have stopped\n");
    let written = Written::default();
    let only = [stopped("https://a", refused.clone())];
    assert_eq!(ended(&Told::InWords, &written.terminal(Kind::Lines), &only), Exit::Token);
    assert!(written.text().starts_with(&format!("culvert: {refused}")), "{}", written.text());
}

#[tokio::test]
async fn what_stops_everywhere_ends_the_run() {
    let written = Written::default();
    let gateways = ["http://127.0.0.1:9", "http://127.0.0.1:7"].map(str::to_owned);
    let end = run_to_end(setup("no/such", &gateways, "x"), &written, std::future::pending).await;
    let End::Stopped(stopped) = end else { panic!("it was not asked to end") };
    assert_eq!(stopped.len(), 2);
    let text = written.text();
    for gateway in gateways {
        assert!(text.contains(&format!("warning: {gateway}: stopped: ")), "{text}");
    }
}

/// An MCP server in a line of shell: it answers every request with the result of `initialize`.
#[cfg(unix)]
const SERVER: &str = r#"sh -c 'while read -r line; do
    id=$(printf %s "$line" | sed -n "s/.*\"id\": *\([^,}]*\).*/\1/p")
    [ -z "$id" ] || printf "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}}\n" "$id"
done'"#;

#[cfg(unix)]
#[tokio::test]
async fn losing_one_gateway_does_not_touch_the_other() {
    let written = Written::default();
    let (mut urls, mut running) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let state = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = GatewayConfig { listen, auth: Auth::Open, ..GatewayConfig::new(state.path()) };
        let gateway = Gateway::bind(config).await.unwrap();
        urls.push(gateway.url().to_string());
        let stop = CancellationToken::new();
        running.push((gateway.url().to_string(), stop.clone(), tokio::spawn(gateway.run(stop)), state));
    }
    let (ask, mut asked) = mpsc::channel(1);
    let run = run_to_end(setup(SERVER, &urls, "twice"), &written, async || {
        asked.recv().await;
        Wish::End
    });
    let story = async {
        let told = async |what: String| {
            let seen = async {
                while !written.text().contains(&what) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let in_time = tokio::time::timeout(Duration::from_secs(60), seen).await;
            in_time.unwrap_or_else(|_| panic!("{what:?} is not in {}", written.text()));
        };
        for (url, ..) in &running {
            told(format!("culvert: {url}: online as \"twice\"")).await;
        }
        let (lost, kept) = (&running[1], &running[0]);
        lost.1.cancel();
        told(format!("culvert: warning: {}: ", lost.0)).await;
        assert!(!kept.2.is_finished());
        ask.send(()).await.unwrap();
        kept.0.clone()
    };
    let (end, kept) = tokio::join!(run, story);
    assert!(matches!(end, End::Asked(stopped) if stopped.is_empty()));
    let text = written.text();
    assert!(!text.contains(&format!("warning: {kept}")), "{text}");
    assert!(text.contains(&format!("culvert: {kept}: stopped\n")), "{text}");
    for (_, stop, gateway, _) in running {
        stop.cancel();
        gateway.await.unwrap();
    }
}
