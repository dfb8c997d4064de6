//! Dashboards, alerts and the scrape configuration: read by Prometheus' own tool, and every figure in them is told by a
//! real `culvert run` and a real `culvert gateway`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use culvert_tests::Fixture;
use culvert_tests::authority::Authority;
use culvert_tests::http::Request;
use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::peers::if_any;
use serde_json::{Value, json};

use super::{all, content, folder, free_address, text};

const RULES: [&str; 2] = ["prometheus/tunnels.rules.yml", "prometheus/gateway.rules.yml"];
const DASHBOARDS: [&str; 2] = ["grafana/tunnels.json", "grafana/gateway.json"];

fn promtool() -> Option<Command> {
    let mut command = Command::new(if_any("PROMTOOL")?);
    command.current_dir(folder());
    Some(command)
}

/// Rules and alerts of a file, as `(name, expression)`.
fn alerts(file: &str) -> Vec<(String, String)> {
    let documents = super::documents(&folder().join(file));
    let groups = documents[0]["groups"].as_array().unwrap().clone();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules.map(|rule| (text(&rule["alert"]), text(&rule["expr"]))).collect()
}

fn panels(file: &str) -> Vec<Value> {
    let board: Value = serde_json::from_str(&text(file)).unwrap();
    board["panels"].as_array().unwrap().clone()
}

/// The expressions of a dashboard, with its variables and Grafana's own in place.
fn expressions(file: &str) -> Vec<String> {
    let of = |panel: &Value| panel["targets"].as_array().cloned().unwrap_or_default();
    let targets = panels(file).iter().flat_map(of).collect::<Vec<_>>();
    let whole = |target: &Value| {
        let text = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
        ["$server", "$gateway", "$instance"].iter().fold(text, |text, name| text.replace(name, ".*"))
    };
    targets.iter().map(whole).collect()
}

#[test]
fn promtool_takes_rules_and_configuration_and_each_alert_fires_when_it_should() {
    let Some(mut promtool) = promtool() else { return };
    content(promtool.args(["check", "rules"]).args(RULES));
    let tests: Vec<_> = all().into_iter().filter(|path| path.starts_with("prometheus/tests/")).collect();
    assert_eq!(tests.len(), 2);
    content(self::promtool().unwrap().args(["test", "rules"]).args(&tests));
    content(self::promtool().unwrap().args(["check", "config", "prometheus/prometheus.yml"]));
    let tested: String = tests.iter().map(|path| text(path)).collect();
    for (alert, _) in RULES.iter().flat_map(|file| alerts(file)) {
        assert!(tested.contains(&format!("alertname=\"{alert}\"")), "no test has {alert} fire");
    }
}

#[test]
fn the_dashboards_ask_what_prometheus_understands() {
    for file in DASHBOARDS {
        let rules: Vec<_> = expressions(file)
            .into_iter()
            .enumerate()
            .map(|(at, expr)| json!({"record": format!("panel:{at}"), "expr": expr}))
            .collect();
        assert!(rules.len() > 15, "{file}");
        let scratch = tempfile::tempdir().unwrap();
        let path: PathBuf = scratch.path().join("rules.yml");
        // JSON is YAML.
        std::fs::write(&path, json!({"groups": [{"name": "panels", "rules": rules}]}).to_string()).unwrap();
        if let Some(mut promtool) = promtool() {
            content(promtool.args(["check", "rules"]).arg(path));
        }
    }
}

#[test]
fn the_dashboards_panels_have_a_place_of_their_own() {
    for file in DASHBOARDS {
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in panels(file) {
            let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: {panel}");
            assert!(at("x") + at("w") <= 24, "{file}: {}", panel["title"]);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{file}: {} lies over another", panel["title"]);
                }
            }
            assert!(panel["type"] == "row" || !panel["description"].as_str().unwrap().is_empty(), "{}", panel["title"]);
        }
    }
}

