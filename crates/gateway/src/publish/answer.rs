//! What ContextForge's answers mean for the publisher.

use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::text;
use serde::Deserialize;
use serde_json::Value;

use super::ask::Step;
use super::entry::{Entry, Id, Kind, Part};
use super::place::Deed;

/// An HTTP answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long ContextForge, or a proxy in front of it, asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Requests that its rate limit leaves in this minute, where it tells.
    pub(super) remaining: Option<u32>,
    pub(super) body: Bytes,
}

/// What came of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A page of the list, and the cursor of the next one.
    Page { entries: Vec<Entry>, next: Option<String> },
    /// The entry as it is now.
    Entry(Box<Entry>),
    /// What of one kind is switched off.
    Off(Kind, Vec<Part>),
    /// It is done.
    Done,
    /// It is not.
    Failed(Failure),
}

/// Why a step was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer came; whether it was done is not known.
    Unreachable(String),
    /// It wants to be left alone for a while.
    Busy { status: u16, retry_after: Option<Duration> },
    /// The token is not taken.
    Token(String),
    /// The token may not do this.
    Forbidden(String),
    /// There is no such thing.
    Missing,
    /// Something there is in the way.
    Conflict(String),
    /// It does not take what it was given.
    Invalid(String),
    /// It cannot reach the server through this gateway.
    NoWayBack(String),
    /// It answered something else.
    Odd { status: u16, detail: String },
}

/// The most characters of a reason that are shown.
const MAX_REASON: usize = 300;

#[derive(Deserialize)]
struct Page {
    gateways: Vec<Value>,
    #[serde(rename = "nextCursor", alias = "next_cursor", default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Switchable {
    id: Value,
    enabled: bool,
}

/// Reads the answer to a step.
pub(super) fn read(step: &Step, answer: &Answer) -> Outcome {
    if !(200..300).contains(&answer.status) {
        return Outcome::Failed(refusal(step, answer));
    }
    let body = &answer.body;
    let odd = |what: &str| Outcome::Failed(Failure::Odd { status: answer.status, detail: what.to_owned() });
    match step {
        Step::List { .. } => match serde_json::from_slice::<Page>(body) {
            Ok(page) => {
                Outcome::Page { entries: page.gateways.into_iter().filter_map(Entry::read).collect(), next: page.next }
            }
            Err(_) => odd("its list of gateways cannot be read"),
        },
        Step::For { deed, .. } => match deed {
            Deed::Create { .. } | Deed::Renew { .. } | Deed::Mark { .. } => {
                match serde_json::from_slice(body).ok().and_then(Entry::read) {
                    Some(entry) => Outcome::Entry(Box::new(entry)),
                    None => odd("the entry in its answer cannot be read"),
                }
            }
            Deed::Look { kind, .. } => match serde_json::from_slice::<Vec<Switchable>>(body) {
                Ok(parts) => Outcome::Off(*kind, parts.iter().filter_map(|part| off(*kind, part)).collect()),
                Err(_) => odd("its list cannot be read"),
            },
            Deed::Refresh { .. } => match serde_json::from_slice::<Value>(body) {
                // A refresh that failed is answered with 200 all the same.
                Ok(told) if told["success"] == Value::Bool(false) => {
                    Outcome::Failed(Failure::NoWayBack(shown(told["error"].as_str().unwrap_or_default())))
                }
                _ => Outcome::Done,
            },
            Deed::Disable { .. } | Deed::Enable { .. } | Deed::SwitchOff { .. } | Deed::Delete { .. } => Outcome::Done,
        },
    }
}

/// Ids are texts today, and were numbers once.
fn off(kind: Kind, part: &Switchable) -> Option<Part> {
    let id = match &part.id {
        Value::String(id) => Id::new(id),
        Value::Number(id) => Id::new(&id.to_string()),
        _ => None,
    };
    id.filter(|_| !part.enabled).map(|id| Part { kind, id })
}

fn refusal(step: &Step, answer: &Answer) -> Failure {
    let detail = reason(&answer.body);
    let of_a_server = matches!(step, Step::For { .. });
    match answer.status {
        401 => Failure::Token(detail),
        403 => Failure::Forbidden(detail),
        404 => Failure::Missing,
        409 => Failure::Conflict(detail),
        400 | 422 if of_a_server => Failure::Invalid(detail),
        // ContextForge says so when it cannot reach the server, a proxy when it cannot reach ContextForge.
        502 if of_a_server && !detail.is_empty() => Failure::NoWayBack(detail),
        status @ (429 | 502 | 503 | 504) => Failure::Busy { status, retry_after: answer.retry_after },
        status => Failure::Odd { status, detail },
    }
}

