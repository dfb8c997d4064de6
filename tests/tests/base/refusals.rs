//! Gateways that say no: what ends `run`, with which code and words, and what is only tried again.

use culvert_tests::culvert::Finished;
use culvert_tests::gateway::{Outcome, Paths, Refusal};
use culvert_tests::{CulvertCommand, FakeGateway, Fixture, Manner};

use crate::failing::assert_fails;

async fn refused_with(refusal: Refusal) -> Finished {
    let gateway = FakeGateway::next().await;
    // Also at the canonical path, where a bare 403 may make a client look.
    gateway.refuse_next(refusal.clone());
    gateway.refuse_next(refusal);
    let finished =
        CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--token", "stale-sesame"]).finish().await;
    assert_eq!(gateway.links(), 0, "a refused token is not tried again");
    assert!(gateway.upgrades() <= 2);
    assert!(!format!("{finished:?}").contains("sesame"), "{finished:?}");
    finished
}

#[tokio::test]
async fn a_401_stops_the_tunnel_until_the_user_acts() {
    for reason in ["Invalid token", "Token has expired", "Token is missing its jti", "Unknown user"] {
        let finished = refused_with(Refusal::detail(401, reason)).await;
        assert_fails(&finished, 6, "auth.", &["401 Unauthorized", reason]);
    }
}

#[tokio::test]
async fn a_401_without_a_token_says_that_one_is_wanted() {
    let gateway = FakeGateway::start(Manner::next().token("t")).await;
    let finished = CulvertCommand::tunnel(&Fixture::default(), &gateway).finish().await;
    assert_fails(&finished, 6, "auth.missing", &["REVERSE_PROXY_TOKEN"]);
    assert_eq!(gateway.upgrades(), 1);
}

#[tokio::test]
async fn a_403_stops_the_tunnel_until_the_user_acts() {
    for reason in ["Access denied", "Not a member of this team"] {
        let finished = refused_with(Refusal::detail(403, reason)).await;
        assert_fails(&finished, 6, "auth.forbidden", &["403 Forbidden", reason]);
    }
}

#[tokio::test]
async fn the_released_gateways_bare_403_is_a_refused_token() {
    let gateway = FakeGateway::start(Manner::released().token("good")).await;
    let finished = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--token", "bad"]).finish().await;
    assert_fails(&finished, 6, "auth.forbidden", &["403 Forbidden"]);
    assert!(gateway.upgrades() <= 2, "one look at the canonical path, no more");
}

#[tokio::test]
async fn a_token_that_goes_bad_while_online_stops_the_tunnel_too() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--token", "t"]).start();
    let link = gateway.registered().await;
    gateway.refuse_next(Refusal::detail(401, "Token has expired"));
    link.drop_tcp().await;
    assert_fails(&culvert.end().await, 6, "auth.", &["Token has expired"]);
}

#[tokio::test]
async fn a_registration_refused_twice_with_a_reason_ends_run() {
    let gateway = FakeGateway::next().await;
    for _ in 0..2 {
        gateway.next_outcome(Outcome::Refused("this name belongs\u{1b}[2J to another team".into()));
    }
    let finished = CulvertCommand::tunnel(&Fixture::default(), &gateway).finish().await;
    assert_fails(&finished, 8, "register.refused", &["belongs", "to another team"]);
    assert_eq!(gateway.links(), 2);
}

#[tokio::test]
async fn a_registration_refused_once_is_tried_again() {
    let gateway = FakeGateway::next().await;
    gateway.next_outcome(Outcome::Refused("this name belongs to another team".into()));
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    gateway.registered_number(2).await;
    culvert.online().await;
    culvert.stop().await;
}

#[tokio::test]
async fn four_bare_failures_of_registration_are_the_gateways_own_trouble() {
    let gateway = FakeGateway::next().await;
    for _ in 0..4 {
        gateway.next_outcome(Outcome::Refused("registration failed".into()));
    }
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    culvert.waiting("register.failed").await;
    gateway.registered_number(5).await;
    culvert.online().await;
    culvert.stop().await;
}

#[tokio::test]
async fn five_bare_failures_of_registration_in_a_row_end_run() {
    let gateway = FakeGateway::next().await;
    for _ in 0..5 {
        gateway.next_outcome(Outcome::Refused("registration failed".into()));
    }
    let finished = CulvertCommand::tunnel(&Fixture::default(), &gateway).finish().await;
    assert_fails(&finished, 8, "register.", &["registration failed"]);
    assert_eq!(gateway.links(), 5);
}

#[tokio::test]
async fn a_gateway_that_is_never_there_exhausts_the_retries() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let finished = CulvertCommand::run()
        .server(&Fixture::default())
        .args(["--gateway", &format!("http://{closed}")])
        .args(["--reconnect-delay", "0.05", "--max-retries", "2"])
        .finish()
        .await;
    assert_fails(&finished, 7, "link.retries_exhausted", &["Max retries exceeded", "Connection refused"]);
}

#[tokio::test]
async fn a_gateway_without_the_endpoint_is_named_as_such() {
    let gateway = FakeGateway::start(Manner::next().paths(Paths::None)).await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--max-retries", "1"]).start();
    let waiting = culvert.waiting("gateway.no_endpoint").await;
    assert!(waiting["cause"]["action"].as_str().is_some_and(|action| action.contains("path prefix")), "{waiting}");
    assert_fails(&culvert.end().await, 7, "link.retries_exhausted", &["no tunnel endpoint"]);
}

#[tokio::test]
async fn a_released_gateway_is_online_at_once_and_said_to_route_nothing() {
    let gateway = FakeGateway::released().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let online = culvert.online().await;
    assert!(online["url"].is_null(), "{online}");
    culvert.notice("gateway.no_routing").await;
    culvert.stop().await;
}