/// Figures with the names of the labels that they have, as OpenMetrics text tells them.
fn told(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut figures = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffixes: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => &[""],
            };
            figures.extend(suffixes.iter().map(|suffix| (format!("{name}{suffix}"), BTreeSet::new())));
        } else if let Some((name, rest)) = line.split_once('{') {
            let labels = rest.split_once('}').map_or("", |(labels, _)| labels);
            let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
            figures.entry(name.to_owned()).or_default().extend(names);
        }
    }
    figures
}

/// The figures that an expression names, with the labels that it picks them by.
fn asked(expr: &str) -> Vec<(String, Vec<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = vec![];
    let mut rest = expr;
    while let Some(at) = rest.find("culvert_") {
        let name: String = rest[at..].chars().take_while(|c| is_word(*c)).collect();
        rest = &rest[at + name.len()..];
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let labels = labels.split("\",").filter_map(|label| label.split(['=', '!']).next()).map(str::trim);
        let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned).collect();
        found.push((name, labels));
    }
    found
}

#[tokio::test]
async fn every_figure_in_dashboards_and_alerts_is_really_told() {
    let gateway = OwnGateway::start_as(OwnGateway::command().args(["--metrics-listen", "127.0.0.1:0"])).await;
    let listening = gateway.culvert.event("listening", |event: &Value| event["event"] == "listening").await;
    let figures_of_gateway = listening["metrics"].as_str().unwrap().parse().unwrap();
    let token = OwnGateway::token("me@example.com", SECRET).await;
    let health = free_address();
    let fixture = Fixture::default();
    let tunnel = gateway.tunnel(&fixture, "git", &token).args(["--health-listen", &health.to_string()]).start();
    tunnel.event("online", |event| event["event"] == "online").await;
    let session = McpSession::begin(&gateway, "git", &token).await;
    assert!(session.call(1, "echo", json!({"text": "hi"})).await["result"].is_object());
    assert_eq!(gateway.request("GET", "/servers", "nonsense").send().await.status, 401);

    // One with TLS tells of its certificate too.
    let authority = Authority::new();
    let (certificate, key) = authority.server_files();
    let protected = OwnGateway::command().args(["--metrics-listen", "127.0.0.1:0", "--tls-cert"]).arg(certificate);
    let protected = OwnGateway::start_as(protected.arg("--tls-key").arg(key)).await;
    let listening = protected.culvert.event("listening", |event: &Value| event["event"] == "listening").await;
    let figures_with_tls = listening["metrics"].as_str().unwrap().parse().unwrap();

    let mut figures = BTreeMap::new();
    for address in [health, figures_with_tls, figures_of_gateway] {
        let answer = Request::new("GET", address, "/metrics").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        figures.extend(told(&answer.body));
    }
    let mut count = 0;
    let rules = RULES.iter().flat_map(|file| alerts(file)).map(|(_, expr)| expr);
    for expr in DASHBOARDS.iter().flat_map(|file| expressions(file)).chain(rules) {
        for (figure, labels) in asked(&expr) {
            let known = figures.get(&figure).unwrap_or_else(|| panic!("{figure} in {expr} is told by nobody"));
            // Nothing has happened yet that some figures count; those say nothing of their labels.
            for label in labels.iter().filter(|label| !known.is_empty() && *label != "instance" && *label != "job") {
                assert!(known.contains(label), "{figure} has no {label}: {expr}");
            }
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
    tunnel.stop().await;
}

#[test]
fn what_is_asked_for_is_found() {
    let expr = r#"sum by (le) (rate(culvert_a_total{server=~"x",cause!="y"}[5m])) / culvert_b > 0"#;
    let labels = vec!["server".to_owned(), "cause".to_owned()];
    assert_eq!(asked(expr), [("culvert_a_total".to_owned(), labels), ("culvert_b".to_owned(), vec![])]);
    let told =
        told("# TYPE culvert_a counter\nculvert_a_total{server=\"x, y\",cause=\"}\"} 1\n# TYPE culvert_b gauge\n");
    assert_eq!(told["culvert_a_total"], ["cause", "server"].map(str::to_owned).into());
    assert!(told["culvert_b"].is_empty());
}
