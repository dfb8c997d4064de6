//! What passes over one channel, as it is kept account of: whole lines are glanced at on their way, and never changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use culvert_protocol::glance::{Glance, glance};
use culvert_protocol::message::{Id, Malformed, Message, Shape, batch};
use culvert_protocol::revision::META_SUBSCRIPTION;
use culvert_protocol::skim::Skimmed;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::activity::{Caller, Outcome};
use crate::figures::{Direction, Method};
use crate::ledger::{Ledger, Ticket, outcome_of};
use crate::probe;

/// Calls of one channel that are followed to their end; of more only the bytes are counted.
const MAX_CALLS: usize = 4096;

/// One channel's account.
#[derive(Debug)]
pub(super) struct Passage {
    ledger: Arc<Ledger>,
    caller: Arc<Caller>,
    calls: Mutex<HashMap<Id, Ticket>>,
    /// Subscriptions, each with what it wants to hear of.
    subscriptions: Mutex<HashMap<Id, Wanted>>,
    /// Whether the child was greeted as up to 2025-11-25: then it may be told things unasked.
    was_greeted: AtomicBool,
    /// A call is over.
    moved: Notify,
}

/// Of which lists a subscription wants to hear that they have changed.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    tools: bool,
    prompts: bool,
    resources: bool,
}

/// What a line of the child is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The answers to these calls, with how each ended; in a batch there may be several, or none.
    Answers(Vec<(Id, Outcome)>),
    /// The answer to one call.
    Answer(Id, Outcome),
    /// The answer to a question of our own.
    ProbeAnswer,
    /// Anything else.
    Other,
}

impl Passage {
    pub(super) fn new(ledger: Arc<Ledger>, caller: Caller) -> Self {
        Self {
            ledger,
            caller: Arc::new(caller),
            calls: Mutex::default(),
            subscriptions: Mutex::default(),
            was_greeted: AtomicBool::new(false),
            moved: Notify::new(),
        }
    }

    /// Where account is kept.
    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// A line goes to the child.
    pub(super) fn to_server(&self, line: &[u8]) {
        self.ledger.figures().passed(Direction::ToServer, line.len());
        match glance(line, Method::about) {
            Some(head) => self.asked(&head, line),
            None => each_of(line, |element| {
                if let Some(head) = glance(element.get().as_bytes(), Method::about) {
                    self.asked(&head, element.get().as_bytes());
                }
            }),
        }
    }

    fn asked(&self, head: &Glance<'_>, line: &[u8]) {
        match (head.id, head.method.as_deref()) {
            (Some(raw_id), Some(method)) => {
                let Some(id) = id_of(raw_id) else { return };
                let mut calls = self.calls();
                if calls.len() < MAX_CALLS {
                    let about = self.ledger.about(line, method, head.about.as_deref());
                    let ticket = self.ledger.begin(&self.caller, method, about.as_deref(), line.len(), Instant::now());
                    if ticket.is_endless() {
                        self.subscriptions().insert(id.clone(), Wanted::of(line));
                    }
                    // The child will answer one of two calls with the same id: the later one is followed.
                    calls.insert(id, ticket);
                } else {
                    self.ledger.unfollowed();
                }
            }
            (None, Some("notifications/initialized")) => self.greeted(),
            (None, Some("notifications/cancelled")) => {
                let Some(id) = cancelled(line) else { return };
                self.close(&id, Outcome::Cancelled, 0);
            }
            _ => {}
        }
    }

