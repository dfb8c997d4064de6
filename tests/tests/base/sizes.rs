//! Large messages: what a gateway takes passes, what it does not take becomes an error for the one caller.

use culvert_tests::{CulvertCommand, FakeGateway, Fixture, Link};
use serde_json::{Value, json};

const MIB: usize = 1_048_576;

/// How many bytes the tool `large` has to make for a frame of exactly `frame` bytes.
async fn filling(link: &Link, frame: usize) -> usize {
    let id = link.post_call("large", json!({"bytes": 1000})).await;
    frame - (link.answer_frame(&id).await.bytes - 1000)
}

async fn large(link: &Link, bytes: usize) -> Value {
    link.call("large", json!({"bytes": bytes})).await
}

fn is_whole(answer: &Value, bytes: usize) -> bool {
    answer["result"]["content"][0]["text"].as_str().is_some_and(|text| text.len() == bytes)
}

#[tokio::test]
async fn a_strict_gateway_gets_a_frame_of_exactly_a_mebibyte_and_an_error_in_place_of_more() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    let most = filling(&link, MIB).await;

    let id = link.post_call("large", json!({"bytes": most})).await;
    assert_eq!(link.answer_frame(&id).await.bytes, MIB);

    for bytes in [most + 1, 3 * MIB] {
        let answer = large(&link, bytes).await;
        let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("an error: {answer}"));
        assert!(message.contains("1048576"), "the limit is told: {message}");
        let told: Vec<usize> =
            message.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
        assert!(told.iter().any(|size| (bytes..=bytes + 400).contains(size)), "the size is told: {message}");
    }
    assert_eq!(link.call_text("echo", json!({"text": "alive"})).await, "alive");
    assert_eq!(gateway.links(), 1, "an oversize answer costs no link");
    culvert.stop().await;
}

#[tokio::test]
async fn a_larger_limit_is_no_licence_towards_a_strict_gateway() {
    let gateway = FakeGateway::next().await;
    let culvert =
        CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--max-message-size", "33554432"]).start();
    let link = gateway.registered().await;
    assert!(large(&link, 2 * MIB).await["error"].is_object());
    culvert.stop().await;
}

#[tokio::test]
async fn the_released_gateway_takes_sixteen_mebibytes() {
    let gateway = FakeGateway::released().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    let most = filling(&link, 16 * MIB).await;
    assert!(is_whole(&large(&link, most).await, most));
    assert!(large(&link, most + 1).await["error"].is_object());
    culvert.stop().await;
}

#[tokio::test]
async fn a_smaller_limit_of_the_users_own_holds() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--max-message-size", "8192"]).start();
    let link = gateway.registered().await;
    let most = filling(&link, 8192).await;
    assert!(is_whole(&large(&link, most).await, most));
    let answer = large(&link, most + 1).await;
    assert!(answer["error"]["message"].as_str().is_some_and(|message| message.contains("8192")), "{answer}");
    culvert.stop().await;
}

#[tokio::test]
async fn a_stdout_line_far_over_64_kib_passes_and_so_does_a_large_argument() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).start();
    let link = gateway.registered().await;
    for bytes in [65_535, 65_536, 65_537, 300_000, 900_000] {
        assert!(is_whole(&large(&link, bytes).await, bytes), "{bytes}");
        let text = "y".repeat(bytes);
        assert_eq!(link.call_text("echo", json!({"text": text})).await.len(), bytes);
    }
    culvert.stop().await;
}

/// The strict gateway takes a binary frame for a breach, and a breach fails the test.
#[tokio::test]
async fn only_text_frames_are_sent_whatever_their_size() {
    let gateway = FakeGateway::next().await;
    let culvert = CulvertCommand::tunnel(&Fixture::default(), &gateway).args(["--keepalive", "1"]).start();
    let link = gateway.registered().await;
    for bytes in [1, 126, 65_536, 500_000] {
        assert!(is_whole(&large(&link, bytes).await, bytes));
    }
    link.frames_reach("heartbeat", 1).await;
    culvert.stop().await;
}
