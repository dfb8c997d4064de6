//! When a server becomes visible.

use std::sync::Arc;

use culvert_link::Carriage;
use culvert_protocol::{GatewayAddress, ServerName};

use super::views::Presence;
use super::*;
use crate::session::{Introduction, Ways};
use crate::shared::tests::{Child, shared};
use crate::traffic::Traffic;

async fn session(name: &str) -> (Arc<Session>, Entry, Child) {
    let (shared, child) = shared().await;
    let (bearer, now) = (Bearer::anonymous(), UnixTime(1000));
    let owner = bearer.subject().clone();
    let name = ServerName::new(name).unwrap();
    let entry = Entry {
        owner: owner.clone(),
        name: name.clone(),
        description: None,
        tools: None,
        first_seen: 1000,
        last_seen: 1000,
        is_trial: false,
    };
    let visitor = Visitor { bearer, peer: ([127, 0, 0, 1], 1).into(), agent: None, carriage: Carriage::WebSocket };
    let session = Session::new(
        SessionId("one".to_owned()),
        ServerId::of(&owner, &name),
        Introduction { name, client: Default::default(), labels: Labels::default() },
        visitor,
        Arc::new(Traffic::new(now)),
        Ways::new(shared, None),
        now,
    );
    (Arc::new(session), entry, child)
}

/// The servers that there are, and whether each is online.
fn listed(registry: &Registry) -> Vec<(String, Presence)> {
    let base = GatewayAddress::parse("http://localhost").unwrap();
    let views = registry.servers(&Bearer::anonymous(), &base);
    views.into_iter().map(|view| (view.name.to_string(), view.status)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_is_online_once_it_is_on_disk_and_not_before() {
    let registry = Registry::new(Catalog::default(), SubjectLimits { tunnels: 10, ..SubjectLimits::default() });
    let (session, entry, _child) = session("git").await;
    let mut admitted = std::pin::pin!(registry.admit(session, entry));
    tokio::select! {
        biased;
        () = &mut admitted => panic!("nobody has written the catalog"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(listed(&registry), [("git".to_owned(), Presence::Offline)]);
    registry.forget(&Bearer::anonymous(), "git").unwrap();
    // A disk that takes too long is not waited for.
    admitted.await;
    assert_eq!(listed(&registry), [("git".to_owned(), Presence::Online)]);
}
