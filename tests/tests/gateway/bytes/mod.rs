//! Byte for byte: any valid JSON-RPC message passes `culvert gateway` and a tunnel unchanged, both ways, but for line
//! breaks between tokens and, where clients share a child, ids and progress tokens.

mod base_gateway;
mod by_hand;
mod far_end;
mod messages;
mod rounds;

use culvert_tests::mcp::McpSession;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{Culvert, Fixture, seed};

use far_end::FarEnd;
use messages::{Messages, Sharing};
use rounds::{NearEnd, Rounds};

/// Rounds of one kind in the tests that always run. A round is up to six messages.
const ROUNDS: usize = 150;

/// The same in the long ones.
const MANY_ROUNDS: usize = 3000;

/// A gateway, and the token of who uses it.
struct House {
    gateway: OwnGateway,
    token: String,
}

impl House {
    async fn open() -> Self {
        let gateway = OwnGateway::start().await;
        Self { gateway, token: OwnGateway::token("me@example.com", SECRET).await }
    }

    /// `culvert run` of the fixture with these options of the one and the other.
    async fn tunnel(&self, options: &[&str], manners: &[&str]) -> (Culvert, FarEnd) {
        let replies = tempfile::NamedTempFile::new().unwrap();
        let path = replies.path().to_str().unwrap().to_owned();
        let fixture = Fixture::new(&[&["--replies", &path], manners].concat());
        let tunnel = self.gateway.tunnel(&fixture, "bytes", &self.token).args(options).start();
        self.gateway.server_becomes("bytes", "online", &self.token).await;
        (tunnel, FarEnd::process(&fixture, replies))
    }
}

async fn in_a_session(options: &[&str], sharing: Sharing, seed: u64, rounds: usize) {
    let house = House::open().await;
    let (tunnel, far_end) = house.tunnel(options, &[]).await;
    let near_end = NearEnd::Session(McpSession::begin(&house.gateway, "bytes", &house.token).await);
    Rounds { near_end, far_end, messages: Messages::new(seed, sharing) }.run(rounds).await;
    tunnel.stop().await;
    house.gateway.culvert.stop().await;
}

async fn without_a_session(seed: u64, rounds: usize) {
    let house = House::open().await;
    let (tunnel, far_end) = house.tunnel(&[], &["--modern"]).await;
    let near_end = NearEnd::stateless(&house.gateway, "bytes", &house.token);
    Rounds { near_end, far_end, messages: Messages::new(seed, Sharing::Stateless) }.run(rounds).await;
    tunnel.stop().await;
    house.gateway.culvert.stop().await;
}

async fn on_a_base_tunnel(seed: u64, rounds: usize) {
    let house = House::open().await;
    let (tunnel, far_end) = by_hand::tunnel(&house.gateway, "bytes", &house.token).await;
    house.gateway.server_becomes("bytes", "online", &house.token).await;
    let near_end = NearEnd::Session(McpSession::begin(&house.gateway, "bytes", &house.token).await);
    Rounds { near_end, far_end, messages: Messages::new(seed, Sharing::Clients) }.run(rounds).await;
    tunnel.abort();
    house.gateway.culvert.stop().await;
}

#[tokio::test]
async fn in_a_session_with_a_child_of_its_own_nothing_changes() {
    in_a_session(&[], Sharing::Nobody, seed::fresh(), ROUNDS).await;
}

#[tokio::test]
async fn over_sse_nothing_changes_either() {
    in_a_session(&["--transport", "sse"], Sharing::Nobody, seed::fresh(), ROUNDS).await;
}

#[tokio::test]
async fn in_a_session_on_a_single_child_only_ids_and_tokens_change_on_the_way() {
    in_a_session(&["--single-child"], Sharing::Clients, seed::fresh(), ROUNDS).await;
}

#[tokio::test]
async fn in_requests_that_stand_alone_only_ids_and_tokens_change_on_the_way() {
    without_a_session(seed::fresh(), ROUNDS).await;
}

#[tokio::test]
async fn on_a_base_tunnel_only_ids_and_tokens_change_on_the_way() {
    on_a_base_tunnel(seed::fresh(), ROUNDS).await;
}

#[tokio::test]
async fn toward_a_base_gateway_nothing_changes() {
    base_gateway::run(Messages::new(seed::fresh(), Sharing::BaseGateway), ROUNDS).await;
}

#[tokio::test]
#[ignore = "long: thousands of messages of each kind"]
async fn byte_for_byte_over_many_seeds() {
    let seed = seed::fresh();
    in_a_session(&[], Sharing::Nobody, seed, MANY_ROUNDS).await;
    in_a_session(&["--transport", "sse"], Sharing::Nobody, seed, MANY_ROUNDS).await;
    in_a_session(&["--single-child"], Sharing::Clients, seed, MANY_ROUNDS).await;
    without_a_session(seed, MANY_ROUNDS).await;
    on_a_base_tunnel(seed, MANY_ROUNDS).await;
    base_gateway::run(Messages::new(seed, Sharing::BaseGateway), MANY_ROUNDS).await;
}
