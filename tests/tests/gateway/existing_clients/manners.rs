//! Their oddities, each on the wire between the client and the gateway.

use std::time::Instant;

use culvert_tests::Fixture;
use culvert_tests::mcp::McpSession;
use culvert_tests::tap::{Sender, Tap};
use serde_json::{Value, json};

use super::{Existing, House};

/// How often the gateway acknowledges heartbeats at most, in seconds.
const BETWEEN_ACKS: usize = 5;

/// A client whose frames are seen, and its server.
struct Scene {
    house: House,
    tap: Tap,
    server: Fixture,
    name: String,
    begun: Instant,
}

impl Scene {
    /// It greets its server itself, and sends the answer on before it has registered.
    fn it_may_speak_before_it_registers(&self) {
        let first: Vec<Value> = self.tap.passed().into_iter().take(2).map(|passed| passed.value).collect();
        assert_eq!(first[0]["type"], "response", "{first:#?}");
        assert!(first[0]["payload"]["id"].as_str().is_some_and(|id| id.starts_with("init-")), "{first:#?}");
        assert_eq!(first[1]["type"], "register", "{first:#?}");
        assert_eq!(self.server.received("initialize").len(), 2, "greeted by its client and by the gateway");
    }

    /// What the server asks comes in an envelope that says `response`; it is answered all the same.
    async fn questions_under_a_wrong_label_are_answered(&self) {
        let session = McpSession::begin(&self.house.gateway, &self.name, &self.house.token).await;
        let mut asked = Vec::new();
        for (id, method) in [(1, "ping"), (2, "roots/list")] {
            // The server's answer to the call is what it was answered itself.
            let answer = session.call(id, "ask", json!({"method": method, "id": format!("ask-{id}")})).await;
            let told = answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
            let told: Value = serde_json::from_str(told).unwrap();
            assert_eq!(told["id"], format!("ask-{id}"), "{told}");
            asked.push(told);
        }
        assert_eq!(asked[0]["result"], json!({}));
        assert_eq!(asked[1]["error"]["code"], -32601, "nobody could tell which client is meant: {asked:?}");
        let passed = self.tap.passed().into_iter();
        let questions = passed.filter(|passed| passed.value["payload"]["method"] == "roots/list");
        let labels: Vec<Value> = questions.map(|question| question.value["type"].clone()).collect();
        assert_eq!(labels, ["response"], "the label is as wrong as ever");
    }

    /// It answers an acknowledgement by another heartbeat, so each acknowledgement costs one more.
    async fn heartbeats_do_not_loop(&self) {
        self.tap.count_reaches(Sender::Client, "heartbeat", 7).await;
        let (acks, sent) = (self.tap.count(Sender::Gateway, "heartbeat"), self.tap.count(Sender::Client, "heartbeat"));
        let seconds = usize::try_from(self.begun.elapsed().as_secs()).unwrap();
        assert!(acks >= 1, "the client is acknowledged");
        assert!(acks <= seconds / BETWEEN_ACKS + 1, "{acks} acknowledgements in {seconds} s");
        assert!(sent <= seconds + 1 + acks, "{sent} heartbeats in {seconds} s and for {acks} acknowledgements");
    }
}

async fn oddities_are_borne(client: Existing) {
    let (house, begun) = (House::open().await, Instant::now());
    let tap = Tap::before(house.gateway.address()).await;
    let server = Fixture::default();
    let (running, name) = house.share_through(&tap.url(), client, &server.arguments()).await;
    let scene = Scene { house, tap, server, name, begun };
    if matches!(client, Existing::ContextForge) {
        scene.it_may_speak_before_it_registers();
    }
    scene.questions_under_a_wrong_label_are_answered().await;
    scene.heartbeats_do_not_loop().await;
    running.stop().await;
    scene.house.gateway.culvert.stop().await;
}

#[tokio::test]
async fn the_oddities_of_contextforges_own_client_are_borne() {
    oddities_are_borne(Existing::ContextForge).await;
}

#[tokio::test]
async fn the_oddities_of_pypis_client_are_borne() {
    oddities_are_borne(Existing::PyPi).await;
}