/// What a JSON body says went wrong; nothing else is quoted.
fn reason(body: &[u8]) -> String {
    let Ok(told) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let found = ["message", "detail", "error"].iter().find_map(|name| told.get(name)?.as_str());
    shown(found.unwrap_or_default())
}

fn shown(reason: &str) -> String {
    // The Python client's advice to read about the status helps nobody here.
    let reason = reason.split("\nFor more information check").next().unwrap_or_default();
    text::clean(reason, MAX_REASON)
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::SERVER;
    use super::*;
    use crate::catalog::ServerId;
    use serde_json::json;

    fn for_server(deed: Deed) -> Step {
        Step::For { server: ServerId::parse(SERVER).unwrap(), deed }
    }

    fn id() -> Id {
        Id::new("e1").unwrap()
    }

    fn answered(step: &Step, status: u16, body: &str) -> Outcome {
        let retry_after = Some(Duration::from_secs(7));
        read(step, &Answer { status, retry_after, remaining: None, body: body.to_owned().into() })
    }

    #[test]
    fn a_page_is_read_without_what_makes_no_sense_in_it() {
        let body = json!({"gateways": [
            {"id": "e1", "name": "n", "url": "u", "enabled": true}, {"id": 7}, {"id": "a/b", "name": "n", "url": "u", "enabled": true},
        ], "nextCursor": "c"});
        let Outcome::Page { entries, next } = answered(&Step::List { cursor: None }, 200, &body.to_string()) else {
            panic!("a page")
        };
        assert_eq!((entries.len(), next.as_deref()), (1, Some("c")));
    }

    #[test]
    fn what_is_switched_off_is_found() {
        let look = for_server(Deed::Look { entry: id(), kind: Kind::Tool });
        let body = json!([{"id": "a", "enabled": false}, {"id": "b", "enabled": true}, {"id": 3, "enabled": false}]);
        let Outcome::Off(Kind::Tool, off) = answered(&look, 200, &body.to_string()) else { panic!("a list") };
        assert_eq!(off.iter().map(|part| part.id.as_str()).collect::<Vec<_>>(), ["a", "3"]);
    }

    #[test]
    fn refusals_are_told_apart() {
        let create = for_server(Deed::Delete { entry: id() });
        let list = Step::List { cursor: None };
        let busy = |status| Failure::Busy { status, retry_after: Some(Duration::from_secs(7)) };
        for (step, status, body, expected) in [
            (
                &list,
                401,
                r#"{"detail":"Invalid authentication credentials"}"#,
                Failure::Token("Invalid authentication credentials".into()),
            ),
            (&create, 403, r#"{"message":"Only\nthe owner"}"#, Failure::Forbidden("Only the owner".into())),
            (
                &create,
                409,
                r#"{"message":"Gateway name already exists"}"#,
                Failure::Conflict("Gateway name already exists".into()),
            ),
            (&create, 422, r#"{"detail":[{"loc":["body"]}]}"#, Failure::Invalid(String::new())),
            (
                &create,
                502,
                r#"{"message":"Failed to initialize gateway: no\nFor more information check: x"}"#,
                Failure::NoWayBack("Failed to initialize gateway: no".into()),
            ),
            (&create, 502, "<html>Bad Gateway", busy(502)),
            (&list, 502, r#"{"message":"x"}"#, busy(502)),
            (&list, 429, "{}", busy(429)),
            (&create, 404, "", Failure::Missing),
            (&list, 200, "<html>", Failure::Odd { status: 200, detail: "its list of gateways cannot be read".into() }),
        ] {
            assert_eq!(answered(step, status, body), Outcome::Failed(expected), "{status} {body}");
        }
    }

    #[test]
    fn a_refresh_that_failed_is_no_success() {
        let edition = super::super::place::Edition { session: crate::session::SessionId("s".into()), changes: 1 };
        let refresh = for_server(Deed::Refresh { entry: id(), edition });
        assert_eq!(answered(&refresh, 200, r#"{"success":true,"error":null}"#), Outcome::Done);
        let failed = answered(&refresh, 200, r#"{"success":false,"error":"503"}"#);
        assert_eq!(failed, Outcome::Failed(Failure::NoWayBack("503".into())));
    }
}