    /// What a line of the child is. An answer counts as given only after [`answered`](Self::answered).
    pub(super) fn said(&self, line: &[u8], message: &Result<Message<'_>, Malformed>) -> Said {
        self.ledger.figures().passed(Direction::FromServer, line.len());
        match message {
            Ok(message) => match message.shape() {
                Shape::Response(id) if *self.caller == Caller::Gateway && probe::is_ours(id) => Said::ProbeAnswer,
                Shape::Response(id) => Said::Answer(id.clone(), outcome_of(message)),
                Shape::Request(_) | Shape::Notification => Said::Other,
            },
            Err(Malformed::Batch) => {
                let mut answers = Vec::new();
                each_of(line, |element| {
                    if let Ok(message) = Message::parse(element.get())
                        && let Shape::Response(id) = message.shape()
                    {
                        answers.push((id.clone(), outcome_of(&message)));
                    }
                });
                Said::Answers(answers)
            }
            Err(_) => Said::Other,
        }
    }

    /// What a message of the child was that is too long to be kept.
    pub(super) fn oversize(&self, length: usize, head: &Skimmed) -> Said {
        self.ledger.figures().passed(Direction::FromServer, length);
        match head.id.as_deref().filter(|_| !head.method).and_then(Id::from_json) {
            Some(id) => Said::Answer(id, Outcome::Error(culvert_protocol::rpc_error::TUNNEL_ERROR.into())),
            None => Said::Other,
        }
    }

    /// What was said has been passed on.
    pub(super) fn answered(&self, said: Said, bytes: usize) {
        let answers = match said {
            Said::Answer(id, outcome) => return self.close(&id, outcome, bytes),
            Said::Answers(answers) => answers,
            Said::ProbeAnswer | Said::Other => return,
        };
        for (id, outcome) in answers {
            self.close(&id, outcome, bytes);
        }
    }

