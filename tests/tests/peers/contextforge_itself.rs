//! The released gateway starts here and takes its own tokens: what the tests with Culvert build upon.

use culvert_tests::contextforge::ContextForge;

#[tokio::test]
async fn the_released_contextforge_starts_and_lists_no_sessions() {
    let mut gateway = ContextForge::start().await;
    assert!(gateway.sessions("anything").await.is_empty());
    gateway.down().await;
}
