//! One place: from what is wanted and what is there to the next deed.

use super::super::entry::tests::entry;
use super::*;
use serde_json::json;

fn edition(session: &str, changes: u64) -> Edition {
    Edition { session: SessionId(session.to_owned()), changes }
}

fn here(edition: Edition) -> Presence {
    Presence::Here(edition, Instant::now())
}

fn terms() -> Terms {
    Terms { patience: Duration::from_secs(60), key: None }
}

fn place(presence: Presence, entry: Option<Entry>) -> Place {
    let mut place = Place::new("git".into(), presence, fastrand::Rng::with_seed(1));
    place.found(entry);
    place
}

fn serving(place: &Place, now: Moment) -> Option<Deed> {
    place.deed(now, &terms(), Mode::Serving)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_here_is_made_known_once() {
    let now = Moment::now();
    let mut place = place(here(edition("s", 0)), None);
    assert!(matches!(serving(&place, now), Some(Deed::Create { naming: Naming::Plain, .. })));
    place.found(Some(entry(|_| ())));
    place.held = Some(Held { renew_at: Some(now.unix.plus(10)), key: None });
    place.edition = Some(edition("s", 0));
    assert_eq!(serving(&place, now), None);
    assert!(matches!(serving(&place, Moment { unix: now.unix.plus(10), ..now }), Some(Deed::Renew { .. })));
    place.is_now(Some(edition("s", 1)), now.at);
    assert_eq!(serving(&place, now), None, "it may change again at once");
    let later = Moment { at: now.at + LASTING, ..now };
    assert!(matches!(serving(&place, later), Some(Deed::Refresh { .. })), "its tool list changed");
    place.is_now(None, now.at);
    place.is_now(Some(edition("t", 0)), now.at);
    assert_eq!(serving(&place, now), None, "a tunnel that comes and goes is not worth a step");
    assert!(matches!(serving(&place, later), Some(Deed::Renew { .. })), "its tunnel returned");
}

#[tokio::test(start_paused = true)]
async fn a_bearer_of_another_key_or_an_unknown_one_is_replaced() {
    let now = Moment::now();
    let mut place = place(here(edition("s", 0)), Some(entry(|_| ())));
    place.edition = Some(edition("s", 0));
    assert!(matches!(serving(&place, now), Some(Deed::Renew { .. })), "unknown, as after a restart");
    let key = crate::hs256::Key::new(&culvert_protocol::Secret::new("old")).number();
    place.held = Some(Held { renew_at: Some(now.unix.plus(10)), key: Some(key) });
    assert!(matches!(serving(&place, now), Some(Deed::Renew { .. })), "another key");
}

#[tokio::test(start_paused = true)]
async fn a_brief_outage_changes_nothing_and_a_long_one_disables() {
    let start = Moment::now();
    let mut place = place(Presence::Gone(start.at), Some(entry(|_| ())));
    let at = |seconds| Moment { at: start.at + Duration::from_secs(seconds), ..start };
    assert_eq!(serving(&place, at(59)), None);
    assert!(matches!(serving(&place, at(60)), Some(Deed::Look { kind: Kind::Tool, .. })));
    let off = Part { kind: Kind::Tool, id: Id::new("t1").unwrap() };
    place.looked(Kind::Tool, vec![off.clone()]);
    let Some(Deed::Mark { tags, mask, .. }) = serving(&place, at(60)) else { panic!("it offers tools alone") };
    assert_eq!(mask.as_deref(), Some("*****"));
    let tags = serde_json::to_value(tags).unwrap();
    place.found(Some(entry(|entry| entry["tags"] = tags.clone())));
    assert!(matches!(serving(&place, at(60)), Some(Deed::Disable { .. })));
    place.entry.as_mut().unwrap().enabled = false;
    assert_eq!(serving(&place, at(1000)), None, "it stays, disabled");

    place.presence = here(edition("t", 0));
    assert!(matches!(serving(&place, at(1000)), Some(Deed::Enable { .. })));
    place.entry.as_mut().unwrap().enabled = true;
    assert_eq!(serving(&place, at(1000)), Some(Deed::SwitchOff { part: off.clone() }), "as it was before");
    place.entry.as_mut().unwrap().settled(&off);
    let Some(Deed::Renew { tags, .. }) = serving(&place, at(1000)) else { panic!("its mark goes last") };
    assert_eq!(
        serde_json::to_value(tags).unwrap(),
        json!([
            {"id": "culvert", "label": "culvert"}, {"id": "mine", "label": "Mine"},
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_disabled_stays_so() {
    let now = Moment::now();
    let disabled = || Some(entry(|entry| entry["enabled"] = json!(false)));
    assert_eq!(serving(&place(here(edition("s", 0)), disabled()), now), None);
    let gone = place(Presence::Gone(now.at), disabled());
    assert_eq!(gone.deed(now, &terms(), Mode::Leaving), None);
}

#[tokio::test(start_paused = true)]
async fn forgotten_is_deleted_and_gone_never_created() {
    let now = Moment::now();
    assert!(matches!(serving(&place(Presence::Forgotten, Some(entry(|_| ()))), now), Some(Deed::Delete { .. })));
    assert_eq!(serving(&place(Presence::Forgotten, None), now), None);
    assert_eq!(serving(&place(Presence::Gone(now.at), None), now), None);
    let leaving = place(here(edition("s", 0)), None);
    assert_eq!(leaving.deed(now, &terms(), Mode::Leaving), None);
    let leaving = place(here(edition("s", 0)), Some(entry(|_| ())));
    assert!(matches!(leaving.deed(now, &terms(), Mode::Leaving), Some(Deed::Look { .. })), "without patience");
}

#[tokio::test(start_paused = true)]
async fn what_failed_waits_and_is_news_once() {
    let now = Moment::now();
    let mut place = place(here(edition("s", 0)), None);
    assert!(place.failed("refused".into(), Duration::from_secs(9), now.at));
    assert_eq!(serving(&place, now), None);
    let later = Moment { at: now.at + RETRY_CAP, ..now };
    assert!(serving(&place, later).is_some());
    assert!(!place.failed("refused".into(), Duration::ZERO, later.at), "told already");
    assert!(place.succeeded() && !place.is_troubled());
}
