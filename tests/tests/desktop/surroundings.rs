//! The desktop that the other tests stand on is a real one: what it promises is looked at here by other programs.

use culvert_tests::desktop::{Desktop, Keyring};

#[tokio::test]
async fn a_keyring_is_found_by_other_programs_and_keeps_what_it_got() {
    let mut desktop = Desktop::start().await;
    let none = desktop.user("secret-tool").args(["search", "service", "nothing"]).finish().await;
    assert_ne!(none.code, Some(0), "there is no keyring on the bus: {none:#?}");
    desktop.keyring(Keyring::Open).await;
    let store = "printf token | secret-tool store --label=x service s username u";
    let stored = desktop.user("sh").args(["-c", store]).finish().await;
    assert_eq!(stored.code, Some(0), "{stored:#?}");
    desktop.keyring(Keyring::Open).await;
    let found = desktop.user("secret-tool").args(["lookup", "service", "s", "username", "u"]).finish().await;
    assert_eq!(found.out, ["token"], "{found:#?}");
}