    /// A line did not pass, and was answered in the child's place.
    pub(super) fn refused(&self, line: &[u8], answers: &[String]) {
        let refuse = |head: &Glance<'_>, line: &[u8]| {
            if let (Some(_), Some(method)) = (head.id, head.method.as_deref()) {
                let now = Instant::now();
                let about = self.ledger.about(line, method, head.about.as_deref());
                let ticket = self.ledger.begin(&self.caller, method, about.as_deref(), line.len(), now);
                ticket.end(Outcome::Refused, answers.iter().map(String::len).sum(), now);
            }
        };
        match glance(line, Method::about) {
            Some(head) => refuse(&head, line),
            None => each_of(line, |element| {
                let element = element.get().as_bytes();
                glance(element, Method::about).iter().for_each(|head| refuse(head, element));
            }),
        }
    }

    /// The child was greeted as up to 2025-11-25.
    pub(super) fn greeted(&self) {
        self.was_greeted.store(true, Ordering::Release);
    }

    /// What to tell the client about the list of a feature (`tools`, `prompts`, `resources`) that is another one now: a
    /// notification, or one for each subscription that wants to hear of it.
    pub(super) fn list_changed(&self, feature: &str) -> Vec<String> {
        let head = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{feature}/list_changed""#);
        if self.was_greeted.load(Ordering::Acquire) {
            return vec![head + "}"];
        }
        let subscriptions = self.subscriptions();
        let wants = |(_, wanted): &(&Id, &Wanted)| match feature {
            "tools" => wanted.tools,
            "prompts" => wanted.prompts,
            _ => wanted.resources,
        };
        let meta = |id: &Id| format!(r#"{{"{META_SUBSCRIPTION}":{}}}"#, id.to_json());
        let wanting = subscriptions.iter().filter(wants);
        wanting.map(|(id, _)| format!(r#"{head},"params":{{"_meta":{}}}}}"#, meta(id))).collect()
    }

    fn close(&self, id: &Id, outcome: Outcome, bytes: usize) {
        let ticket = self.calls().remove(id);
        if let Some(ticket) = ticket {
            if ticket.is_endless() {
                self.subscriptions().remove(id);
            }
            ticket.end(outcome, bytes, Instant::now());
            self.moved.notify_one();
        }
    }

    /// Waits until no call is under way but those that stay open on purpose. Cancel safe; one may wait at a time.
    pub(super) async fn quiet(&self) {
        while self.calls().values().any(|ticket| !ticket.is_endless()) {
            self.moved.notified().await;
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, HashMap<Id, Wanted>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Id, Ticket>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    fn of(line: &[u8]) -> Self {
        let message = std::str::from_utf8(line).ok().and_then(|text| Message::parse(text).ok());
        let wants = |name| {
            let wanted = message.as_ref().and_then(|message| message.param(&["notifications", name]).ok().flatten());
            wanted.is_some_and(|wanted| wanted.get() == "true")
        };
        Self {
            tools: wants("toolsListChanged"),
            prompts: wants("promptsListChanged"),
            resources: wants("resourcesListChanged"),
        }
    }
}

/// Looks at each element of a batch; what is none has no elements.
pub(super) fn each_of(line: &[u8], mut look: impl FnMut(&RawValue)) {
    let is_array = line.trim_ascii_start().first() == Some(&b'[');
    let text = std::str::from_utf8(line).ok().filter(|_| is_array);
    for element in text.and_then(|text| batch(text).ok()).into_iter().flatten() {
        look(element);
    }
}

/// As [`Id::from_json`], without its cost for the ids that clients really use.
fn id_of(raw: &str) -> Option<Id> {
    match raw.as_bytes() {
        [b'"', inner @ .., b'"'] if raw.len() <= culvert_protocol::limits::MAX_ID && !inner.contains(&b'\\') => {
            raw.get(1..raw.len() - 1).map(|id| Id::Text(id.into()))
        }
        [b'-' | b'0'..=b'9', ..] => raw.parse().map(Id::Integer).ok().or_else(|| Id::from_json(raw)),
        _ => Id::from_json(raw),
    }
}

fn cancelled(line: &[u8]) -> Option<Id> {
    let message = Message::parse(std::str::from_utf8(line).ok()?).ok()?;
    Id::of(message.param(&["requestId"]).ok()??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Call;

    fn passage(caller: Caller) -> Passage {
        Passage::new(Arc::default(), caller)
    }

    fn say(passage: &Passage, line: &str) -> Said {
        let said = passage.said(line.as_bytes(), &Message::parse(line));
        let again = passage.said(line.as_bytes(), &Message::parse(line));
        passage.answered(again, line.len());
        said
    }

    fn calls(passage: &Passage) -> Vec<Call> {
        passage.ledger.activity().calls().read(0).items
    }

    #[test]
    fn a_call_is_followed_from_its_request_to_its_answer() {
        let ann = Caller::Client { subject: Some("ann".into()), client: Some("cli 1".into()) };
        let passage = passage(ann.clone());
        passage.to_server(br#"{"method":"tools/call","params":{"name":"echo","arguments":{"secret":"s"}},"id":"a"}"#);
        passage.to_server(br#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///x"}}"#);
        passage.to_server(br#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
        passage.to_server(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        assert_eq!(passage.ledger.activity().running().len(), 2);
        say(&passage, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no"}}"#);
        say(&passage, r#"{"jsonrpc":"2.0","id":"\u0061","result":{"content":[]}}"#);
        say(&passage, r#"{"jsonrpc":"2.0","id":"a","method":"roots/list"}"#);
        let calls = calls(&passage);
        assert_eq!(calls.len(), 2);
        assert_eq!(*calls[0].head.caller, ann);
        assert_eq!((calls[0].outcome, calls[0].head.about.as_deref()), (Outcome::Error(-32002), Some("file:///x")));
        assert_eq!((calls[1].outcome, calls[1].head.about.as_deref()), (Outcome::Ok, Some("echo")));
        assert!(!format!("{calls:?}").contains("secret"), "heads only");
        let figures = passage.ledger.figures().snapshot();
        assert_eq!((figures.to_server.messages, figures.in_flight), (4, 0));
    }

    #[test]
    fn a_cancelled_call_and_one_whose_channel_ends_say_so() {
        let passage = passage(Caller::Gateway);
        passage.to_server(br#"{"id":1,"method":"tools/call","params":{"name":"a"}}"#);
        passage.to_server(br#"{"id":2,"method":"tools/call","params":{"name":"b"}}"#);
        passage.to_server(br#"{"method":"notifications/cancelled","params":{"requestId":1}}"#);
        let ledger = passage.ledger.clone();
        drop(passage);
        let outcomes: Vec<_> = ledger.activity().calls().read(0).items.iter().map(|call| call.outcome).collect();
        assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Ended]);
    }

    #[test]
    fn the_calls_of_a_batch_are_calls() {
        let passage = passage(Caller::Gateway);
        passage
            .to_server(br#"[{"id":1,"method":"tools/list"},{"id":2,"method":"tools/call","params":{"name":"b"}},7]"#);
        assert_eq!(passage.ledger.figures().snapshot().in_flight, 2);
        let said = say(&passage, r#"[{"id":2,"result":{}},{"id":1,"error":{"code":1,"message":""}},{}]"#);
        assert!(matches!(said, Said::Answers(answers) if answers.len() == 2));
        assert_eq!(calls(&passage).len(), 2);
        assert_eq!(passage.ledger.figures().snapshot().to_server.messages, 1);
    }

    #[test]
    fn an_answer_to_our_own_question_is_kept_on_the_gateways_channel_only() {
        let answer = r#"{"jsonrpc":"2.0","id":"culvert-probe-1","result":{}}"#;
        assert_eq!(say(&passage(Caller::Gateway), answer), Said::ProbeAnswer);
        let client = passage(Caller::Client { subject: None, client: None });
        assert!(matches!(say(&client, answer), Said::Answer(..)), "there it is the client's own id");
    }

    #[test]
    fn what_did_not_pass_is_in_the_account() {
        let passage = passage(Caller::Gateway);
        let line = br#"{"id":1,"method":"tools/call","params":{"name":"rm"}}"#;
        passage.refused(line, &["{}".to_owned()]);
        passage.refused(br#"{"method":"notifications/x"}"#, &[]);
        let calls = calls(&passage);
        let [call] = &calls[..] else { panic!("{calls:?}") };
        assert_eq!((call.outcome, call.head.about.as_deref(), call.bytes_out), (Outcome::Refused, Some("rm"), 2));
        let figures = passage.ledger.figures().snapshot();
        assert_eq!((figures.in_flight, figures.to_server.messages), (0, 0));
    }

    #[test]
    fn changed_lists_are_told_as_the_client_hears_of_them() {
        let passage = passage(Caller::Gateway);
        let told = |feature| passage.list_changed(feature);
        assert!(told("tools").is_empty(), "nobody has asked to hear anything");
        passage.to_server(
            br#"{"id":7,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}"#,
        );
        let meta = r#"{"io.modelcontextprotocol/subscriptionId":7}"#;
        assert_eq!(
            told("tools"),
            [format!(r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"_meta":{meta}}}}}"#)]
        );
        assert!(told("prompts").is_empty());
        passage.to_server(br#"{"method":"notifications/cancelled","params":{"requestId":7}}"#);
        assert!(told("tools").is_empty(), "the subscription is over");
        passage.to_server(br#"{"method":"notifications/initialized"}"#);
        assert_eq!(told("prompts"), [r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#]);
    }

    #[tokio::test]
    async fn it_is_quiet_when_the_last_call_was_answered() {
        let passage = Arc::new(passage(Caller::Gateway));
        passage.to_server(br#"{"id":1,"method":"tools/list"}"#);
        passage.to_server(br#"{"id":2,"method":"subscriptions/listen"}"#);
        let waiting = tokio::spawn({
            let passage = passage.clone();
            async move { passage.quiet().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        say(&passage, r#"{"id":1,"result":{}}"#);
        waiting.await.unwrap();
    }
}
