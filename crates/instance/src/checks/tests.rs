//! Checks of profiles that fail at this machine's end, with no gateway there.

use culvert_profiles::{Loaded, Origin, Settings, Sourced, Surroundings, loaded};

use super::*;

fn profile(command: &str) -> Loaded {
    let variable = |name: &str| match name {
        // Nothing listens there: the port is reserved, and needs rights to be listened at.
        "REVERSE_PROXY_GATEWAY" => Some("http://127.0.0.1:1".to_owned()),
        _ => None,
    };
    let surroundings = Surroundings { variable: &variable, ..Surroundings::of_this_process() };
    let local_stdio = Some(Sourced::new(command.to_owned(), Origin::Flag("--local-stdio")));
    loaded(Settings { local_stdio, ..Settings::default() }, None, &surroundings).unwrap()
}

async fn findings(command: &str) -> Vec<(Check, Outcome, Option<String>)> {
    let loaded = profile(command);
    let mut findings = Vec::new();
    let sources = SecretSources::of_this_process([]);
    let mut tell = |finding: Finding| findings.push((finding.check, finding.result, finding.code));
    examine(&loaded.profiles[0], &loaded.hidden, &sources, fastrand::Rng::with_seed(1), &mut tell).await;
    findings
}

#[tokio::test]
async fn every_check_is_told_once_in_its_order_and_what_depends_on_a_failed_one_is_skipped() {
    let findings = findings("/nonexistent/server").await;
    let checks: Vec<_> = findings.iter().map(|(check, ..)| *check).collect();
    assert_eq!(checks, [&Check::LOCAL[..], &Check::OF_GATEWAY[..]].concat());
    let of = |check| findings.iter().find(|(other, ..)| *other == check).unwrap().clone();
    assert_eq!(of(Check::Command), (Check::Command, Outcome::Failed, Some("command.not_found".to_owned())));
    assert_eq!(of(Check::Tcp), (Check::Tcp, Outcome::Failed, Some("gateway.refused".to_owned())));
    for skipped in [Check::Server, Check::Tls, Check::Health, Check::Upgrade, Check::Registration] {
        assert_eq!(of(skipped).1, Outcome::Skipped, "{skipped:?}");
    }
    assert_eq!(of(Check::Dns).1, Outcome::Ok);
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_ends_is_told_with_the_code_of_the_engine() {
    let findings = findings("/bin/sh -c 'exit 3'").await;
    assert_eq!(findings[1].1, Outcome::Ok);
    assert_eq!(findings[2], (Check::Server, Outcome::Failed, Some("server.failed_to_start".to_owned())));
}
