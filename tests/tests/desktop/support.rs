//! The support bundle in the real window: gathered, read, saved as it was read, and without a secret.

use std::os::unix::fs::PermissionsExt as _;

use culvert_tests::Fixture;
use culvert_tests::desktop::{User, WebDriver};

#[tokio::test]
async fn a_support_bundle_is_read_in_the_window_and_saved_as_it_was_read() {
    let server = Fixture::new(&["--say", "the cellar door is open, password=hunter2"]);
    let user = User::new().await;
    user.saves("git", &server).await;
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.connect("git").await;
    web.choose("button \"Settings").await;
    web.choose("button \"Make one…\"").await;
    web.focus_on("heading \"Back Support bundle\"").await;
    web.shows("the cellar door is open").await;
    let read = web.css("pre").await.text().await;
    web.choose("button \"Save\"").await;
    let path = web
        .until("where it was saved", |page| {
            let (_, rest) = page.split_once("Saved as ")?;
            Some(rest.split_once(".txt")?.0.to_owned() + ".txt")
        })
        .await;
    let saved = std::fs::read_to_string(&path).unwrap();
    assert_eq!(saved.trim(), read.trim(), "what is saved is what was read");
    for shown in ["culvert", "git", &*user.gateway.url, "online"] {
        assert!(saved.contains(shown), "{shown} is not in it:\n{saved}");
    }
    assert!(!saved.contains(&user.token) && !saved.contains("hunter2"), "{saved}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "for its user's eyes");
    web.quit().await;
}
