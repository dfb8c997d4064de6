//! When a server becomes visible.

use std::sync::Arc;

use culvert_link::Carriage;
use culvert_protocol::claims::{Claims, User};
use culvert_protocol::{GatewayAddress, Secret, ServerName};

use super::views::Presence;
use super::*;
use crate::hs256::Key;
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
        SessionId(format!("session of {name}")),
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
        _ = &mut admitted => panic!("nobody has written the catalog"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(listed(&registry), [("git".to_owned(), Presence::Offline)]);
    registry.forget(&Bearer::anonymous(), "git").unwrap();
    // A disk that takes too long is not waited for.
    admitted.await.unwrap();
    assert_eq!(listed(&registry), [("git".to_owned(), Presence::Online)]);
}

#[tokio::test(start_paused = true)]
async fn registrations_at_the_same_time_do_not_come_to_more_than_a_subject_may_have() {
    let registry = Registry::new(Catalog::default(), SubjectLimits { tunnels: 1, ..SubjectLimits::default() });
    let ((git, git_entry, _one), (time, time_entry, _two)) = (session("git").await, session("time").await);
    for session in [&git, &time] {
        assert_eq!(registry.room_for_server(&git_entry.owner, &session.server), Ok(()), "both were at the desk");
    }
    let both = tokio::join!(registry.admit(git, git_entry), registry.admit(time, time_entry));
    let refused = Err(Denial::Limit(Limit::Tunnels(1)));
    let first = match both {
        (Ok(()), other) if other == refused => "git",
        (other, Ok(())) if other == refused => "time",
        other => panic!("{other:?}"),
    };
    assert_eq!(listed(&registry), [(first.to_owned(), Presence::Online)], "and the other one leaves no trace");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_looks_like_an_id_leads_no_admin_to_another_owners_server() {
    let registry = Registry::new(Catalog::default(), SubjectLimits::default());
    let forgotten = ServerId::of(&Subject::new("alice"), &ServerName::new("git").unwrap()).to_string();
    for name in [forgotten.as_str(), "plain"] {
        let (session, entry, _child) = session(name).await;
        registry.admit(session, entry).await.unwrap();
    }
    let claims = Claims { sub: Some("root".into()), user: Some(User { is_admin: true }), ..Claims::default() };
    let admin = Bearer::of(claims, Key::new(&Secret::new("s")).number());
    let found = |text: &str| registry.backend(&admin, text, UnixTime(1000)).map(drop);
    assert_eq!(found("plain"), Ok(()));
    assert_eq!(found(&forgotten), Err(Denial::UnknownServer(forgotten.clone())));
    let own = registry.backend(&Bearer::anonymous(), &forgotten, UnixTime(1000));
    assert!(own.is_ok(), "its owner may call it what they like");
}
