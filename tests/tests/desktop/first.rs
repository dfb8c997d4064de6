//! The way from an empty window to the first profile.

use culvert_tests::Fixture;
use culvert_tests::desktop::{User, WebDriver};

/// Opens an empty app's window and goes to the form for a new profile.
pub(crate) async fn form(user: &User) -> WebDriver {
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.shows("Nothing is shared yet.").await;
    web.choose("button \"Add a server").await;
    web.focus_on("textbox \"Name\"").await;
    web
}

/// Fills it in, for a server that is to be reached through the user's gateway, and saves it.
pub(crate) async fn fill(web: &WebDriver, user: &User, name: &str, server: &Fixture) {
    let (command, gateway) = (server.command(), &user.gateway.url);
    web.write(name).await;
    web.fill(&[("Command line", &command), ("Gateway’s address", gateway), ("New token", &user.token)]).await;
    web.choose("button \"Save and connect\"").await;
}
