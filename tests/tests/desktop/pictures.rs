//! The item and its open menu in a real panel. `CULVERT_PICTURES` names the folder that the pictures go to; without it
//! they are taken and thrown away.

use std::path::PathBuf;

use culvert_tests::Fixture;
use culvert_tests::desktop::{Ground, Panel, User, online_with_figure};
use culvert_tests::own_gateway::OwnGateway;

#[tokio::test]
async fn the_menu_in_a_light_panel() {
    picture(Ground::Light, "tray-light.png").await;
}

#[tokio::test]
async fn the_menu_in_a_dark_panel() {
    picture(Ground::Dark, "tray-dark.png").await;
}

async fn picture(ground: Ground, name: &str) {
    let mut user = User::new().await;
    let servers = [(); 3].map(|()| Fixture::default());
    let stranger = OwnGateway::token("me@example.com", "another-secret-than-the-gateway-has-00").await;
    for (name, server) in ["git", "files", "time"].into_iter().zip(&servers) {
        user.saves(name, server).await;
    }
    user.saves_with("db", &servers[2].command(), &stranger).await;
    for name in ["git", "files", "db"] {
        user.wants(name).await;
    }
    let panel = match ground {
        Ground::Light => "light",
        Ground::Dark => "dark",
    };
    // Xfce's bar is dark as a rule, so a light one has to be told.
    let app = user.desktop.app().arg("--hidden").env("CULVERT_PANEL", panel);
    let panel = Panel::on(&mut user.desktop, ground).await;
    let app = app.start();
    let item = panel.item().await;
    let menu = item.menu().await;
    menu.online("git").await;
    menu.online("files").await;
    menu.profile("db", "refused", |words| words == "token rejected").await;
    item.title_becomes(|title| title == "Culvert: 2 of 3 online").await;
    menu.profile("git", "online with its round trip", online_with_figure).await;
    menu.profile("files", "online with its round trip", online_with_figure).await;
    panel.open_menu().await;
    let thrown_away = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("CULVERT_PICTURES").map_or(thrown_away.path().to_owned(), PathBuf::from);
    panel.picture(&folder.join(name), (360, 400)).await;
    app.stop().await;
}
